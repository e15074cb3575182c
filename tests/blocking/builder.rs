//! `HostClient::new` and `HostClientBuilder`: base URL, settings, headers, `hub_version`.

use std::str::FromStr;
use std::sync::Arc;

use scramjet_client_blocking::{ErrorKind, HostClient, HostClientBuilder, Transport, Version};
use scramjet_client_tests::scripted::refused_url;

use crate::helpers::recording;

#[test]
fn basic_auth_sends_name_and_password_and_rejects_a_name_with_a_colon() {
    let (server, requests) = recording(br#"{"version":"1.0.1"}"#);
    let builder = HostClient::builder(server.url());
    let host = builder
        .basic_auth("Aladdin", "open sesame")
        .build()
        .unwrap();
    host.version().unwrap();
    let sent = requests.take();
    // The example of RFC 7617.
    let expected = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    assert_eq!(sent.header("authorization"), Some(expected), "{sent:?}");
    let builder = HostClient::builder(server.url());
    let error = builder.basic_auth("a:b", "c").build().unwrap_err();
    assert!(error.to_string().contains("colon"), "{error}");
}

#[test]
fn header_is_sent_by_its_client_only_and_a_later_value_replaces_it() {
    let (server, requests) = recording(br#"{"version":"1.0.1"}"#);
    let transport: Arc<dyn Transport> =
        Arc::new(scramjet_client_blocking::transport::UreqTransport::default());
    let builder = || HostClient::builder(server.url()).transport(Arc::clone(&transport));
    let one = builder()
        .bearer_token("first")
        .bearer_token("second")
        .header("X-Hub", "a")
        .build()
        .unwrap();
    let other = builder().build().unwrap();
    one.version().unwrap();
    let request = requests.take();
    assert_eq!(
        (request.header("authorization"), request.header("x-hub")),
        (Some("Bearer second"), Some("a"))
    );
    other.version().unwrap();
    let request = requests.take();
    assert_eq!(
        (request.header("authorization"), request.header("x-hub")),
        (None, None)
    );
    assert_eq!(
        server.connections(),
        1,
        "clients of one transport share its connections"
    );
}

#[test]
fn build_rejects_invalid_settings_before_connecting() {
    let (server, _) = recording(b"{}");
    let url = server.url();
    let here = || HostClient::builder(&url);
    let rows: Vec<(HostClientBuilder, &str)> = vec![
        (HostClient::builder(""), "it is empty"),
        (
            HostClient::builder("localhost:8000/api/v1"),
            "missing http://",
        ),
        (
            HostClient::builder("ftp://localhost/api/v1"),
            "neither http nor https",
        ),
        (HostClient::builder("http://"), "empty host"),
        (HostClient::builder("http://localhost:99999/"), "port"),
        (HostClient::builder(format!("{url}?a=b")), "a query"),
        (HostClient::builder(format!("{url}#a")), "a fragment"),
        (
            HostClient::builder(url.replace("http://", "http://user:password@")),
            "a user name or password",
        ),
        (
            here().header("x-a", "b\r\nx-c: d"),
            "invalid header \"x-a\": its value contains a line break",
        ),
        (
            here().header("x-a", "b\nx-c: d"),
            "its value contains a line break",
        ),
        (
            here().header("x-a", "b\rx-c: d"),
            "its value contains a line break",
        ),
        (
            here().header("x-a", "b\0"),
            "its value contains a line break or another character",
        ),
        (
            here().bearer_token("a\r\nx-c: d"),
            "invalid header \"authorization\"",
        ),
        (
            here().header("x-a\r\nx-c", "d"),
            "its name is not a valid HTTP header name",
        ),
        (
            here().header("x a", "d"),
            "its name is not a valid HTTP header name",
        ),
        (
            here().header("", "d"),
            "its name is not a valid HTTP header name",
        ),
        (
            here().header("x-ä", "d"),
            "its name is not a valid HTTP header name",
        ),
        (
            here().header("Content-Length", "0"),
            "it describes the connection or the body",
        ),
        (
            here().header("transfer-encoding", "chunked"),
            "it describes the connection or the body",
        ),
        (
            here().header("Host", "elsewhere"),
            "it describes the connection or the body",
        ),
        (
            here().header("connection", "close"),
            "it describes the connection or the body",
        ),
        (
            here().header("expect", "100-continue"),
            "it describes the connection or the body",
        ),
        (
            here().header("x-a", "b".repeat(20_000)),
            "longer than the 16 kB",
        ),
        (
            here().hub_version("latest"),
            "\"latest\" is not a version; expected a version such as 1.0.1",
        ),
        (here().hub_version(""), "\"\" is not a version"),
    ];
    for (builder, says) in rows {
        let error = builder.build().unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(
            matches!(
                error.kind(),
                scramjet_client_blocking::ErrorKind::Request(_)
            ),
            "{error}"
        );
        assert_eq!(
            (error.operation(), error.url(), error.method()),
            (None, None, None)
        );
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn hub_version_accepts_strings_and_versions() {
    let builders: [fn(HostClientBuilder) -> HostClientBuilder; 4] = [
        |builder| builder.hub_version("0.18.7"),
        |builder| builder.hub_version("v0.18.7-pre.1".to_owned()),
        |builder| builder.hub_version(Version::new(0, 18, 7)),
        |builder| builder.hub_version("0.18.7".parse::<Version>().unwrap()),
    ];
    for set_version in builders {
        // No hub listens at this URL, so the dialect can only come from the given version.
        let host = set_version(HostClient::builder(refused_url()))
            .build()
            .unwrap();
        assert!(!host.dialect().unwrap().supports_topic_management());
    }
}

#[test]
fn version_from_str_rejects_text_that_is_no_version() {
    for (text, says) in [
        (
            "latest",
            "\"latest\" is not a version; expected a version such as 1.0.1",
        ),
        ("", "\"\" is not a version"),
    ] {
        let error = Version::from_str(text).unwrap_err().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn host_client_new_does_not_rewrite_the_base_url() {
    for url in [
        "http://www.example.com:8000/api/v1",
        "https://www.example.com/hubs/b/a/api/v1",
        "http://example.com/a//b",
    ] {
        assert_eq!(HostClient::new(url).unwrap().base_url(), url);
    }
    for url in [
        "http://user:secret@example.com/api/v1",
        "http://example.com/api/v1?token=abc",
    ] {
        let error = HostClient::new(url).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Request(_)) && !error.to_string().contains("secret"),
            "{error}"
        );
    }
}
