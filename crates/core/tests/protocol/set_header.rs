//! `Endpoint::set_header`.

use scramjet_client_core::RequestError;
use scramjet_client_core::http::{HeaderName, HeaderValue};

use crate::helpers::hub;

#[test]
fn set_header_rejects_headers_of_the_connection_and_invalid_values() {
    let value = || HeaderValue::from_static("x");
    for name in [
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "trailer",
        "expect",
    ] {
        let error = hub()
            .set_header(HeaderName::from_static(name), value())
            .expect_err("the library's own");
        assert!(
            matches!(&error, RequestError::Header { name: named, .. } if named == name),
            "{error:?}"
        );
    }
    for name in [
        "authorization",
        "cookie",
        "accept",
        "user-agent",
        "x-mw-billable",
    ] {
        hub()
            .set_header(HeaderName::from_static(name), value())
            .unwrap_or_else(|error| panic!("{error}"));
    }
    // Values that would arrive changed.
    for value in [" x", "x ", "\tx", "Bearer ", " ", "żółw"] {
        let value = HeaderValue::try_from(value).expect("HTTP allows it");
        let error = hub()
            .set_header(HeaderName::from_static("x-a"), value)
            .expect_err("it would not arrive");
        assert!(
            matches!(&error, RequestError::Header { name, .. } if name == "x-a"),
            "{error:?}"
        );
    }
    for value in ["", "a b", "a\tb"] {
        let value = HeaderValue::try_from(value).expect("HTTP allows it");
        hub()
            .set_header(HeaderName::from_static("x-a"), value)
            .unwrap_or_else(|error| panic!("{error}"));
    }
    // Too long alone or together. A replaced value does not count.
    let long = || HeaderValue::try_from("x".repeat(9000)).expect("a value");
    let mut hub = hub();
    for _ in 0..3 {
        hub.set_header(HeaderName::from_static("x-a"), long())
            .expect("9 kB");
    }
    let error = hub
        .set_header(HeaderName::from_static("x-b"), long())
        .expect_err("18 kB");
    assert!(
        matches!(&error, RequestError::Header { name, .. } if name == "x-b"),
        "{error:?}"
    );
    assert!(
        !format!("{error:?} {error}").contains("xxx"),
        "a value may be a secret"
    );
    let request = hub
        .request(&scramjet_client_core::GetVersion)
        .expect("a request");
    assert!(!request.headers().contains_key("x-b"));
}
