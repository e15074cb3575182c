//! Hints in `404` errors: a base URL without the API path (`/api/v1`), and a sequence name used as
//! an id.

use std::io::Read;
use std::sync::Arc;

use http::{Request, Response};
use scramjet_client_blocking::transport::{RequestBody, TransportError};
use scramjet_client_blocking::{Error, HostClient, StartOptions};
use scramjet_client_testing::script::from_fn;
use scramjet_client_tests::on_each_hub;

const HINT: &str = "; is the base path (/api/v1) missing?";

fn has_hint(error: &Error) -> bool {
    assert!(error.is_not_found(), "{error:?}");
    error.to_string().ends_with(HINT)
}

on_each_hub!(not_found_errors_suggest_a_missing_base_path);
fn not_found_errors_suggest_a_missing_base_path(host: HostClient) {
    let Some(root) = host.base_url().strip_suffix("/api/v1") else {
        return;
    };
    let at = |url: &str| HostClient::new(url).unwrap();
    for url in [root, &format!("{root}/"), &format!("{root}/api")] {
        let host = at(url);
        assert!(has_hint(&host.version().unwrap_err()), "{url}");
        assert!(
            has_hint(
                &host
                    .wait_ready(std::time::Duration::from_secs(60))
                    .unwrap_err()
            ),
            "{url}"
        );
        // `stop` requests the version first.
        let instance = host.instance("an-id").unwrap();
        assert!(has_hint(&instance.stop(&Default::default()).unwrap_err()));
    }
    assert!(has_hint(&at(root).list_instances().unwrap_err()));
    // Setting the version does not suppress the hint.
    let with_version = HostClient::builder(root).hub_version("1.0.1").build();
    assert!(has_hint(
        &with_version.unwrap().list_instances().unwrap_err()
    ));
    // This path may be a prefix of a gateway.
    let other = at(&format!("{root}/hubs/a")).list_instances().unwrap_err();
    assert!(!has_hint(&other));

    let unknown = |host: &HostClient| host.instance("no-such-id").unwrap().info().unwrap_err();
    assert!(!has_hint(&unknown(&host)));
    assert!(!has_hint(&unknown(&at(&format!("{root}/api/v1//")))));
}

/// Returns a client for a hub without a base path.
fn hub_at_root(
    answer: impl Fn(&Request<RequestBody<'_>>) -> (u16, &'static str) + Send + Sync + 'static,
) -> HostClient {
    client_with_replies("http://hub.example", answer)
}

fn client_with_replies(
    base_url: &str,
    answer: impl Fn(&Request<RequestBody<'_>>) -> (u16, &'static str) + Send + Sync + 'static,
) -> HostClient {
    let transport = from_fn(move |request: Request<RequestBody<'_>>| {
        let (status, body) = answer(&request);
        let body: Box<dyn Read + Send> = Box::new(body.as_bytes());
        let response = Response::builder().status(status);
        let response = response.header("access-control-allow-origin", "*");
        Ok::<_, TransportError>(response.body(body).unwrap())
    });
    HostClient::builder(base_url)
        .transport(Arc::new(transport))
        .build()
        .unwrap()
}

#[test]
fn not_found_errors_suggest_no_base_path_if_a_hub_answers_at_the_root() {
    for body in [
        r#"{"error":"Instance x not found"}"#,
        r#"{"opStatus":"Not Found"}"#,
        "{}",
    ] {
        let host = hub_at_root(move |_| (404, body));
        let sequence = host.sequence("x").unwrap();
        let error = sequence.start(&StartOptions::new()).map(drop).unwrap_err();
        assert!(!has_hint(&error), "{body}");
    }
    for body in ["", "<html><title>404</title>", r#"{"message":"no"}"#] {
        let host = hub_at_root(move |_| (404, body));
        assert!(has_hint(&host.list_sequences().unwrap_err()), "{body}");
    }
    let host = client_with_replies("http://hub.example/a/api/v1", |_| (404, ""));
    assert!(!has_hint(&host.version().unwrap_err()));
    let host = hub_at_root(|request| match request.uri().path() {
        "/version" => (200, r#"{"version":"0.18.7"}"#),
        _ => (404, ""),
    });
    host.version().unwrap();
    assert!(!has_hint(&host.instance("x").unwrap().info().unwrap_err()));
}

const NAME_HINT: &str =
    "; hubs look up sequences by id; to look one up by name, use HostClient::sequence_named";

/// Returns the errors of the calls that use this sequence id.
fn errors_of(host: &HostClient, id: &str) -> [Error; 2] {
    let sequence = host.sequence(id).unwrap();
    [
        sequence.start(&StartOptions::new()).map(drop).unwrap_err(),
        sequence.info().map(drop).unwrap_err(),
    ]
}

on_each_hub!(start_and_info_suggest_sequence_named_if_the_id_is_a_name);
fn start_and_info_suggest_sequence_named_if_the_id_is_a_name(host: HostClient) {
    let name = "no-such-name";
    for error in errors_of(&host, name) {
        assert!(error.is_not_found(), "{error:?}");
        assert!(error.to_string().ends_with(NAME_HINT), "{error}");
    }
    // No hint for a UUID, or for an instance id.
    let id = "00000000-0000-4000-8000-00000000000A";
    for error in errors_of(&host, id) {
        assert!(error.is_not_found(), "{error:?}");
        assert!(!error.to_string().contains(NAME_HINT), "{error}");
    }
    let instance = host.instance(name).unwrap().info().unwrap_err();
    assert!(!instance.to_string().contains(NAME_HINT), "{instance}");
}

#[test]
fn start_and_info_suggest_sequence_named_only_on_not_found() {
    let count_hints = |status, body, id| {
        let host = client_with_replies("http://hub.example/api/v1", move |_| (status, body));
        let with_hint = |error: &&Error| error.to_string().contains(NAME_HINT);
        errors_of(&host, id).iter().filter(with_hint).count()
    };
    let hub_body = r#"{"error":"no"}"#;
    assert_eq!(count_hints(404, hub_body, "shout"), 2);
    for id in [
        "00000000-0000-4000-8000-00000000000",
        "00000000-0000-4000-80000-0000000000a",
        "00000000-0000-4000-8000-00000000000g",
        "0000000000004000800000000000000a",
    ] {
        assert_eq!(count_hints(404, hub_body, id), 2, "{id}");
    }
    assert_eq!(count_hints(404, "<html>404", "shout"), 0);
    assert_eq!(count_hints(409, hub_body, "shout"), 0);
}
