//! Hubs that are reached through a proxy, and proxies that lead nowhere.

use std::io::Read;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use scramjet_client_blocking::{
    CancelToken, Error, ErrorKind, HostClient, HostClientBuilder, Phase, ProxyProblem, TlsProblem,
    Upload,
};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::authority::Authority;
use scramjet_client_tests::forward::ForwardProxy;
use scramjet_client_tests::scripted::{Connection, refused_url};

use crate::helpers::{Mailbox, within};
use crate::scene::{BACKENDS, Hub, NAME, fails, succeeds};

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// `user` and `s3cr:t`, as a URL has them and as a header does.
const IN_URL: &str = "user:s3cr%3At@";
const IN_HEADER: &str = "Basic dXNlcjpzM2NyOnQ=";

/// No word of this is to be seen anywhere.
const SECRETS: [&str; 3] = ["s3cr", "dXNlcjpzM2", "the-token"];

/// A client of a hub of this URL, through this proxy.
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

fn asked_for(what: &str, proxy: &ForwardProxy, hub: &str) {
    let asked = proxy.requests();
    assert_eq!(asked.len(), 1, "{what}: one connection is used again");
    assert_eq!(
        (asked[0].method.as_str(), asked[0].target.as_str()),
        ("CONNECT", hub),
        "{what}"
    );
    assert_eq!(
        (
            asked[0].header("host"),
            asked[0].header("proxy-authorization")
        ),
        (Some(hub), Some(IN_HEADER)),
        "{what}"
    );
    assert!(
        asked[0]
            .header("user-agent")
            .unwrap()
            .starts_with("scramjet-client/"),
        "{what}"
    );
    assert_eq!(
        asked[0].headers.len(),
        3,
        "{what}: the proxy is told nothing else: {asked:?}"
    );
}

#[test]
fn http_hubs_are_reached_through_a_proxy() {
    within("calls", || {
        for (url, target) in [
            ("http://hub.invalid:8000/api/v1", "hub.invalid:8000"),
            ("http://hub.invalid/api/v1", "hub.invalid:80"),
            ("http://[::1]:8000/api/v1", "[::1]:8000"),
        ] {
            let hub = Hub::plain();
            let proxy = ForwardProxy::start(target, &hub.server.url(), ESTABLISHED);
            works(url, through(&proxy, url), &hub);
            asked_for(url, &proxy, target);
        }
    });
}

#[test]
fn https_hubs_are_reached_through_a_proxy() {
    within("calls", || {
        let authority = Authority::new("ours");
        for (url, target) in [
            ("https://hub.invalid:8443/api/v1", "hub.invalid:8443"),
            ("https://hub.invalid/api/v1", "hub.invalid:443"),
        ] {
            for &backend in BACKENDS {
                let hub = Hub::tls(&authority.identity(&[NAME]));
                let proxy = ForwardProxy::start(target, &hub.server.url(), ESTABLISHED);
                let client = || through(&proxy, url).tls_backend(backend);
                works(url, client().ca_certificate_pem(authority.pem()), &hub);
                asked_for(url, &proxy, target);
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

/// Also a hub on this machine: who names a proxy means it.
#[test]
fn a_proxy_that_is_named_leads_everywhere() {
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
        assert!(
            proxy.requests().iter().all(
                |asked| asked.target == target && asked.header("proxy-authorization").is_none()
            )
        );
        assert_eq!((proxy.connections(), hub.server.connections()), (2, 2));
    });
}

#[test]
fn proxies_say_yes_in_many_ways() {
    within("calls", || {
        for answer in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 200 OK\r\nVia: 1.1 proxy\r\nProxy-Agent: x\r\n\r\n",
            // Neither means anything here.
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            let hub = Hub::plain();
            let proxy = ForwardProxy::start("hub.invalid:8000", &hub.server.url(), answer);
            works(
                answer,
                through(&proxy, "http://hub.invalid:8000/api/v1"),
                &hub,
            );
        }
    });
}

type Handler = fn(&ReceivedRequest, &mut Connection);

/// What a proxy does, and what is said of it where it is at `<proxy>`.
fn refusals() -> Vec<(&'static str, Handler, ProxyProblem, &'static str)> {
    let refused = |status: u16| ProxyProblem::Refused(status.try_into().unwrap());
    vec![
        (
            "407",
            |_, client| {
                let _ = client.send(b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 2\r\n\r\nno");
            },
            refused(407),
            "the proxy <proxy> does not accept the user name and the password of its URL (407), or wants them in another way than Basic",
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
            "the proxy <proxy> closed the connection instead of answering",
        ),
        (
            "half an answer",
            |_, client| {
                let _ = client.send(b"HTTP/1.1 200 OK\r\n");
                let _ = client.close_after_client();
            },
            ProxyProblem::NotAProxy,
            "the proxy <proxy> closed the connection instead of answering",
        ),
        (
            "another protocol",
            |_, client| {
                let _ = client.send(b"SSH-2.0-x\r\n");
                let _ = client.close_after_client();
            },
            ProxyProblem::NotAProxy,
            "what is at <proxy> does not answer as a proxy does",
        ),
        (
            "no status",
            |_, client| {
                let _ = client.send(b"HTTP/1.1 yes\r\n\r\n");
                let _ = client.close_after_client();
            },
            ProxyProblem::NotAProxy,
            "what is at <proxy> does not answer as a proxy does",
        ),
        (
            "an endless answer",
            |_, client| {
                let _ = client.send(b"HTTP/1.1 200 OK\r\nX: ");
                while client.send([b'x'; 1000]).is_ok() {}
            },
            ProxyProblem::NotAProxy,
            "what is at <proxy> does not answer as a proxy does",
        ),
    ]
}

/// An error that names the proxy, and nothing that is secret.
fn is_told(what: &str, error: &Error, problem: ProxyProblem, says: &str, proxy: &str) {
    let told = error.to_string();
    assert!(
        told.contains("could not connect through the proxy, and nothing was sent to the hub"),
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
fn a_proxy_that_does_not_lead_to_the_hub_is_told() {
    within("calls", || {
        for (what, handler, problem, says) in refusals() {
            for scheme in ["http", "https"] {
                let proxy = ForwardProxy::scripted(handler);
                let error = fails(
                    what,
                    through(&proxy, &format!("{scheme}://hub.invalid:8000/api/v1")),
                );
                is_told(what, &error, problem, says, &proxy.url());
                assert!(
                    proxy
                        .requests()
                        .iter()
                        .all(|asked| asked.method == "CONNECT"
                            && asked.header("authorization").is_none()),
                    "{what}"
                );
            }
        }
    });
}

#[test]
fn a_proxy_that_wants_to_know_who_asks_is_told() {
    within("a call", || {
        let proxy = ForwardProxy::scripted(|_, client| {
            let _ = client.send(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
        });
        let error = fails(
            "407",
            HostClient::builder("http://hub.invalid:8000/api/v1").proxy(proxy.url()),
        );
        let says = "the proxy <proxy> wants a user name and a password (407), which its URL can hold: http://user:password@...";
        is_told(
            "407",
            &error,
            ProxyProblem::Refused(407.try_into().unwrap()),
            says,
            &proxy.url(),
        );
    });
}

#[test]
fn a_proxy_that_is_not_there_is_told() {
    within("a call", || {
        let nobody = refused_url().replace("http://", "").replace("/api/v1", "");
        for scheme in ["http", "https"] {
            let hub = HostClient::builder(format!("{scheme}://hub.invalid:8000/api/v1"))
                .bearer_token("the-token");
            let error = fails("nobody", hub.proxy(format!("http://{IN_URL}{nobody}")));
            is_told(
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

/// How a proxy keeps a client waiting.
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
fn a_proxy_has_no_longer_than_the_call() {
    within("calls", || {
        for (what, handler) in delays() {
            for scheme in ["http", "https"] {
                let asked = Mailbox::new();
                let proxy = ForwardProxy::scripted({
                    let asked = Arc::clone(&asked);
                    move |request, client| {
                        asked.put(());
                        handler(request, client);
                    }
                });
                let hub = format!("{scheme}://hub.invalid:8000/api/v1");
                let host = through(&proxy, &hub).build().unwrap();
                let error = host.with_deadline(LIMIT).version().unwrap_err();
                assert!(
                    matches!(error.kind(), ErrorKind::Deadline { .. })
                        && error.to_string().ends_with("nothing was sent"),
                    "{what}: {error:?}"
                );

                let error = fails(what, through(&proxy, &hub).connect_timeout(LIMIT));
                assert!(error.is_timeout(), "{what}: {error:?}");
                is_told(
                    what,
                    &error,
                    ProxyProblem::Unreachable,
                    "the proxy <proxy> did not answer in time",
                    &proxy.url(),
                );

                while !asked.is_empty() {}
                let token = CancelToken::new();
                let call = thread::spawn({
                    let host = host.with_cancel(&token);
                    move || host.version().unwrap_err()
                });
                asked.take();
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
fn a_silent_proxy_is_left_after_the_idle_timeout() {
    within("a call", || {
        let proxy = ForwardProxy::scripted(delays()[0].1);
        let host = through(&proxy, "http://hub.invalid:8000/api/v1")
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
