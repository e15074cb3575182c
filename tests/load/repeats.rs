//! What is sent again where real connections are refused, closed or reset, and how often it arrives.

use std::net::{Shutdown, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{iter, process};

use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::{
    Error, HostClient, RequestEvent, RequestInfo, RetryPolicy, StartOptions, Upload,
};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};

use crate::crooked;
use crate::helpers::{Mailbox, within};

const PACKAGE: &[u8] = b"\x1f\x8ba package";

/// Whether a request may be sent twice.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Repeat {
    Always,
    /// For all of it is there still.
    IfUnsent,
    /// May be sent twice, but not after its data was read.
    IfUnread,
}

type Calls = [(&'static str, Repeat, fn(&HostClient) -> Result<(), Error>); 8];

fn calls() -> Calls {
    [
        ("a list", Repeat::Always, |host| {
            host.list_sequences().map(drop)
        }),
        ("a stream", Repeat::Always, |host| {
            host.instance("x")?.stdout().map(drop)
        }),
        ("a deletion", Repeat::Always, |host| {
            host.delete_sequence("x")
        }),
        ("a start", Repeat::IfUnsent, |host| {
            host.sequence("x")?.start(&StartOptions::new()).map(drop)
        }),
        ("an event", Repeat::IfUnsent, |host| {
            host.instance("x")?.send_event("an-event", "data")
        }),
        ("an upload", Repeat::IfUnsent, |host| {
            host.send_sequence(Upload::bytes(PACKAGE)).map(drop)
        }),
        ("a streamed upload", Repeat::IfUnsent, |host| {
            host.send_sequence(Upload::reader(PACKAGE)).map(drop)
        }),
        ("a replacement", Repeat::IfUnread, |host| {
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

/// What happens to a connection that has served one request already.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// It is closed before the next one comes.
    Closed,
    /// It is closed after the next one was read, which the server may have acted upon.
    ClosedAfter,
    /// It is reset when the next one comes.
    Reset,
}

/// The first connection has this fate, the others are good. Tells when the first is closed, and of every request that was read.
fn fateful(
    fate: Fate,
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
            match fate {
                Fate::Closed => {
                    connection.socket().shutdown(Shutdown::Both).unwrap();
                    closed.put(());
                }
                Fate::ClosedAfter => arrived.put(connection.read_request().unwrap()),
                Fate::Reset => connection.wait_unread().unwrap(),
            }
        }
    });
    (server, closed, arrived)
}

fn arrivals(arrived: &Mailbox<ReceivedRequest>) -> usize {
    iter::from_fn(|| (!arrived.is_empty()).then_some(())).count()
}

#[test]
fn what_is_sent_on_a_connection_that_is_lost_arrives_no_more_often_than_it_may() {
    for (name, repeat, call) in calls() {
        for fate in [Fate::Closed, Fate::ClosedAfter, Fate::Reset] {
            let what = format!("{name}, {fate:?}");
            within(&what.clone(), move || {
                let (server, closed, arrived) = fateful(fate);
                let host = client(&server.url());
                host.version().unwrap();
                if fate == Fate::Closed {
                    closed.take();
                }
                let result = call(&host);
                let repeated = match (fate, repeat) {
                    (Fate::Closed, _) | (_, Repeat::Always) => true,
                    (_, Repeat::IfUnsent) | (Fate::ClosedAfter, Repeat::IfUnread) => false,
                    // It may be known before the data is looked at.
                    (Fate::Reset, Repeat::IfUnread) => result.is_ok(),
                };
                if repeated {
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
                        repeat == Repeat::IfUnread,
                        "{what}: {error:?}"
                    );
                }
                // What is not read is not counted.
                let expected = usize::from(fate == Fate::ClosedAfter) + usize::from(repeated);
                assert_eq!(arrivals(&arrived), expected, "{what}");
            });
        }
    }
}

/// A port of this machine at which nobody listens, and which the system gives to nobody who does not ask for it.
fn unused_port() -> u16 {
    let first = 20_000 + u16::try_from(process::id() % 10_000).unwrap();
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..32_000)
        .find(free)
        .expect("a port at which nobody listens")
}

#[test]
fn where_nobody_listens_at_first_everything_is_sent_again_and_arrives_once() {
    for (name, _, call) in calls() {
        within(name, move || {
            let (port, arrived) = (unused_port(), Mailbox::new());
            let server = Arc::<Mutex<Option<ScriptedServer>>>::default();
            // Somebody listens from when on the first attempt has failed.
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
fn nothing_is_sent_where_the_host_is_not_found() {
    // So long that no name server need be asked.
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

/// A server that closes every connection without an answer.
#[test]
fn it_is_tried_as_often_as_the_policy_says_and_not_after_the_deadline() {
    within("calls", || {
        let tried = |call: fn(&HostClient) -> Result<(), Error>,
                     change: fn(HostClient) -> HostClient| {
            let server = crooked::start();
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

        assert_eq!(tried(ask, |host| host).0, 3);
        assert_eq!(tried(ask, |host| host.with_retry(None)).0, 1);
        assert_eq!(tried(start, |host| host).0, 1);

        let server = crooked::start();
        let host = client(&server.url())
            .with_retry(often)
            .with_deadline(Duration::from_millis(500));
        let error = ask(&host).unwrap_err();
        assert!(error.is_timeout() && error.attempt_count() > 3, "{error:?}");
        // Nor is it waited beyond it.
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
