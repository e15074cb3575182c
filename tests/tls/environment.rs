//! Proxies from environment variables. Each test that reads them runs in a process of its own.

use std::env;

use scramjet_client_blocking::HostClient;
use scramjet_client_blocking::transport::ProxyProblem;
use scramjet_client_tests::authority::Authority;
use scramjet_client_tests::forward::ForwardProxy;

use crate::helpers::{in_child, within};
use crate::hubs::{Hub, NAME, fails, succeeds};

const HUB: &str = "TEST_PROXY_CHILD_HUB";
const CA: &str = "TEST_PROXY_CHILD_CA";

const ESTABLISHED: &str = "HTTP/1.1 200 OK\r\n\r\n";

/// Clears all variables that may be set on this machine.
const NONE: [(&str, &str); 9] = [
    ("HTTP_PROXY", ""),
    ("http_proxy", ""),
    ("HTTPS_PROXY", ""),
    ("https_proxy", ""),
    ("ALL_PROXY", ""),
    ("all_proxy", ""),
    ("NO_PROXY", ""),
    ("no_proxy", ""),
    ("REQUEST_METHOD", ""),
];

#[test]
fn proxy_from_environment_selects_the_proxy_by_scheme() {
    if let (Ok(hub), Ok(ca)) = (env::var(HUB), env::var(CA)) {
        within("calls", move || {
            succeeds(
                "http",
                HostClient::builder(format!("http://{NAME}:8000/api/v1")).proxy_from_environment(),
            );
            succeeds(
                "https",
                HostClient::builder(format!("https://{NAME}/api/v1"))
                    .ca_certificate_pem(ca)
                    .proxy_from_environment(),
            );
            succeeds(
                "this machine",
                HostClient::builder(hub).proxy_from_environment(),
            );
        });
        return;
    }
    let authority = Authority::new("ours");
    let (http, https) = (Hub::plain(), Hub::tls(&authority.identity(&[NAME])));
    let for_http = ForwardProxy::start("hub.invalid:8000", &http.server.url(), ESTABLISHED);
    let for_https = ForwardProxy::start("hub.invalid:443", &https.server.url(), ESTABLISHED);
    let (url, ca) = (http.server.url(), authority.pem());
    let (one, other) = (
        format!("http://user:secret@{}", for_http.address()),
        for_https.address(),
    );
    let mut variables = NONE.to_vec();
    variables.extend([
        ("HTTP_PROXY", one.as_str()),
        ("all_proxy", &other),
        ("NO_PROXY", "x, invalid.hub ,.hub.invalid"),
        (HUB, &url),
        (CA, &ca),
    ]);
    in_child(&variables);
    assert_eq!(
        (
            for_http.connections(),
            for_https.connections(),
            http.server.connections()
        ),
        (1, 1, 2)
    );
    assert_eq!(
        for_http.requests()[0].header("proxy-authorization"),
        Some("Basic dXNlcjpzZWNyZXQ=")
    );
    assert_eq!(for_https.requests()[0].header("proxy-authorization"), None);
}

#[test]
fn invalid_proxy_variable_is_named_and_affects_only_hubs_behind_it() {
    if let Ok(hub) = env::var(HUB) {
        within("calls", || {
            let error = fails(
                "socks",
                HostClient::builder(format!("https://{NAME}/api/v1")).proxy_from_environment(),
            );
            let proxy = error.proxy().unwrap();
            assert_eq!(proxy.problem(), ProxyProblem::Setting);
            // Windows ignores the case of names, and the client reads the lowercase one first.
            let name = if cfg!(windows) {
                "all_proxy"
            } else {
                "ALL_PROXY"
            };
            assert_eq!(
                proxy.to_string(),
                format!(
                    "invalid environment variable {name}: socks5:// proxies are not supported, \
                     only http:// proxies"
                )
            );
            assert!(!format!("{error:?} {:?}", error.kind()).contains("secret"));
            // A retry would fail the same way.
            let host = HostClient::builder(format!("https://{NAME}/api/v1"))
                .proxy_from_environment()
                .build()
                .unwrap();
            let error = host.version().unwrap_err();
            assert!(
                error.attempt_count() == 1 && !error.is_retryable(),
                "{error:?}"
            );
            succeeds(
                "this machine",
                HostClient::builder(hub).proxy_from_environment(),
            );
        });
        return;
    }
    let hub = Hub::plain();
    let url = hub.server.url();
    let mut variables = NONE.to_vec();
    variables.extend([
        ("ALL_PROXY", "socks5://user:secret@127.0.0.1:1080"),
        (HUB, &url),
    ]);
    in_child(&variables);
}

/// An address of this machine that does not look like one. Its ports 1 and 2 refuse connections.
const THIS: &str = "[::ffff:7f00:1]";

#[test]
fn no_proxy_bypasses_the_proxy() {
    if env::var(HUB).is_ok() {
        within("a call", || {
            let error = fails(
                "excepted",
                HostClient::builder(format!("http://{THIS}:1/api/v1")).proxy_from_environment(),
            );
            assert!(error.proxy().is_none() && error.is_connect(), "{error:?}");
            let error = fails(
                "not excepted",
                HostClient::builder(format!("http://{THIS}:2/api/v1")).proxy_from_environment(),
            );
            assert_eq!(
                error.proxy().unwrap().problem(),
                ProxyProblem::Refused(403.try_into().unwrap()),
                "{error:?}"
            );
        });
        return;
    }
    let proxy = ForwardProxy::scripted(|_, client| {
        let _ = client.send("HTTP/1.1 403 Forbidden\r\n\r\n");
    });
    let excepted = "x , [::FFFF:127.0.0.1]:1";
    let address = proxy.address();
    let mut variables = NONE.to_vec();
    variables.extend([
        ("http_proxy", address.as_str()),
        ("NO_PROXY", excepted),
        (HUB, "x"),
    ]);
    in_child(&variables);
    assert_eq!(
        proxy
            .requests()
            .iter()
            .map(|request| request.target.clone())
            .collect::<Vec<_>>(),
        [format!("http://{THIS}:2/api/v1/version")]
    );
}
