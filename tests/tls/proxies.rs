//! Hubs behind a forward proxy, and proxies that fail.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use scramjet_client_blocking::transport::{
    Phase, Proxy, ProxyProblem, TlsProblem, UreqConfig, UreqTransport,
};
use scramjet_client_blocking::{
    CancelToken, Error, ErrorKind, HostClient, HostClientBuilder, Upload,
};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::authority::Authority;
use scramjet_client_tests::forward::ForwardProxy;
use scramjet_client_tests::scripted::{Connection, refused_url};

use crate::helpers::{Mailbox, within};
use crate::hubs::{BACKENDS, Hub, NAME, fails, succeeds};

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// The credentials `user` and `s3cr:t`, in a URL and in a header.
const IN_URL: &str = "user:s3cr%3At@";
const IN_HEADER: &str = "Basic dXNlcjpzM2NyOnQ=";

/// Must not appear in messages.
const SECRETS: [&str; 3] = ["s3cr", "dXNlcjpzM2", "the-token"];

/// Returns a client of the hub at this URL, through this proxy.
fn through(proxy: &ForwardProxy, hub: &str) -> HostClientBuilder {
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
        "{what}: the proxy is told nothing else: {requests:?}"
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
fn proxy_may_accept_connect_with_any_2xx_head() {
    within("calls", || {
        for answer in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 200 OK\r\nVia: 1.1 proxy\r\nProxy-Agent: x\r\n\r\n",
            // These headers have no meaning in a response to CONNECT.
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            let authority = Authority::new("ours");
            let hub = Hub::tls(&authority.identity(&[NAME]));
            let proxy = ForwardProxy::start("hub.invalid:443", &hub.server.url(), answer);
            let client = through(&proxy, "https://hub.invalid/api/v1");
            works(answer, client.ca_certificate_pem(authority.pem()), &hub);
        }
    });
}

type Handler = fn(&ReceivedRequest, &mut Connection);

/// The action of a proxy, and the resulting problem and message, with `<proxy>` for its URL.
fn refusals() -> Vec<(&'static str, Handler, ProxyProblem, &'static str)> {
    let refused = |status: u16| ProxyProblem::Refused(status.try_into().unwrap());
    vec![
        (
            "407",
            |_, client| {
                let _ = client.send(b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 2\r\n\r\nno");
            },
            refused(407),
            "the proxy <proxy> rejected the user name and password of its URL (407), or does not support Basic authentication",
        ),
        (
            "Tinyproxy's 401",
            |_, client| {
                let _ = client.send(
                    b"HTTP/1.0 401 Unauthorized\r\nServer: tinyproxy/1.11.1\r\n\
                      Content-Type: text/html\r\nConnection: close\r\n\r\n<html>",
                );
            },
            refused(401),
            "the proxy <proxy> rejected the user name and password of its URL (401), or does not support Basic authentication",
        ),
        (
            "403",
            |_, client| {
                let _ = client.send(b"HTTP/1.1 403 No\r\n\r\n");
            },
            refused(403),
            "the proxy <proxy> refused to connect to hub.invalid:8000: 403 Forbidden",
        ),
        (
            "502",
            |_, client| {
                let _ = client.send(b"HTTP/1.1 502 x\r\nContent-Type: text/html\r\n\r\n<html>");
                let _ = client.close_after_client();
            },
            refused(502),
            "the proxy <proxy> refused to connect to hub.invalid:8000: 502 Bad Gateway",
        ),
        (
            "a redirection",
            |_, client| {
                let _ =
                    client.send(b"HTTP/1.1 302 Found\r\nLocation: http://login.invalid\r\n\r\n");
            },
            refused(302),
            "the proxy <proxy> refused to connect to hub.invalid:8000: 302 Found",
        ),
        (
            "no answer",
            |_, _| {},
            ProxyProblem::NotAProxy,
            "the proxy <proxy> closed the connection without a response",
        ),
        (
            "half an answer",
            |_, client| {
                let _ = client.send(b"HTTP/1.1 200 OK\r\n");
                let _ = client.close_after_client();
            },
            ProxyProblem::NotAProxy,
            "the proxy <proxy> closed the connection without a response",
        ),
        (
            "another protocol",
            |_, client| {
                let _ = client.send(b"SSH-2.0-x\r\n");
                let _ = client.close_after_client();
            },
            ProxyProblem::NotAProxy,
            "the server at <proxy> does not respond like a proxy",
        ),
        (
            "no status",
            |_, client| {
                let _ = client.send(b"HTTP/1.1 yes\r\n\r\n");
                let _ = client.close_after_client();
            },
            ProxyProblem::NotAProxy,
            "the server at <proxy> does not respond like a proxy",
        ),
        (
            "an endless answer",
            |_, client| {
                let _ = client.send(b"HTTP/1.1 200 OK\r\nX: ");
                while client.send([b'x'; 1000]).is_ok() {}
            },
            ProxyProblem::NotAProxy,
            "the server at <proxy> does not respond like a proxy",
        ),
    ]
}

/// Checks an error that names the proxy and contains no secrets.
fn assert_proxy_error(what: &str, error: &Error, problem: ProxyProblem, says: &str, proxy: &str) {
    let told = error.to_string();
    assert!(
        told.contains("could not connect through the proxy; nothing was sent to the hub"),
        "{told}"
    );
    let may_change = !matches!(problem, ProxyProblem::Refused(status) if status.is_client_error());
    assert_eq!(error.is_retryable(), may_change, "{error:?}");
    let told = error.proxy().unwrap_or_else(|| panic!("{what}: {error:?}"));
    assert_eq!(
        (told.problem(), told.to_string()),
        (problem, says.replace("<proxy>", proxy)),
        "{what}"
    );
    assert!(
        error.phase() == Some(Phase::Connect) && error.is_connect(),
        "{what}: {error:?}"
    );
    for text in [
        format!("{error:?}"),
        format!("{:?}", error.kind()),
        format!("{told:?}"),
    ] {
        assert!(
            SECRETS.iter().all(|secret| !text.contains(secret)),
            "{what}: {text}"
        );
    }
}

#[test]
fn proxy_error_explains_why_there_is_no_tunnel() {
    within("calls", || {
        for (what, handler, problem, says) in refusals() {
            let proxy = ForwardProxy::scripted(handler);
            let error = fails(what, through(&proxy, "https://hub.invalid:8000/api/v1"));
            assert_proxy_error(what, &error, problem, says, &proxy.url());
            assert!(
                proxy
                    .requests()
                    .iter()
                    .all(|request| request.method == "CONNECT"
                        && request.header("authorization").is_none()),
                "{what}"
            );
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

/// The proxy sends these responses instead of one of the `http` hub.
#[test]
fn proxy_error_explains_a_refused_http_request() {
    within("calls", || {
        for (what, handler, problem, says) in refusals() {
            let proxy = ForwardProxy::scripted(handler);
            let error = fails(what, through(&proxy, "http://hub.invalid:8000/api/v1"));
            match problem {
                ProxyProblem::Refused(status) if status.is_server_error() => {
                    assert_bad_gateway_error(what, &error, &proxy.url());
                    assert!(error.is_retryable(), "{what}: {error:?}");
                }
                // It may come from the hub, or from a gateway in front of it.
                ProxyProblem::Refused(status) if status.is_redirection() => {
                    let refusal = error.api().unwrap();
                    assert!(
                        refusal.message.contains("http://login.invalid"),
                        "{refusal}"
                    );
                }
                ProxyProblem::Refused(_) => {
                    assert_proxy_error(what, &error, problem, says, &proxy.url())
                }
                // The hub may have closed the connection or sent the response.
                _ => {
                    assert!(error.proxy().is_none(), "{what}: {error:?}");
                    assert_eq!(error.phase(), Some(Phase::Wait), "{what}: {error:?}");
                }
            }
        }
        let refuses = refusals().remove(3).1;
        let proxy = ForwardProxy::scripted(refuses);
        let host = through(&proxy, "http://hub.invalid:8000/api/v1")
            .build()
            .unwrap();
        // The proxy may have forwarded the upload, so it is not repeated. A version request is.
        let error = host
            .send_sequence(Upload::bytes(b"\x1f\x8b"))
            .map(drop)
            .unwrap_err();
        assert_bad_gateway_error("an upload", &error, &proxy.url());
        assert!(
            error.attempt_count() == 1 && !error.is_retryable(),
            "{error:?}"
        );
        let error = host.version().unwrap_err();
        assert_bad_gateway_error("a question", &error, &proxy.url());
        assert_eq!(error.attempt_count(), 3, "{error:?}");
    });
}

/// The proxy may reach the hub later.
#[test]
fn follow_log_continues_after_a_proxy_did_not_reach_the_hub() {
    within("following", || {
        let attempts = AtomicUsize::new(0);
        let proxy = ForwardProxy::scripted(move |_, client| {
            let line = match attempts.fetch_add(1, Ordering::SeqCst) {
                0 => "{\"msg\":\"one\"}\n",
                1 | 2 => {
                    let _ = client.send(b"HTTP/1.1 502 x\r\nContent-Type: text/html\r\n\r\n");
                    return;
                }
                _ => "{\"msg\":\"two\"}\n",
            };
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let _ = client.send(format!("{head}{:x}\r\n{line}\r\n", line.len()));
            if line.contains("two") {
                let _ = client.read(&mut [0]);
            }
        });
        let builder = through(&proxy, "http://hub.invalid:8000/api/v1");
        let host = builder.hub_version("1.0.1").build().unwrap();
        let mut log = host.follow_log().unwrap();
        let mut next = || format!("{:?}", log.next().unwrap().unwrap());
        assert!(next().contains("one"));
        assert!(next().contains("Gap"));
        assert!(next().contains("two"));
        assert_eq!(proxy.requests().len(), 4);
    });
}

/// Checks the error for a proxy that responds with 502 for an `http` hub.
fn assert_bad_gateway_error(what: &str, error: &Error, proxy: &str) {
    let told = error.proxy().unwrap_or_else(|| panic!("{what}: {error:?}"));
    let says = format!("the proxy {proxy} got no response from hub.invalid:8000: 502 Bad Gateway");
    assert_eq!(told.to_string(), says, "{what}");
    assert_eq!(
        told.problem(),
        ProxyProblem::Refused(502.try_into().unwrap())
    );
    assert_eq!(error.phase(), Some(Phase::Wait), "{what}: {error:?}");
    let text = error.to_string();
    // It makes no difference for a request without effect.
    let matters = error.method().is_some_and(|method| method == "POST");
    assert_eq!(
        text.contains("the hub may have processed the request"),
        matters,
        "{text}"
    );
    let text = format!("{error:?} {told:?}");
    assert!(
        SECRETS.iter().all(|secret| !text.contains(secret)),
        "{text}"
    );
}

/// The error response of a hub is an API error, also through a proxy.
#[test]
fn error_response_of_a_hub_behind_a_proxy_is_an_api_error() {
    within("calls", || {
        for status in [403, 404, 500, 502, 503, 504] {
            let proxy = ForwardProxy::scripted(move |_, client| {
                let _ = client.send(format!(
                    "HTTP/1.1 {status} x\r\nAccess-Control-Allow-Origin: *\r\n\
                     Content-Length: 14\r\n\r\n{{\"error\":\"no\"}}"
                ));
            });
            let error = fails("a hub", through(&proxy, "http://hub.invalid:8000/api/v1"));
            assert!(error.proxy().is_none(), "{error:?}");
            let refusal = error.api().unwrap();
            assert_eq!((refusal.status.as_u16(), &*refusal.message), (status, "no"));
        }
    });
}

#[test]
fn proxy_error_for_407_asks_for_credentials() {
    within("a call", || {
        let proxy = ForwardProxy::scripted(|_, client| {
            let _ = client.send(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
        });
        let error = fails(
            "407",
            HostClient::builder("http://hub.invalid:8000/api/v1").proxy(proxy.url()),
        );
        let says = "the proxy <proxy> requires a user name and a password (407); set them in its URL: http://user:password@...";
        assert_proxy_error(
            "407",
            &error,
            ProxyProblem::Refused(407.try_into().unwrap()),
            says,
            &proxy.url(),
        );
    });
}

#[test]
fn proxy_error_for_a_refused_connection_is_unreachable() {
    within("a call", || {
        let nobody = refused_url().replace("http://", "").replace("/api/v1", "");
        for scheme in ["http", "https"] {
            let hub = HostClient::builder(format!("{scheme}://hub.invalid:8000/api/v1"))
                .bearer_token("the-token");
            let error = fails("nobody", hub.proxy(format!("http://{IN_URL}{nobody}")));
            assert_proxy_error(
                "nobody",
                &error,
                ProxyProblem::Unreachable,
                "the proxy <proxy> cannot be reached",
                &format!("http://{nobody}"),
            );
            assert!(
                format!("{error:?}").contains("\n  caused by: Connection refused"),
                "{error:?}"
            );
        }
    });
}

/// Handlers of proxies that keep a client waiting.
fn delays() -> [(&'static str, Handler); 2] {
    [
        ("silent", |_, client| {
            let _ = client.read(&mut [0]);
        }),
        ("trickling", |_, client| {
            let _ = client.send(b"HTTP/1.1 200 OK\r\nX: ");
            while client.send(b"x").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        }),
    ]
}

const LIMIT: Duration = Duration::from_millis(200);

#[test]
fn proxy_tunnel_ends_with_deadline_connect_timeout_and_cancel() {
    within("calls", || {
        for (what, handler) in delays() {
            {
                let arrived = Mailbox::new();
                let proxy = ForwardProxy::scripted({
                    let arrived = Arc::clone(&arrived);
                    move |request, client| {
                        arrived.put(());
                        handler(request, client);
                    }
                });
                let hub = "https://hub.invalid:8000/api/v1";
                let host = through(&proxy, hub).build().unwrap();
                let error = host.with_deadline(LIMIT).version().unwrap_err();
                assert!(
                    matches!(error.kind(), ErrorKind::Deadline { .. })
                        && error.to_string().ends_with("nothing was sent"),
                    "{what}: {error:?}"
                );

                let error = fails(what, through(&proxy, hub).connect_timeout(LIMIT));
                assert!(error.is_timeout(), "{what}: {error:?}");
                assert_proxy_error(
                    what,
                    &error,
                    ProxyProblem::Unreachable,
                    "the proxy <proxy> did not respond in time",
                    &proxy.url(),
                );

                while !arrived.is_empty() {}
                let token = CancelToken::new();
                let call = thread::spawn({
                    let host = host.with_cancel(&token);
                    move || host.version().unwrap_err()
                });
                arrived.take();
                token.cancel();
                let error = call.join().unwrap();
                assert!(
                    error.is_cancelled() && error.to_string().ends_with("nothing was sent"),
                    "{what}: {error:?}"
                );
            }
        }
    });
}

#[test]
fn proxied_request_ends_with_deadline_and_cancel() {
    within("calls", || {
        for (what, handler) in delays() {
            let proxy = ForwardProxy::scripted(handler);
            let builder = through(&proxy, "http://hub.invalid:8000/api/v1");
            let host = builder.retry(None).build().unwrap();
            let error = host.with_deadline(LIMIT).version().unwrap_err();
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::Deadline {
                        phase: Phase::Wait,
                        ..
                    }
                ),
                "{what}: {error:?}"
            );
            let token = CancelToken::new();
            let calling = thread::spawn({
                let host = host.with_cancel(&token);
                move || host.version().unwrap_err()
            });
            while proxy.requests().len() < 2 {
                thread::yield_now();
            }
            token.cancel();
            assert!(calling.join().unwrap().is_cancelled(), "{what}");
        }
    });
}

#[test]
fn proxy_tunnel_ends_with_the_idle_timeout() {
    within("a call", || {
        let proxy = ForwardProxy::scripted(delays()[0].1);
        let host = through(&proxy, "https://hub.invalid:8000/api/v1")
            .build()
            .unwrap();
        let error = host.with_idle_timeout(LIMIT).version().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Idle { .. })
                && error.to_string().ends_with("nothing was sent"),
            "{error:?}"
        );
    });
}
