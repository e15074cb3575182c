//! A base URL without the path of the API (`/api/v1`): nothing is found, and the error says why.

use std::io::Read;
use std::sync::Arc;

use http::{Request, Response};
use scramjet_client_blocking::{Error, HostClient, Outgoing, StartOptions, TransportError};
use scramjet_client_testing::script::from_fn;
use scramjet_client_tests::on_each_hub;

const HINT: &str = "; is the base path (/api/v1) missing?";

fn has_hint(error: &Error) -> bool {
    assert!(error.is_not_found(), "{error:?}");
    error.to_string().ends_with(HINT)
}

on_each_hub!(a_missing_base_path_is_named);
fn a_missing_base_path_is_named(host: HostClient) {
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
        // Asks for the version first.
        let instance = host.instance("an-id").unwrap();
        assert!(has_hint(&instance.stop(&Default::default()).unwrap_err()));
    }
    assert!(has_hint(&at(root).list_instances().unwrap_err()));
    // A prefix of a gateway, perhaps.
    let other = at(&format!("{root}/hubs/a")).list_instances().unwrap_err();
    assert!(!has_hint(&other));

    let unknown = |host: &HostClient| host.instance("no-such-id").unwrap().info().unwrap_err();
    assert!(!has_hint(&unknown(&host)));
    assert!(!has_hint(&unknown(&at(&format!("{root}/api/v1//")))));
}

/// A hub at the root of a gateway, which answers like this.
fn at_the_root(
    answer: impl Fn(&Request<Outgoing<'_>>) -> (u16, &'static str) + Send + Sync + 'static,
) -> HostClient {
    let transport = from_fn(move |request: Request<Outgoing<'_>>| {
        let (status, body) = answer(&request);
        let body: Box<dyn Read + Send> = Box::new(body.as_bytes());
        let response = Response::builder().status(status);
        let response = response.header("access-control-allow-origin", "*");
        Ok::<_, TransportError>(response.body(body).unwrap())
    });
    HostClient::builder("http://hub.example")
        .transport(Arc::new(transport))
        .build()
        .unwrap()
}

#[test]
fn a_hub_at_the_root_of_its_server_is_believed() {
    for body in [
        r#"{"error":"Instance x not found"}"#,
        r#"{"opStatus":"Not Found"}"#,
        "{}",
    ] {
        let host = at_the_root(move |_| (404, body));
        let sequence = host.sequence("x").unwrap();
        let error = sequence.start(&StartOptions::new()).map(drop).unwrap_err();
        assert!(!has_hint(&error), "{body}");
    }
    for body in ["", "<html><title>404</title>", r#"{"message":"no"}"#] {
        let host = at_the_root(move |_| (404, body));
        assert!(has_hint(&host.list_sequences().unwrap_err()), "{body}");
    }
    let host = at_the_root(|request| match request.uri().path() {
        "/version" => (200, r#"{"version":"0.18.7"}"#),
        _ => (404, ""),
    });
    host.version().unwrap();
    assert!(!has_hint(&host.instance("x").unwrap().info().unwrap_err()));
}
