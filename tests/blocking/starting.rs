//! `wait_ready`, `start_when_available` and `start_and_wait`.

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
use crate::scripted_hub::{ScriptedHub, Start};
use crate::wait_event::{PROMPT, acts, quickest};

/// A transport that runs a closure after each failed attempt.
pub(crate) struct OnFailure<F>(pub(crate) UreqTransport, pub(crate) F);

impl<F: Fn() + Send + Sync> Transport for OnFailure<F> {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        self.0.send(request).inspect_err(|_| self.1())
    }
}

/// Starts a server at this URL that answers with a version.
fn serve_version(url: &str) {
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches("/api/v1")
        .to_owned();
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(&connection);
            // The client sends only this request, and in one segment.
            let _ = reader.read(&mut [0; 4096]);
            let _ = (&connection).write_all(&response(
                "200 OK",
                &[("Connection", "close")],
                br#"{"version":"1.0.1"}"#,
            ));
        }
    });
}

on_each_hub!(wait_ready_returns_at_once_if_the_hub_is_up);
fn wait_ready_returns_at_once_if_the_hub_is_up(host: HostClient) {
    assert_eq!(
        host.wait_ready(Duration::from_secs(5)).unwrap(),
        host.version().unwrap()
    );
    assert_eq!(host.wait_ready(None).unwrap(), host.version().unwrap());
}

#[test]
fn wait_ready_waits_until_the_hub_accepts_connections() {
    let url = refused_url();
    let failures = Arc::new(Mutex::new(0));
    let transport = OnFailure(UreqTransport::default(), {
        let (url, failures) = (url.clone(), Arc::clone(&failures));
        move || {
            let mut failures = failures.lock().unwrap();
            *failures += 1;
            if *failures == 2 {
                serve_version(&url);
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
fn wait_ready_retries_after_errors_of_a_proxy() {
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
        // One connection closes without a response, one within the body.
        let _ = connection.send(answer.unwrap_or_default());
    });
    let host = HostClient::new(server.url()).unwrap();
    within("waiting", move || host.wait_ready(Duration::from_secs(20))).unwrap();
    assert_eq!(server.connections(), 6);
}

#[test]
fn wait_ready_times_out_with_the_first_and_the_last_error() {
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
                matches!(end.kind(), ErrorKind::Deadline { limit: found, .. } if *found == limit),
                "{error:?}"
            );
            assert!(
                error.is_timeout()
                    && error.to_string()
                        == format!(
                            "get version (GET {url}/version): all attempts failed (3 errors)"
                        ),
                "{error}"
            );
            late
        });
        assert!(late < PROMPT, "{late:?}");
        // The deadline and the token of the handle apply, too.
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
fn wait_ready_fails_at_once_if_the_server_refuses_or_is_no_hub() {
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

fn overloaded(headers: &'static [(&'static str, &'static str)]) -> Start {
    Start::Refused(
        "419 Insufficient Space on Resource",
        headers,
        r#"{"error":"Insufficient Space on Resource"}"#,
    )
}

#[test]
fn start_when_available_waits_for_retry_after() {
    within("starting", || {
        let hub = ScriptedHub::start(
            "1.0.1",
            vec![
                overloaded(&[("Retry-After", "2")]),
                overloaded(&[]),
                Start::Running(Vec::new()),
            ],
        );
        let begin = Instant::now();
        let instance = hub
            .sequence()
            .start_when_available(&StartOptions::new())
            .unwrap();
        // Without `Retry-After`, the client waits for one second.
        assert!(
            (3..8).contains(&begin.elapsed().as_secs()),
            "{:?}",
            begin.elapsed()
        );
        assert_eq!(hub.running(), [instance.id().to_string()]);
        assert_eq!(hub.lifecycle().len(), 3);

        // Other refusals are final.
        let refused = Start::Refused("503 Service Unavailable", &[], "");
        let hub = ScriptedHub::start("1.0.1", vec![overloaded(&[("Retry-After", "0")]), refused]);
        let error = hub
            .sequence()
            .start_when_available(&StartOptions::new())
            .unwrap_err();
        assert_eq!(error.api().unwrap().status, 503);
    });
}

/// The hub always sends `Retry-After: 0`.
#[test]
fn start_when_available_pauses_even_if_retry_after_is_zero() {
    within("starting", || {
        let overloaded = (0..1000).map(|_| overloaded(&[("Retry-After", "0")]));
        let hub = ScriptedHub::start("1.0.1", overloaded.collect());
        let error = hub
            .sequence()
            .with_deadline(Duration::from_secs(1))
            .start_when_available(&StartOptions::new())
            .unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert!(
            (2..=12).contains(&hub.lifecycle().len()),
            "{}",
            hub.lifecycle().len()
        );
    });
}

#[test]
fn start_when_available_ends_at_the_deadline_and_on_cancel() {
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
            // The attempts include the refusal that the client waited for.
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

/// Waits until no instance of the sequence runs.
fn until_no_instance_runs(sequence: &SequenceClient) {
    for id in sequence.list_instances().unwrap() {
        sequence.instance(id).unwrap().wait_ended().unwrap();
    }
    // A hub may keep instances that have ended.
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

on_each_hub!(start_and_wait_returns_the_instance_and_its_ready_event);
fn start_and_wait_returns_the_instance_and_its_ready_event(host: HostClient) {
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
        // The deadline applies to each call anew.
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
        // A start that is still pending is killed after its response. `within` bounds this loop.
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
