//! `start_and_wait`.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::types::RunnerExit;
use scramjet_client_blocking::{
    CancelToken, ErrorKind, HostClient, Readiness, SequenceClient, StartOptions,
};
use scramjet_client_tests::on_each_hub;
use serde_json::json;

use crate::helpers::{GENERATIONS, in_parallel, until, within};
use crate::samples::{Uploaded, failed_at_once};
use crate::scripted_hub::{ScriptedHub, Start};
use crate::wait_event::{acts, has_requested_the_event, silent};

/// Waits until no instance of the sequence runs.
fn until_no_instance_runs(sequence: &SequenceClient) {
    for id in sequence.list_instances().unwrap() {
        sequence.instance(id).unwrap().wait_ended().unwrap();
    }
    // A hub may keep instances that have ended.
    for id in sequence.list_instances().unwrap() {
        assert!(has_ended(sequence, id.as_str()), "{id}");
    }
}

fn has_ended(sequence: &SequenceClient, id: &str) -> bool {
    match sequence.instance(id).unwrap().info() {
        Ok(info) => info.terminated.is_some() || info.ended.is_some(),
        Err(error) => error.is_not_found(),
    }
}

on_each_hub!(start_and_wait_returns_the_instance_and_its_ready_event);
fn start_and_wait_returns_the_instance_and_its_ready_event(host: HostClient) {
    let uploaded = Uploaded::sample(&host, "acts");
    let sequence = host.sequence(uploaded.id()).unwrap();
    within("starting", move || {
        let mut last = None;
        for steps in [
            json!([{ "emit": "ready", "data": "r" }]),
            json!([{ "wait": 500 }, { "emit": "ready", "data": "r" }]),
            json!([{ "emit": "up" }, { "emit": "ready", "data": "r" }]),
        ] {
            let readiness = Readiness::event("ready")
                .or("started")
                .fails_on("error")
                .timeout(Duration::from_secs(60));
            let ready = sequence
                .with_deadline(Duration::from_secs(60))
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
        // The deadline applies to each call anew.
        let instance = last.unwrap();
        assert!(
            instance
                .with_deadline(Duration::from_millis(500))
                .wait_event("never")
                .unwrap_err()
                .is_timeout()
        );
        assert_eq!(instance.wait_event("ready").unwrap().name, "ready");
    });
}

on_each_hub!(start_and_wait_kills_an_instance_that_does_not_get_ready);
/// The test tries each way in which an instance does not get ready.
fn start_and_wait_kills_an_instance_that_does_not_get_ready(host: HostClient) {
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
        until_no_instance_runs(&sequence);

        let timeout = Duration::from_millis(700);
        for options in [
            acts(json!([{ "emit": "other" }])),
            acts(json!([{ "ignoreStop": true }])),
        ] {
            let begin = Instant::now();
            let error = sequence
                .start_and_wait(&options, &readiness.clone().timeout(timeout))
                .unwrap_err();
            assert!(
                error.is_timeout() && begin.elapsed() >= timeout,
                "{error:?}"
            );
            until_no_instance_runs(&sequence);
        }

        for steps in [
            json!([{ "throw": "at once" }]),
            json!([{ "wait": 300 }, { "exit": 5 }]),
        ] {
            let error = sequence
                .start_and_wait(&acts(steps), &readiness)
                .unwrap_err();
            assert!(failed_at_once(&error), "{error:?}");
            until_no_instance_runs(&sequence);
        }
    });
}

on_each_hub!(start_and_wait_fails_if_the_package_cannot_be_loaded);
fn start_and_wait_fails_if_the_package_cannot_be_loaded(host: HostClient) {
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
        until_no_instance_runs(&sequence);
    });
}

#[test]
fn start_and_wait_rejects_bad_event_names_before_the_start() {
    let hub = ScriptedHub::start("1.0.1", Vec::new());
    for readiness in [
        Readiness::event("a b"),
        Readiness::event("ready").or(""),
        Readiness::event("ready").fails_on("a/b"),
    ] {
        for error in [
            hub.sequence()
                .start_and_wait(&StartOptions::new(), &readiness)
                .unwrap_err(),
            hub.sequence()
                .start_with_retry(&StartOptions::new(), &readiness, &Default::default())
                .unwrap_err(),
        ] {
            assert!(error.to_string().contains("invalid event name"), "{error}");
        }
    }
    assert_eq!(hub.connections(), 0);
}

on_each_hub!(start_and_wait_that_times_out_or_is_cancelled_leaves_no_instance);
fn start_and_wait_that_times_out_or_is_cancelled_leaves_no_instance(host: HostClient) {
    let uploaded = Uploaded::sample(&host, "acts");
    let sequence = host.sequence(uploaded.id()).unwrap();
    within("starting", move || {
        let readiness = Readiness::event("ready");
        // The limits end before, around and after the response to the start.
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
        // A start that is still pending is killed after its response.
        until("all instances have ended", || {
            let instances = sequence.list_instances().unwrap();
            instances.iter().all(|id| has_ended(&sequence, id.as_str()))
        });
    });
}

#[test]
fn start_and_wait_kills_an_instance_whose_response_came_too_late() {
    within("starting", || {
        for version in ["0.18.7", "1.0.1"] {
            let hub = ScriptedHub::start(version, vec![Start::Delayed(Vec::new())]);
            let limit = Duration::from_millis(300);
            let late = {
                let begin = Instant::now();
                let waiting = hub.sequence().with_deadline(limit);
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
            assert!(!hub.lifecycle().iter().any(|part| part.starts_with("kill")));
            hub.release();
            hub.wait_for_end("/_kill");
        }

        let hub = ScriptedHub::start("1.0.1", vec![Start::Delayed(Vec::new())]);
        let token = CancelToken::new();
        let waiting = hub.sequence().with_cancel(&token);
        let (sender, receiver) = channel();
        thread::spawn(move || {
            sender.send(
                waiting
                    .start_and_wait(&StartOptions::new(), &Readiness::event("ready"))
                    .unwrap_err(),
            )
        });
        hub.wait_for("POST sequence/s/start");
        token.cancel();
        assert!(receiver.recv().unwrap().is_cancelled());
        hub.release();
        hub.wait_for_end("/_kill");
    });
}

/// Hubs after 1.0.1 refuse to kill an instance that is starting or stopping.
#[test]
fn start_and_wait_retries_a_refused_kill_and_then_stops_the_instance() {
    within("starting", || {
        let failing = || vec![Start::Running(vec![("error", Some(json!("e")))])];
        let readiness = Readiness::event("ready").fails_on("error");
        for (refused, status, lifecycle) in [
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
            let hub = ScriptedHub::start("1.0.1", failing());
            hub.refuse_kills(refused, status);
            let error = hub
                .sequence()
                .start_and_wait(&StartOptions::new(), &readiness)
                .unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Failed(_)), "{error:?}");
            assert_eq!(hub.lifecycle(), lifecycle, "{status}");
            assert!(hub.running().is_empty());
        }
    });
}

/// The cancelled caller returns at once, and the kill continues in the background.
#[test]
fn start_and_wait_that_is_cancelled_does_not_wait_for_the_kill() {
    within("starting", || {
        let hub = ScriptedHub::start("1.0.1", vec![Start::Running(Vec::new())]);
        hub.ignore_kills();
        let token = CancelToken::new();
        let waiting = hub.sequence().with_cancel(&token);
        let waiter = thread::spawn(move || {
            waiting
                .start_and_wait(&StartOptions::new(), &Readiness::event("ready"))
                .unwrap_err()
        });
        hub.wait_for_end("/event/ready");
        let begin = Instant::now();
        token.cancel();
        assert!(waiter.join().unwrap().is_cancelled());
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "{:?}",
            begin.elapsed()
        );
        hub.wait_for_end("/_kill");
    });
}

#[test]
fn start_and_wait_names_the_missing_event_on_timeout() {
    within("starts that do not become ready", || {
        in_parallel(GENERATIONS, |generation| {
            let (_hub, sequence) = silent(generation);
            let readiness = Readiness::event("never").timeout(Duration::from_millis(500));
            let result = sequence.start_and_wait(&StartOptions::new(), &readiness);
            let error = result.map(drop).unwrap_err();
            assert!(error.is_timeout(), "{generation:?}: {error:?}");
            let text = error.to_string();
            assert!(text.contains("/never): timed out after 500ms"), "{text}");
        });
    });
}

#[test]
fn start_and_wait_names_the_missing_event_on_cancel() {
    within("a start that is cancelled", || {
        in_parallel(GENERATIONS, |generation| {
            let (hub, sequence) = silent(generation);
            let token = CancelToken::new();
            let sequence = sequence.with_cancel(&token);
            let starting = thread::spawn(move || {
                sequence.start_and_wait(&StartOptions::new(), &Readiness::event("never"))
            });
            hub.wait_until("the client requests the event", has_requested_the_event);
            token.cancel();
            let error = starting.join().unwrap().map(drop).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("/never): cancelled"), "{text}");
        });
    });
}
