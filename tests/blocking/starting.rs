//! Hubs that come up, starts that wait for room, and instances that have to get ready.

use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use http::{Request, Response};
use scramjet_client_blocking::transport::{Phase, RequestBody, TransportError, UreqTransport};
use scramjet_client_blocking::types::RunnerExit;
use scramjet_client_blocking::{
    CancelToken, Error, ErrorKind, HostClient, Readiness, SequenceClient, StartOptions, Transport,
};
use scramjet_client_tests::hub::{Hub, shared};
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::scripted::{ScriptedServer, refused_url, response};
use serde_json::json;

use crate::helpers::{serving, within};
use crate::live::{Uploaded, failed_at_once};
use crate::model::{Model, Start};
use crate::waiting::{PROMPT, acts, quickest};

/// What goes over HTTP, and what to do when an attempt has failed.
pub(crate) struct Noting<F>(pub(crate) UreqTransport, pub(crate) F);

impl<F: Fn() + Send + Sync> Transport for Noting<F> {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        self.0.send(request).inspect_err(|_| self.1())
    }
}

/// Serves the version on this address, as soon as it can be had.
fn come_up(url: &str) {
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches("/api/v1")
        .to_owned();
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(&connection);
            // Asked for nothing else, and for that in one piece.
            let _ = reader.read(&mut [0; 4096]);
            let _ = (&connection).write_all(&response(
                "200 OK",
                &[("Connection", "close")],
                br#"{"version":"1.0.1"}"#,
            ));
        }
    });
}

on_each_hub!(a_hub_that_is_up_is_ready_at_once);
fn a_hub_that_is_up_is_ready_at_once(host: HostClient) {
    assert_eq!(
        host.wait_ready(Duration::from_secs(5)).unwrap(),
        host.version().unwrap()
    );
    assert_eq!(host.wait_ready(None).unwrap(), host.version().unwrap());
}

#[test]
fn a_hub_that_comes_up_is_waited_for() {
    let url = refused_url();
    let failures = Arc::new(Mutex::new(0));
    let transport = Noting(UreqTransport::default(), {
        let (url, failures) = (url.clone(), Arc::clone(&failures));
        move || {
            let mut failures = failures.lock().unwrap();
            *failures += 1;
            if *failures == 2 {
                come_up(&url);
            }
        }
    });
    let host = HostClient::builder(url)
        .transport(Arc::new(transport))
        .build()
        .unwrap();
    let version = within("waiting", move || host.wait_ready(Duration::from_secs(20))).unwrap();
    assert_eq!(
        (version.version.as_str(), *failures.lock().unwrap()),
        ("1.0.1", 2)
    );
}

#[test]
fn a_hub_behind_a_proxy_is_waited_for() {
    let answers = Mutex::new(vec![
        response("200 OK", &[], br#"{"version":"1.0.1"}"#),
        response("200 OK", &[("Content-Length", "100")], b""),
        response("504 Gateway Timeout", &[], b""),
        response("503 Service Unavailable", &[], b"starting"),
        response("502 Bad Gateway", &[], b"<html>"),
        response("404 Not Found", &[], b"default backend"),
    ]);
    let server = ScriptedServer::start(move |connection| {
        let _ = connection.read_request();
        let answer = answers.lock().unwrap().pop();
        // One is closed without an answer, and one in the midst of it.
        let _ = connection.send(answer.unwrap_or_default());
    });
    let host = HostClient::new(server.url()).unwrap();
    within("waiting", move || host.wait_ready(Duration::from_secs(20))).unwrap();
    assert_eq!(server.connections(), 6);
}

#[test]
fn a_hub_that_never_comes_is_given_up_with_the_first_and_the_last_attempt() {
    let url = refused_url();
    let host = HostClient::new(&url).unwrap();
    within("waiting", move || {
        let limit = Duration::from_millis(500);
        let late = quickest(|| {
            let begin = Instant::now();
            let error = host.wait_ready(limit).unwrap_err();
            let late = begin
                .elapsed()
                .checked_sub(limit)
                .expect("no end before the limit");
            let [first, last, end] = error.attempts() else {
                panic!("{error:?}")
            };
            assert!(first.is_connect() && last.is_connect(), "{error:?}");
            assert!(
                matches!(end.kind(), ErrorKind::Deadline { limit: said, .. } if *said == limit),
                "{error:?}"
            );
            assert!(
                error.is_timeout()
                    && error.to_string()
                        == format!("get version (GET {url}/version): all 3 attempts failed"),
                "{error}"
            );
            late
        });
        assert!(late < PROMPT, "{late:?}");
        // The handle's own deadline holds as well, and its token.
        let error = host.with_deadline(limit).wait_ready(None).unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        let token = CancelToken::new();
        let waiting = host.with_cancel(&token);
        let waiter =
            thread::spawn(move || waiting.wait_ready(Duration::from_secs(3600)).unwrap_err());
        token.cancel();
        assert!(waiter.join().unwrap().is_cancelled());
    });
}

#[test]
fn what_refuses_or_is_no_hub_is_not_waited_for() {
    for (status, body) in [
        ("401 Unauthorized", "{}"),
        ("403 Forbidden", ""),
        ("200 OK", "<html>"),
    ] {
        let server = serving(move |_| response(status, &[], body.as_bytes()));
        let host = HostClient::new(server.url()).unwrap();
        let error = within(status, move || host.wait_ready(Duration::from_secs(3600))).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Reply(_)),
            "{status}: {error:?}"
        );
        assert_eq!(server.connections(), 1, "{status}");
    }
}

fn full(headers: &'static [(&'static str, &'static str)]) -> Start {
    Start::Refused(
        "419 Insufficient Space on Resource",
        headers,
        r#"{"error":"Insufficient Space on Resource"}"#,
    )
}

#[test]
fn a_start_waits_for_room_as_long_as_the_hub_says() {
    within("starting", || {
        let model = Model::start(
            "1.0.1",
            vec![
                full(&[("Retry-After", "2")]),
                full(&[]),
                Start::Up(Vec::new()),
            ],
        );
        let begin = Instant::now();
        let instance = model
            .sequence()
            .start_when_available(&StartOptions::new())
            .unwrap();
        // A second where nothing is said.
        assert!(
            (3..8).contains(&begin.elapsed().as_secs()),
            "{:?}",
            begin.elapsed()
        );
        assert_eq!(model.running(), [instance.id().to_string()]);
        assert_eq!(model.story().len(), 3);

        // Another refusal is final.
        let refused = Start::Refused("503 Service Unavailable", &[], "");
        let model = Model::start("1.0.1", vec![full(&[("Retry-After", "0")]), refused]);
        let error = model
            .sequence()
            .start_when_available(&StartOptions::new())
            .unwrap_err();
        assert_eq!(error.api().unwrap().status, 503);
    });
}

/// A hub that says "at once", again and again.
#[test]
fn a_start_that_waits_for_room_does_not_ask_without_pause() {
    within("starting", || {
        let full = (0..1000).map(|_| full(&[("Retry-After", "0")]));
        let model = Model::start("1.0.1", full.collect());
        let error = model
            .sequence()
            .with_deadline(Duration::from_secs(1))
            .start_when_available(&StartOptions::new())
            .unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert!(
            (2..=12).contains(&model.story().len()),
            "{}",
            model.story().len()
        );
    });
}

#[test]
fn a_hub_that_stays_full_is_given_up_at_the_deadline() {
    if !shared().is_some_and(|hub| hub.is_local()) {
        return;
    }
    let hub = Hub::start_overloaded().unwrap();
    let host = HostClient::new(hub.url()).unwrap();
    let sequence = Uploaded::sample(&host, "acts");
    within("starting", {
        let sequence = host.sequence(sequence.id()).unwrap();
        move || {
            let (limit, begin) = (Duration::from_millis(1500), Instant::now());
            let error = sequence
                .with_deadline(limit)
                .start_when_available(&StartOptions::new())
                .unwrap_err();
            assert!(error.is_timeout() && begin.elapsed() >= limit, "{error:?}");
            // What it was waiting for is told as well.
            assert!(
                error.attempts().first().is_some_and(Error::is_overloaded),
                "{error:?}"
            );

            let token = CancelToken::new();
            let waiting = sequence.with_cancel(&token);
            let waiter = thread::spawn(move || {
                waiting
                    .start_when_available(&StartOptions::new())
                    .unwrap_err()
            });
            token.cancel();
            assert!(waiter.join().unwrap().is_cancelled());
        }
    });
    drop(sequence);
    hub.stop().unwrap();
}

/// The sequence has no instance, at the latest when what is being killed is gone.
fn until_none_is_left(sequence: &SequenceClient) {
    for id in sequence.list_instances().unwrap() {
        sequence.instance(id).unwrap().wait_ended().unwrap();
    }
    // Where a hub keeps what has ended, all of it has.
    for id in sequence.list_instances().unwrap() {
        assert!(
            sequence
                .instance(id)
                .unwrap()
                .info()
                .is_ok_and(|info| info.terminated.is_some() || info.ended.is_some())
        );
    }
}

on_each_hub!(an_instance_is_started_and_ready);
fn an_instance_is_started_and_ready(host: HostClient) {
    let uploaded = Uploaded::sample(&host, "acts");
    let sequence = host.sequence(uploaded.id()).unwrap();
    within("starting", move || {
        let limit = Duration::from_secs(3);
        let mut last = None;
        for steps in [
            json!([{ "emit": "ready", "data": "r" }]),
            json!([{ "wait": 500 }, { "emit": "ready", "data": "r" }]),
            json!([{ "emit": "up" }, { "emit": "ready", "data": "r" }]),
        ] {
            let readiness = Readiness::event("ready")
                .or("started")
                .fails_on("error")
                .timeout(Duration::from_secs(20));
            let ready = sequence
                .with_deadline(limit)
                .start_and_wait(&acts(steps), &readiness)
                .unwrap();
            assert_eq!(
                (ready.event.name.as_str(), &ready.event.data),
                ("ready", &json!("r"))
            );
            assert!(
                ready
                    .instance
                    .started()
                    .is_some_and(|started| started.id == *ready.instance.id())
            );
            last = Some(ready.instance);
        }
        // The limit holds for each call, and does not end with the one that started it.
        let instance = last.unwrap();
        assert!(
            instance
                .with_deadline(limit)
                .wait_event("never")
                .unwrap_err()
                .is_timeout()
        );
        assert_eq!(instance.wait_event("ready").unwrap().name, "ready");
    });
}

on_each_hub!(an_instance_that_does_not_get_ready_is_killed);
/// One row for each way in which an instance does not get ready.
fn an_instance_that_does_not_get_ready_is_killed(host: HostClient) {
    let uploaded = Uploaded::sample(&host, "acts");
    let sequence = host.sequence(uploaded.id()).unwrap();
    within("starting", move || {
        let readiness = Readiness::event("ready")
            .fails_on("error")
            .fails_on("fatal");
        let steps = json!([{ "wait": 200 }, { "emit": "fatal", "data": { "why": "no" } }]);
        let error = sequence
            .start_and_wait(&acts(steps), &readiness)
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Failed(event) if event.name == "fatal"),
            "{error:?}"
        );
        assert!(
            error.to_string().starts_with("start sequence (POST "),
            "{error}"
        );
        assert!(
            error.to_string().ends_with(
                r#": the instance reported failure with the event "fatal": {"why":"no"}"#
            ),
            "{error}"
        );
        until_none_is_left(&sequence);

        let within = Duration::from_millis(700);
        for options in [
            acts(json!([{ "emit": "other" }])),
            acts(json!([{ "ignoreStop": true }])),
        ] {
            let begin = Instant::now();
            let error = sequence
                .start_and_wait(&options, &readiness.clone().timeout(within))
                .unwrap_err();
            assert!(error.is_timeout() && begin.elapsed() >= within, "{error:?}");
            until_none_is_left(&sequence);
        }

        for steps in [
            json!([{ "throw": "at once" }]),
            json!([{ "wait": 300 }, { "exit": 5 }]),
        ] {
            let error = sequence
                .start_and_wait(&acts(steps), &readiness)
                .unwrap_err();
            assert!(failed_at_once(&error), "{error:?}");
            until_none_is_left(&sequence);
        }
    });
}

on_each_hub!(an_instance_of_a_package_that_cannot_be_loaded_has_ended);
fn an_instance_of_a_package_that_cannot_be_loaded_has_ended(host: HostClient) {
    let uploaded = Uploaded::sample(&host, "fails-at-load");
    let sequence = host.sequence(uploaded.id()).unwrap();
    within("starting", move || {
        let error = sequence
            .start_and_wait(&StartOptions::new(), &Readiness::event("ready"))
            .unwrap_err();
        assert!(failed_at_once(&error), "{error:?}");
        let exit = error.ended().and_then(|ended| ended.exit);
        assert!(
            exit.is_none_or(|exit| exit == RunnerExit::FailedOnStart),
            "{error:?}"
        );
        until_none_is_left(&sequence);
    });
}

#[test]
fn events_that_cannot_be_waited_for_are_refused_before_the_start() {
    let model = Model::start("1.0.1", Vec::new());
    for readiness in [
        Readiness::event("a b"),
        Readiness::event("ready").or(""),
        Readiness::event("ready").fails_on("a/b"),
    ] {
        for error in [
            model
                .sequence()
                .start_and_wait(&StartOptions::new(), &readiness)
                .unwrap_err(),
            model
                .sequence()
                .start_with_retry(&StartOptions::new(), &readiness, &Default::default())
                .unwrap_err(),
        ] {
            assert!(error.to_string().contains("invalid event name"), "{error}");
        }
    }
    assert_eq!(model.connections(), 0);
}

on_each_hub!(a_start_that_is_given_up_leaves_no_instance_on_the_hub);
fn a_start_that_is_given_up_leaves_no_instance_on_the_hub(host: HostClient) {
    let uploaded = Uploaded::sample(&host, "acts");
    let sequence = host.sequence(uploaded.id()).unwrap();
    within("starting", move || {
        let readiness = Readiness::event("ready");
        // Given up before the answer, about when it comes, and after it.
        for limit in [1, 20, 60, 120, 200, 400, 900].map(Duration::from_millis) {
            let error = sequence
                .with_deadline(limit)
                .start_and_wait(&acts(json!([])), &readiness)
                .unwrap_err();
            assert!(error.is_timeout(), "{error:?}");
        }
        let token = CancelToken::new();
        let waiting = sequence.with_cancel(&token);
        let waiter = thread::spawn(move || {
            waiting
                .start_and_wait(&acts(json!([])), &Readiness::event("ready"))
                .unwrap_err()
        });
        while sequence.list_instances().unwrap().is_empty() {}
        token.cancel();
        assert!(waiter.join().unwrap().is_cancelled());
        // What is started yet is killed when its answer is there: the bound of this test is the bound for that.
        while !sequence
            .list_instances()
            .unwrap()
            .iter()
            .all(|id| has_ended(&sequence, id.as_str()))
        {
            thread::yield_now();
        }
    });

    fn has_ended(sequence: &SequenceClient, id: &str) -> bool {
        match sequence.instance(id).unwrap().info() {
            Ok(info) => info.terminated.is_some() || info.ended.is_some(),
            Err(error) => error.is_not_found(),
        }
    }
}

#[test]
fn a_start_that_is_answered_too_late_is_killed() {
    within("starting", || {
        for version in ["0.18.7", "1.0.1"] {
            let model = Model::start(version, vec![Start::Held(Vec::new())]);
            let limit = Duration::from_millis(300);
            let late = {
                let begin = Instant::now();
                let waiting = model.sequence().with_deadline(limit);
                let error = waiting
                    .start_and_wait(&StartOptions::new(), &Readiness::event("ready"))
                    .unwrap_err();
                assert!(
                    matches!(
                        error.kind(),
                        ErrorKind::Deadline {
                            phase: Phase::Wait,
                            ..
                        }
                    ),
                    "{version}: {error:?}"
                );
                begin.elapsed().checked_sub(limit).unwrap()
            };
            assert!(late < Duration::from_secs(2), "{late:?}");
            assert!(!model.story().iter().any(|part| part.starts_with("kill")));
            model.release();
            model.wait_for_end("/_kill");
        }

        let model = Model::start("1.0.1", vec![Start::Held(Vec::new())]);
        let token = CancelToken::new();
        let waiting = model.sequence().with_cancel(&token);
        let (ends, ended) = channel();
        thread::spawn(move || {
            ends.send(
                waiting
                    .start_and_wait(&StartOptions::new(), &Readiness::event("ready"))
                    .unwrap_err(),
            )
        });
        model.wait_for("POST sequence/s/start");
        token.cancel();
        assert!(ended.recv().unwrap().is_cancelled());
        model.release();
        model.wait_for_end("/_kill");
    });
}

/// A hub after 1.0.1 does not kill what is starting, nor what is stopping.
#[test]
fn a_kill_that_is_refused_for_a_moment_is_tried_again_and_at_last_it_is_a_stop() {
    within("starting", || {
        let failing = || vec![Start::Up(vec![("error", Some(json!("e")))])];
        let readiness = Readiness::event("ready").fails_on("error");
        for (refused, status, story) in [
            (0, "running", &["start", "kill made"][..]),
            (
                2,
                "starting",
                &["start", "kill made", "kill made", "kill made"],
            ),
            (
                usize::MAX,
                "stopping",
                &[
                    "start",
                    "kill made",
                    "kill made",
                    "kill made",
                    "kill made",
                    "kill made",
                    "stop made",
                ],
            ),
        ] {
            let model = Model::start("1.0.1", failing());
            model.refuse_kills(refused, status);
            let error = model
                .sequence()
                .start_and_wait(&StartOptions::new(), &readiness)
                .unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Failed(_)), "{error:?}");
            assert_eq!(model.story(), story, "{status}");
            assert!(model.running().is_empty());
        }
    });
}

/// Neither does a hub that does not answer hold up one who has no time, nor is the instance forgotten.
#[test]
fn a_kill_that_is_not_answered_does_not_hold_up_what_was_cancelled() {
    within("starting", || {
        let model = Model::start("1.0.1", vec![Start::Up(Vec::new())]);
        model.hold_kills();
        let token = CancelToken::new();
        let waiting = model.sequence().with_cancel(&token);
        let waiter = thread::spawn(move || {
            waiting
                .start_and_wait(&StartOptions::new(), &Readiness::event("ready"))
                .unwrap_err()
        });
        model.wait_for_end("/event/ready");
        let begin = Instant::now();
        token.cancel();
        assert!(waiter.join().unwrap().is_cancelled());
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "{:?}",
            begin.elapsed()
        );
        model.wait_for_end("/_kill");
    });
}
