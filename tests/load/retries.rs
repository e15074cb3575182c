//! Retries on real connections that are refused, closed or reset, and how often the requests
//! arrive.

use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{iter, process};

use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::{
    Error, HostClient, RequestEvent, RequestInfo, RetryPolicy, StartOptions, Upload,
};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};
use socket2::{Domain, Socket, Type};

use crate::faulty_server;
use crate::helpers::{Mailbox, within};

const PACKAGE: &[u8] = b"\x1f\x8ba package";

/// When a request may be retried.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Retry {
    Always,
    /// Retried only if it was not sent.
    IfUnsent,
    /// Idempotent, but its data can be read only once.
    IfUnread,
}

type Calls = [(&'static str, Retry, fn(&HostClient) -> Result<(), Error>); 8];

fn calls() -> Calls {
    [
        ("a list", Retry::Always, |host| {
            host.list_sequences().map(drop)
        }),
        ("a stream", Retry::Always, |host| {
            host.instance("x")?.stdout().map(drop)
        }),
        ("a deletion", Retry::Always, |host| {
            host.delete_sequence("x")
        }),
        ("a start", Retry::IfUnsent, |host| {
            host.sequence("x")?.start(&StartOptions::new()).map(drop)
        }),
        ("an event", Retry::IfUnsent, |host| {
            host.instance("x")?.send_event("an-event", "data")
        }),
        ("an upload", Retry::IfUnsent, |host| {
            host.send_sequence(Upload::bytes(PACKAGE)).map(drop)
        }),
        ("a streamed upload", Retry::IfUnsent, |host| {
            host.send_sequence(Upload::reader(PACKAGE)).map(drop)
        }),
        ("a replacement", Retry::IfUnread, |host| {
            host.sequence("x")?
                .overwrite(Upload::reader(PACKAGE))
                .map(drop)
        }),
    ]
}

fn client(url: &str) -> HostClient {
    HostClient::builder(url)
        .hub_version("1.0.1")
        .build()
        .unwrap()
}

fn answer(request: &ReceivedRequest) -> Vec<u8> {
    match &*request.target {
        "/api/v1/version" => response("200 OK", &[], br#"{"version":"1.0.1"}"#),
        "/api/v1/sequences" => response("200 OK", &[], b"[]"),
        _ => response("200 OK", &[], br#"{"id":"x"}"#),
    }
}

fn answer_all(connection: &mut Connection, arrived: &Mailbox<ReceivedRequest>) {
    while let Ok(request) = connection.read_request() {
        let answer = answer(&request);
        arrived.put(request);
        let _ = connection.send(&answer);
    }
}

/// The end of a connection that has served one request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ConnectionEnd {
    /// The server closes it before the next request arrives.
    Closed,
    /// The server closes it after it has read the next request, which it may have processed.
    ClosedAfter,
    /// The server resets it when the next request arrives.
    Reset,
}

/// Starts a server whose first connection ends like this. Later connections work. Reports when the
/// first is closed, and every request that was read.
fn ending_server(
    end: ConnectionEnd,
) -> (
    ScriptedServer,
    Arc<Mailbox<()>>,
    Arc<Mailbox<ReceivedRequest>>,
) {
    let (closed, arrived) = (Mailbox::new(), Mailbox::new());
    let server = ScriptedServer::start({
        let (closed, arrived) = (Arc::clone(&closed), Arc::clone(&arrived));
        move |connection| {
            if connection.index() > 0 {
                return answer_all(connection, &arrived);
            }
            let first = connection.read_request().unwrap();
            let _ = connection.send(answer(&first));
            match end {
                ConnectionEnd::Closed => {
                    connection.socket().shutdown(Shutdown::Both).unwrap();
                    closed.put(());
                }
                ConnectionEnd::ClosedAfter => arrived.put(connection.read_request().unwrap()),
                ConnectionEnd::Reset => connection.wait_unread().unwrap(),
            }
        }
    });
    (server, closed, arrived)
}

fn arrivals(arrived: &Mailbox<ReceivedRequest>) -> usize {
    iter::from_fn(|| (!arrived.is_empty()).then_some(())).count()
}

#[test]
fn requests_on_a_lost_connection_are_retried_only_if_safe() {
    for (name, retry, call) in calls() {
        for end in [
            ConnectionEnd::Closed,
            ConnectionEnd::ClosedAfter,
            ConnectionEnd::Reset,
        ] {
            let what = format!("{name}, {end:?}");
            within(&what.clone(), move || {
                let (server, closed, arrived) = ending_server(end);
                let host = client(&server.url());
                host.version().unwrap();
                if end == ConnectionEnd::Closed {
                    closed.take();
                }
                let result = call(&host);
                let retried = match (end, retry) {
                    (ConnectionEnd::Closed, _) | (_, Retry::Always) => true,
                    (_, Retry::IfUnsent) | (ConnectionEnd::ClosedAfter, Retry::IfUnread) => false,
                    // The client may notice the reset before it reads the data.
                    (ConnectionEnd::Reset, Retry::IfUnread) => result.is_ok(),
                };
                if retried {
                    result.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                    assert_eq!(server.connections(), 2, "{what}");
                } else {
                    let error = result.expect_err(&what);
                    assert!(
                        matches!(error.phase(), Some(Phase::Send | Phase::Wait)),
                        "{what}: {error:?}"
                    );
                    assert_eq!(
                        (error.attempt_count(), server.connections()),
                        (1, 1),
                        "{what}: {error:?}"
                    );
                    assert_eq!(
                        error.is_retryable(),
                        retry == Retry::IfUnread,
                        "{what}: {error:?}"
                    );
                }
                // Only requests that the server has read are counted.
                let expected =
                    usize::from(end == ConnectionEnd::ClosedAfter) + usize::from(retried);
                assert_eq!(arrivals(&arrived), expected, "{what}");
            });
        }
    }
}

/// Returns a port that refuses connections and that the system does not assign to other sockets.
fn unused_port() -> u16 {
    let first = 20_000 + u16::try_from(process::id() % 10_000).unwrap();
    // Does not listen: a process that another test starts at this moment would inherit the socket,
    // and accept connections until it executes its program.
    let free = |port: &u16| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket
            .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, *port)).into())
            .is_ok()
    };
    (first..32_000).find(free).expect("an unused port")
}

#[test]
fn refused_connections_are_retried_and_requests_arrive_once() {
    for (name, _, call) in calls() {
        within(name, move || {
            let (port, arrived) = (unused_port(), Mailbox::new());
            let server = Arc::<Mutex<Option<ScriptedServer>>>::default();
            // The server starts when the first attempt has failed.
            let observer = {
                let (server, arrived) = (Arc::clone(&server), Arc::clone(&arrived));
                move |_: &RequestInfo<'_>, event: &RequestEvent<'_>| {
                    if let RequestEvent::Retry { attempt, error, .. } = event {
                        assert!(
                            *attempt == 1 && error.phase() == Some(Phase::Connect),
                            "{error:?}"
                        );
                        let arrived = Arc::clone(&arrived);
                        let listening = ScriptedServer::start_at(port, move |connection| {
                            answer_all(connection, &arrived)
                        });
                        *server.lock().unwrap() = Some(listening);
                    }
                }
            };
            let url = format!("http://127.0.0.1:{port}/api/v1");
            let error = call(&client(&url).with_retry(None)).unwrap_err();
            assert_eq!(
                (error.attempt_count(), error.phase()),
                (1, Some(Phase::Connect)),
                "{name}: {error:?}"
            );
            assert!(
                error.is_connect() && error.is_retryable(),
                "{name}: {error:?}"
            );

            let host = HostClient::builder(url)
                .hub_version("1.0.1")
                .observer(observer)
                .build()
                .unwrap();
            call(&host).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let request = arrived.take();
            assert!(
                !name.ends_with("upload") && name != "a replacement" || request.body == PACKAGE,
                "{name}: {request:?}"
            );
            drop(host);
            drop(server);
            assert!(arrived.is_empty(), "{name}");
        });
    }
}

#[test]
fn unknown_host_is_an_error_in_phase_resolve() {
    // Labels of more than 63 characters are invalid, so no name server is contacted.
    let url = format!("http://{}.localhost:8000/api/v1", "a".repeat(64));
    within("looking for a host", move || {
        for (name, _, call) in calls() {
            let error = call(&client(&url)).unwrap_err();
            assert_eq!(
                (error.attempt_count(), error.phase()),
                (3, Some(Phase::Resolve)),
                "{name}: {error:?}"
            );
        }
    });
}

/// The server closes every connection without a response.
#[test]
fn with_retry_limits_attempts_and_keeps_the_deadline() {
    within("calls", || {
        let attempts = |call: fn(&HostClient) -> Result<(), Error>,
                        change: fn(HostClient) -> HostClient| {
            let server = faulty_server::start();
            let error = call(&change(client(&server.url()))).unwrap_err();
            (server.connections(), error)
        };
        let ask = |host: &HostClient| host.sequence_info("closes").map(drop);
        let start = |host: &HostClient| {
            host.sequence("closes")?
                .start(&StartOptions::new())
                .map(drop)
        };
        let often = RetryPolicy::linear(Duration::from_millis(1))
            .max_delay(Duration::from_millis(1))
            .max_attempts(u32::MAX);

        assert_eq!(attempts(ask, |host| host).0, 3);
        assert_eq!(attempts(ask, |host| host.with_retry(None)).0, 1);
        assert_eq!(attempts(start, |host| host).0, 1);

        let server = faulty_server::start();
        let host = client(&server.url())
            .with_retry(often)
            .with_deadline(Duration::from_millis(500));
        let error = ask(&host).unwrap_err();
        assert!(error.is_timeout() && error.attempt_count() > 3, "{error:?}");
        // A retry does not wait beyond the deadline either.
        let hour = RetryPolicy::linear(Duration::from_secs(3600)).max_delay(Duration::MAX);
        let error = ask(&host.with_retry(hour)).unwrap_err();
        assert!(
            error.is_timeout() && error.attempt_count() == 1,
            "{error:?}"
        );
        let connections = server.connections();
        let error = start(&host).unwrap_err();
        assert!(!error.is_timeout(), "{error:?}");
        assert_eq!(
            (error.attempt_count(), server.connections() - connections),
            (1, 1),
            "{error:?}"
        );
    });
}
