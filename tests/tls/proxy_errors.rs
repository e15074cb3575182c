//! Forward proxies that fail or keep a client waiting.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use scramjet_client_blocking::transport::{Phase, ProxyProblem};
use scramjet_client_blocking::{CancelToken, Error, ErrorKind, HostClient, Upload};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::forward::ForwardProxy;
use scramjet_client_tests::scripted::{Connection, refused_url};

use crate::helpers::{Mailbox, within};
use crate::hubs::fails;

use crate::proxies::{IN_URL, through};

/// Must not appear in messages.
const SECRETS: [&str; 3] = ["s3cr", "dXNlcjpzM2", "the-token"];

type Handler = fn(&ReceivedRequest, &mut Connection);

/// The action of a proxy, and the resulting problem and message, with `<proxy>` for its URL.
fn refusals() -> Vec<(&'static str, Handler, ProxyProblem, &'static str)> {
    let refused = |status: u16| ProxyProblem::Refused(status.try_into().unwrap());
    vec![
        (
            "407",
            |_, client| {
                let _ = client.send(
                    b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic \
                     realm=\"x\"\r\nContent-Length: 2\r\n\r\nno",
                );
            },
            refused(407),
            "the proxy <proxy> rejected the user name and password of its URL (407), or does \
                 not support Basic authentication",
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
            "the proxy <proxy> rejected the user name and password of its URL (401), or does \
                 not support Basic authentication",
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
    let text = error.to_string();
    assert!(
        text.contains("could not connect through the proxy; nothing was sent to the hub"),
        "{text}"
    );
    let may_change = !matches!(problem, ProxyProblem::Refused(status) if status.is_client_error());
    assert_eq!(error.is_retryable(), may_change, "{error:?}");
    let proxy_error = error.proxy().unwrap_or_else(|| panic!("{what}: {error:?}"));
    assert_eq!(
        (proxy_error.problem(), proxy_error.to_string()),
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
        format!("{proxy_error:?}"),
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
    let proxy_error = error.proxy().unwrap_or_else(|| panic!("{what}: {error:?}"));
    let says = format!("the proxy {proxy} got no response from hub.invalid:8000: 502 Bad Gateway");
    assert_eq!(proxy_error.to_string(), says, "{what}");
    assert_eq!(
        proxy_error.problem(),
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
    let text = format!("{error:?} {proxy_error:?}");
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
        let says = "the proxy <proxy> requires a user name and a password (407); set them in \
             its URL: http://user:password@...";
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
        let address = refused_url().replace("http://", "").replace("/api/v1", "");
        for scheme in ["http", "https"] {
            let hub = HostClient::builder(format!("{scheme}://hub.invalid:8000/api/v1"))
                .bearer_token("the-token");
            let error = fails(
                "a refused connection",
                hub.proxy(format!("http://{IN_URL}{address}")),
            );
            assert_proxy_error(
                "a refused connection",
                &error,
                ProxyProblem::Unreachable,
                "the proxy <proxy> cannot be reached",
                &format!("http://{address}"),
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
