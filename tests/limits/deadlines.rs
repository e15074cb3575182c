//! Deadlines of calls with several exchanges, and special values of limits.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::{HostClient, StopOptions, Upload};
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::helpers::{recording, within};
use crate::setup::{EndlessData, LIMIT, Limit, Scheme, Signal, builder, host};
use crate::timing::{assert_in_time, timed};

#[test]
fn deadline_includes_the_version_request() {
    for scheme in Scheme::BOTH {
        within("a question", move || {
            let over = Signal::new();
            let server = scheme.serve({
                let over = Arc::clone(&over);
                move |connection| {
                    while let Ok(request) = connection.read_request() {
                        // The version request takes some of the time.
                        if request.target.ends_with("/version") && !over.wait_timeout(LIMIT / 3) {
                            let _ =
                                connection.send(response("200 OK", &[], br#"{"version":"1.0.1"}"#));
                        }
                    }
                }
            });
            let instance = builder(&server)
                .build()
                .unwrap()
                .with_deadline(LIMIT)
                .instance("x")
                .unwrap();
            let (took, error) = timed(|| instance.send_event("e", ["no text"]).unwrap_err());
            assert_eq!(error.operation(), Some("send event"));
            Limit::Deadline.check(&error, Phase::Wait, LIMIT);
            assert_in_time("a question", took, LIMIT);
            over.set();
        });
    }
}

#[test]
fn deadline_ends_an_unanswered_version_request() {
    let server = ScriptedServer::start(|connection| while connection.read_request().is_ok() {});
    let instance = HostClient::new(server.url())
        .unwrap()
        .with_deadline(LIMIT)
        .instance("x")
        .unwrap();
    let (took, error) = timed(|| instance.send_event("e", ["no text"]).unwrap_err());
    Limit::Deadline.check(&error, Phase::Wait, LIMIT);
    assert_in_time("the question", took, LIMIT);
}

#[test]
fn zero_deadline_prevents_connections() {
    let (server, requests) = recording(b"[]");
    let host = host(&server).with_deadline(Duration::ZERO);
    let error = host.list_sequences().unwrap_err();
    Limit::Deadline.check(&error, Phase::Connect, Duration::ZERO);
    let (fed, reads) = EndlessData::new();
    let error = host.send_sequence(Upload::reader(fed)).unwrap_err();
    Limit::Deadline.check(&error, Phase::Connect, Duration::ZERO);
    assert!(!reads.continue_within(Duration::ZERO), "the data was read");
    Limit::Deadline.check(
        &host.instance("x").unwrap().output().unwrap_err(),
        Phase::Connect,
        Duration::ZERO,
    );
    assert!(requests.is_empty());
    assert_eq!(server.connections(), 0);
}

#[test]
fn huge_timeouts_do_not_overflow() {
    for scheme in Scheme::BOTH {
        let server = scheme.serve(|connection| {
            while connection.read_request().is_ok()
                && connection
                    .send(response("200 OK", &[], br#"{"version":"1.0.1"}"#))
                    .is_ok()
            {}
        });
        let host = builder(&server)
            .connect_timeout(Duration::MAX)
            .build()
            .unwrap();
        host.with_deadline(Duration::MAX).version().unwrap();
        host.with_idle_timeout(Duration::MAX).version().unwrap();
        host.with_deadline(Duration::from_secs(u64::MAX / 4))
            .with_idle_timeout(Duration::from_secs(u64::MAX / 4))
            .version()
            .unwrap();
    }
}

#[test]
fn with_deadline_none_removes_the_deadline_of_a_handle() {
    let (server, _) = recording(br#"{"version":"1.0.1"}"#);
    let host = host(&server);
    let hurried = host.with_deadline(Duration::ZERO);
    assert!(hurried.version().is_err() && host.version().is_ok());
    assert!(hurried.with_deadline(None).version().is_ok() && hurried.version().is_err());
    assert!(
        hurried
            .clone()
            .instance("x")
            .unwrap()
            .host()
            .version()
            .is_err()
    );
}

#[test]
fn stop_adds_its_timeout_to_deadline_and_idle_timeout() {
    let own = Duration::from_millis(500);
    let server = ScriptedServer::start(move |connection| {
        while connection.read_request().is_ok() {
            // Hubs respond to a stop only after its timeout.
            thread::sleep(own);
            let _ = connection.send(response("202 Accepted", &[], br#"{"accepted":"OK"}"#));
        }
    });
    let limits: [(Limit, Limiting); 2] = [
        (Limit::Deadline, |host| host.with_deadline(LIMIT)),
        (Limit::Idle, |host| host.with_idle_timeout(LIMIT)),
    ];
    for (_, limited) in limits {
        let instance = limited(&host(&server)).instance("x").unwrap();
        let (took, result) = timed(|| instance.stop(&StopOptions::new(own)));
        result.unwrap();
        assert!(took >= own, "{took:?}");
    }

    let silent = ScriptedServer::start(|connection| while connection.read_request().is_ok() {});
    for (limit, limited) in limits {
        let instance = limited(&host(&silent)).instance("x").unwrap();
        let (took, error) = timed(|| instance.stop(&StopOptions::new(own)).unwrap_err());
        limit.check(&error, Phase::Wait, own + LIMIT);
        assert_in_time("stop", took, own + LIMIT);
    }
}

/// If an error response is known when a limit ends the call, the call returns it instead of the
/// limit.
#[test]
fn endless_error_response_is_returned_at_the_deadline() {
    for scheme in Scheme::BOTH {
        let server = scheme.serve(|connection| {
            while connection.read_request().is_ok() {
                let _ = connection
                    .send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\nNo such thing");
            }
        });
        for limited in [
            host(&server).with_deadline(LIMIT),
            host(&server).with_idle_timeout(LIMIT),
        ] {
            let (took, error) = timed(|| limited.list_sequences().unwrap_err());
            assert!(
                error.is_not_found() && error.to_string().contains("No such thing"),
                "{error}"
            );
            assert_in_time("a refusal", took, LIMIT);
        }
    }
}

type Limiting = fn(&HostClient) -> HostClient;
