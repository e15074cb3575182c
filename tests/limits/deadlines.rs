//! What a deadline is of, beyond one exchange.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::{HostClient, StopOptions, Upload};
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::helpers::{recording, within};
use crate::scene::{Fed, LIMIT, Limit, Scheme, Signal, builder, host};
use crate::timing::{assert_in_time, timed};

#[test]
fn a_question_for_the_version_is_a_part_of_the_call() {
    for scheme in Scheme::BOTH {
        within("a question", move || {
            let over = Signal::new();
            let server = scheme.serve({
                let over = Arc::clone(&over);
                move |connection| {
                    while let Ok(request) = connection.read_request() {
                        // Most of the time goes by with the question.
                        if request.target.ends_with("/version") && !over.within(LIMIT * 2 / 3) {
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
            over.give();
        });
    }
}

#[test]
fn a_question_without_an_answer_ends_with_the_deadline() {
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
fn no_time_at_all_is_not_enough_to_connect() {
    let (server, requests) = recording(b"[]");
    let host = host(&server).with_deadline(Duration::ZERO);
    let error = host.list_sequences().unwrap_err();
    Limit::Deadline.check(&error, Phase::Connect, Duration::ZERO);
    let (fed, reads) = Fed::new();
    let error = host.send_sequence(Upload::reader(fed)).unwrap_err();
    Limit::Deadline.check(&error, Phase::Connect, Duration::ZERO);
    assert!(!reads.go_on(Duration::ZERO), "the data was read");
    Limit::Deadline.check(
        &host.instance("x").unwrap().output().unwrap_err(),
        Phase::Connect,
        Duration::ZERO,
    );
    assert!(requests.is_empty());
    assert_eq!(server.connections(), 0);
}

#[test]
fn more_time_than_there_is_does_not_limit() {
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
fn limits_can_be_taken_away_and_belong_to_their_handle() {
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
fn stopping_has_its_own_time_on_top() {
    let own = Duration::from_millis(500);
    let server = ScriptedServer::start(move |connection| {
        while connection.read_request().is_ok() {
            // As a hub does, whatever becomes of the instance meanwhile.
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

/// A refusal that is known is worth more than the limit which ended it, but comes no later.
#[test]
fn a_refusal_without_end_is_told_in_time() {
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
