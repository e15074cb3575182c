//! Hubs behind a forward proxy.

use std::io::Read;
use std::sync::Arc;

use scramjet_client_blocking::transport::{
    Phase, Proxy, ProxyProblem, TlsProblem, UreqConfig, UreqTransport,
};
use scramjet_client_blocking::{HostClient, HostClientBuilder, Upload};
use scramjet_client_tests::authority::Authority;
use scramjet_client_tests::forward::ForwardProxy;

use crate::helpers::within;
use crate::hubs::{BACKENDS, Hub, NAME, fails, succeeds};

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// The credentials `user` and `s3cr:t`, in a URL and in a header.
pub(super) const IN_URL: &str = "user:s3cr%3At@";
const IN_HEADER: &str = "Basic dXNlcjpzM2NyOnQ=";

/// Returns a client of the hub at this URL, through this proxy.
pub(super) fn through(proxy: &ForwardProxy, hub: &str) -> HostClientBuilder {
    HostClient::builder(hub)
        .bearer_token("the-token")
        .proxy(format!("http://{IN_URL}{}", proxy.address()))
}

fn works(what: &str, builder: HostClientBuilder, hub: &Hub) {
    let host = builder.build().unwrap();
    for _ in 0..2 {
        host.version()
            .unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let package = (&b"\x1f\x8b"[..]).chain(std::io::repeat(b'x'));
        host.send_sequence(Upload::reader(package.take(300_000)))
            .unwrap_err();
    }
    for length in [0, 300_000, 0, 300_000] {
        let request = hub.requests.take();
        assert_eq!(request.body.len(), length, "{what}");
        assert_eq!(
            request.header("authorization"),
            Some("Bearer the-token"),
            "{what}"
        );
        assert_eq!(request.header("proxy-authorization"), None, "{what}");
    }
}

fn assert_connect_request(what: &str, proxy: &ForwardProxy, hub: &str) {
    let requests = proxy.requests();
    assert_eq!(requests.len(), 1, "{what}: one connection is used again");
    assert_eq!(
        (requests[0].method.as_str(), requests[0].target.as_str()),
        ("CONNECT", hub),
        "{what}"
    );
    assert_eq!(
        (
            requests[0].header("host"),
            requests[0].header("proxy-authorization")
        ),
        (Some(hub), Some(IN_HEADER)),
        "{what}"
    );
    assert!(
        requests[0]
            .header("user-agent")
            .unwrap()
            .starts_with("scramjet-client/"),
        "{what}"
    );
    assert_eq!(
        requests[0].headers.len(),
        3,
        "{what}: the proxy gets nothing else: {requests:?}"
    );
}

#[test]
fn proxy_forwards_requests_to_http_hubs() {
    within("calls", || {
        for (url, target) in [
            ("http://hub.invalid:8000/api/v1", "hub.invalid:8000"),
            ("http://hub.invalid/api/v1", "hub.invalid:80"),
            ("http://[::1]:8000/api/v1", "[::1]:8000"),
        ] {
            let hub = Hub::plain();
            let proxy = ForwardProxy::start(target, &hub.server.url(), ESTABLISHED);
            works(url, through(&proxy, url), &hub);
            let requests = proxy.requests();
            let lines: Vec<_> = requests
                .iter()
                .map(|request| format!("{} {}", request.method, request.target))
                .collect();
            let both = [format!("GET {url}/version"), format!("POST {url}/sequence")];
            assert_eq!(lines, [both.clone(), both].concat());
            let authority = url
                .trim_start_matches("http://")
                .trim_end_matches("/api/v1");
            for request in requests {
                // The proxy gets its own credentials and forwards those of the hub.
                assert_eq!(request.header("proxy-authorization"), Some(IN_HEADER));
                assert_eq!(request.header("authorization"), Some("Bearer the-token"));
                assert_eq!(request.header("host"), Some(authority));
            }
            assert_eq!((proxy.connections(), hub.server.connections()), (1, 1));
        }
    });
}

/// The connection pool distinguishes hubs behind the same proxy.
#[test]
fn proxy_connections_are_not_shared_between_hubs() {
    within("calls", || {
        let hub = Hub::plain();
        let proxy = ForwardProxy::start("hub.invalid:8000", &hub.server.url(), ESTABLISHED);
        let mut config = UreqConfig::default();
        config.proxy = Proxy::Url(proxy.url());
        let transport = Arc::new(UreqTransport::new(&config).unwrap());
        let client = |url: &str| {
            let builder = HostClient::builder(url).transport(Arc::clone(&transport) as _);
            builder.build().unwrap()
        };
        let [reached, other] =
            ["hub", "other"].map(|name| client(&format!("http://{name}.invalid:8000")));
        reached.version().unwrap();
        let error = other.version().unwrap_err();
        assert_eq!(
            error.proxy().unwrap().problem(),
            ProxyProblem::Refused(403.try_into().unwrap())
        );
        reached.version().unwrap();
        // The refused call was not repeated.
        assert_eq!((proxy.connections(), proxy.requests().len()), (2, 3));
    });
}

#[test]
fn proxy_opens_a_tunnel_to_https_hubs() {
    within("calls", || {
        let authority = Authority::new("ours");
        for (url, target) in [
            ("https://hub.invalid:443/api/v1", "hub.invalid:443"),
            ("https://hub.invalid/api/v1", "hub.invalid:443"),
        ] {
            for &backend in BACKENDS {
                let hub = Hub::tls(&authority.identity(&[NAME]));
                let proxy = ForwardProxy::start(target, &hub.server.url(), ESTABLISHED);
                let client = || through(&proxy, url).tls_backend(backend);
                works(url, client().ca_certificate_pem(authority.pem()), &hub);
                assert_connect_request(url, &proxy, target);
                let error = fails("a certificate behind a proxy", client());
                assert_eq!(
                    error.tls().unwrap().problem(),
                    TlsProblem::UnknownIssuer,
                    "{error:?}"
                );
                assert!(
                    error.proxy().is_none() && error.phase() == Some(Phase::Tls),
                    "{error:?}"
                );
            }
        }
    });
}

/// An explicit proxy is also used for a hub on this machine.
#[test]
fn explicit_proxy_applies_to_local_hubs() {
    within("a call", || {
        let hub = Hub::plain();
        let url = hub.server.url();
        let target = url
            .trim_start_matches("http://")
            .trim_end_matches("/api/v1");
        let proxy = ForwardProxy::start(target, &url, ESTABLISHED);
        for address in [proxy.url(), proxy.address()] {
            succeeds("named", HostClient::builder(&url).proxy(address));
        }
        assert!(proxy.requests().iter().all(|request| {
            request.target == format!("http://{target}/api/v1/version")
                && request.header("proxy-authorization").is_none()
        }));
        assert_eq!((proxy.connections(), hub.server.connections()), (2, 2));
    });
}

#[test]
fn proxy_tunnel_opens_after_any_2xx_response_to_connect() {
    within("calls", || {
        for answer in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 200 OK\r\nVia: 1.1 proxy\r\nProxy-Agent: x\r\n\r\n",
            // These headers have no meaning in a response to CONNECT.
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 \
                 200 OK\r\n\r\n",
        ] {
            let authority = Authority::new("ours");
            let hub = Hub::tls(&authority.identity(&[NAME]));
            let proxy = ForwardProxy::start("hub.invalid:443", &hub.server.url(), answer);
            let client = through(&proxy, "https://hub.invalid/api/v1");
            works(answer, client.ca_certificate_pem(authority.pem()), &hub);
        }
    });
}

/// Tinyproxy closes the connection after each response without announcing it. A request that the
/// client sends before it notices would be lost.
#[test]
fn proxy_connection_is_reused_only_if_it_stays_open() {
    within("calls", || {
        for (header, connections) in [
            ("Via: 1.1 tinyproxy", 3),
            ("Connection: keep-alive", 1),
            ("Proxy-Connection: Keep-Alive", 1),
        ] {
            let proxy = ForwardProxy::scripted(move |_, client| {
                let body = r#"{"version":"1.0.1"}"#;
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\n{header}\r\nContent-Length: {length}\r\n\r\n{body}"
                );
                while client.send(&answer).is_ok() && client.read_head().is_ok() {}
            });
            let host = through(&proxy, "http://hub.invalid/api/v1")
                .build()
                .unwrap();
            for _ in 0..3 {
                host.version().unwrap();
            }
            assert_eq!(proxy.connections(), connections, "{header}");
        }
    });
}
