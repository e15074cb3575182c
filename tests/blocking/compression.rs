//! Responses that a proxy compresses although the client did not ask for it.

use crate::helpers::{GENERATIONS, in_parallel};
use scramjet_client_blocking::error::ReplyError;
use scramjet_client_blocking::{Error, ErrorCode, ErrorKind, HostClient};
use scramjet_client_testing::fake_hub::{FakeHub, Proxy};

fn check(error: &Error) {
    let ErrorKind::Reply(ReplyError::Encoded { encoding, .. }) = error.kind() else {
        panic!("{error:?}");
    };
    assert_eq!(encoding, "gzip");
    assert_eq!(error.code(), ErrorCode::InvalidResponse);
    assert!(!error.is_retryable(), "{error:?}");
    let text = error.to_string();
    let remedy = "turn off compression in the proxy in front of the hub";
    assert!(
        text.contains("Content-Encoding: gzip") && text.ends_with(remedy),
        "{text}"
    );
}

#[test]
fn compressed_responses_are_an_error_that_names_content_encoding() {
    in_parallel(GENERATIONS, |generation| {
        let hub = FakeHub::builder(generation).start();
        hub.program("quiet", |process| process.run_until_killed());
        let host = hub.client();
        host.dialect().unwrap();
        let sequence = host.send_sequence(hub.package("quiet")).unwrap();
        let instance = sequence.start(&Default::default()).unwrap();
        let mut proxy = Proxy::default();
        proxy.compresses = true;
        hub.set_proxy(Some(proxy));

        check(&host.version().unwrap_err());
        check(&host.list_instances().unwrap_err());
        check(&instance.info().unwrap_err());
        // The output is empty, so the error comes from the response head.
        check(&instance.output().unwrap_err());
        check(&instance.log_lines().map(drop).unwrap_err());
        check(&instance.event_stream("never").map(drop).unwrap_err());
        check(&instance.wait_event("never").unwrap_err());
        check(&instance.wait_ended().unwrap_err());
        // Error responses are not compressed, and are decoded as usual.
        let missing = HostClient::instance(&host, "missing").unwrap().info();
        assert!(missing.unwrap_err().is_not_found());

        hub.set_proxy(None);
        instance.info().unwrap();
    });
}
