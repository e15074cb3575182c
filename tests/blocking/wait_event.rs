//! `wait_event` and its variants, on a sequence that runs a script of steps.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::error::ReplyError;
use scramjet_client_blocking::types::RunnerExit;
use scramjet_client_blocking::{
    CancelToken, Error, ErrorKind, Event, HostClient, InstanceClient, KillOptions, SequenceClient,
    StartOptions, Version,
};
use scramjet_client_testing::fake_hub::{FakeHub, Generation};
use scramjet_client_tests::hub::PARENT_HUB;
use scramjet_client_tests::on_each_hub;
#[cfg(target_os = "linux")]
use scramjet_client_tests::process;
use scramjet_client_tests::scripted::{ScriptedServer, response};
use serde_json::{Value, json};

use crate::helpers::{GENERATIONS, in_child, in_parallel, recording, until, within};
use crate::samples::{Uploaded, unknown_instance, until_killable, was_refused};

/// Upper bound for the time by which a call may overrun its limit.
pub(crate) const PROMPT: Duration = Duration::from_secs(1);

/// Options that make the sequence `acts` run these steps.
pub(crate) fn acts(steps: Value) -> StartOptions {
    StartOptions::new().app_config(json!({ "steps": steps }))
}

/// Returns the shortest of three measurements, because a busy machine may delay one.
pub(crate) fn quickest(mut measure: impl FnMut() -> Duration) -> Duration {
    (0..3).map(|_| measure()).min().unwrap()
}

on_each_hub!(wait_event_returns_early_and_late_events);
fn wait_event_returns_early_and_late_events(host: HostClient) {
    let sequence = Uploaded::sample(&host, "acts");
    let steps = json!([
        { "emit": "early", "data": "before anyone listens" }, { "wait": 700 },
        { "emit": "late", "data": { "x": [1, null] } },
    ]);
    let instance = sequence.start(&acts(steps)).unwrap();
    within("waiting", move || {
        for _ in 0..2 {
            let early = instance.wait_event("early").unwrap();
            assert_eq!(
                (early.name.as_str(), early.data),
                ("early", json!("before anyone listens"))
            );
            let late = instance.wait_event("late").unwrap();
            assert_eq!(
                (late.name.as_str(), late.data),
                ("late", json!({ "x": [1, null] }))
            );
        }
    });
}

on_each_hub!(wait_event_as_decodes_the_data);
fn wait_event_as_decodes_the_data(host: HostClient) {
    let sequence = Uploaded::sample(&host, "acts");
    let steps = json!([{ "emit": "listening", "data": { "port": 8080 } }]);
    let instance = sequence.start(&acts(steps)).unwrap();
    within("waiting", move || {
        let data: BTreeMap<String, u16> = instance.wait_event_as("listening").unwrap();
        assert_eq!(data["port"], 8080);
        let error = instance
            .wait_event_as::<Vec<String>>("listening")
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Reply(ReplyError::Body { .. })),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(
            text.contains("8080") && text.contains("/event/listening"),
            "{text}"
        );
    });
}

on_each_hub!(wait_any_returns_the_first_event_with_its_name);
fn wait_any_returns_the_first_event_with_its_name(host: HostClient) {
    let sequence = Uploaded::sample(&host, "acts");
    within("waiting", move || {
        for (first, second) in [("ready", "error"), ("error", "ready")] {
            let steps = json!([
                { "wait": 300 }, { "emit": first, "data": "it" },
                { "wait": 600_000 }, { "emit": second },
            ]);
            let instance = sequence.start(&acts(steps)).unwrap();
            let event = instance.wait_any(["ready", "never", "error"]).unwrap();
            assert_eq!((event.name.as_str(), event.data), (first, json!("it")));
            // The event has already fired.
            assert_eq!(
                instance.wait_any(["ready", "never", "error"]).unwrap().name,
                first
            );
        }
    });
}

on_each_hub!(wait_event_and_wait_any_find_events_in_a_flood);
fn wait_event_and_wait_any_find_events_in_a_flood(host: HostClient) {
    let sequence = Uploaded::sample(&host, "acts");
    let steps = json!([
        { "flood": 3000, "emit": "n" }, { "emit": "between", "data": "b" }, { "wait": 300 },
        { "flood": 3000, "emit": "n" }, { "emit": "after", "data": "a" },
    ]);
    let instance = sequence.start(&acts(steps)).unwrap();
    within("waiting", move || {
        assert_eq!(instance.wait_event("between").unwrap().data, json!("b"));
        assert_eq!(
            instance.wait_any(["never", "after"]).unwrap().data,
            json!("a")
        );
        assert!(instance.wait_event("n").unwrap().name == "n");
    });
}

on_each_hub!(wait_event_names_the_missing_event_at_the_deadline);
fn wait_event_names_the_missing_event_at_the_deadline(host: HostClient) {
    let sequence = Uploaded::sample(&host, "acts");
    let instance = sequence
        .start(&acts(json!([{ "emit": "other", "data": "it" }])))
        .unwrap();
    within("waiting", move || {
        let limit = Duration::from_millis(400);
        let late = quickest(|| {
            let begin = Instant::now();
            let error = instance
                .with_deadline(limit)
                .wait_event("never")
                .unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Deadline { limit: found, .. } if *found == limit),
                "{error:?}"
            );
            assert!(
                error.url().is_some_and(
                    |url| url.ends_with("/event/never") || url.ends_with("/events/never")
                ),
                "{error}"
            );
            assert!(error.is_timeout() && error.ended().is_none());
            begin
                .elapsed()
                .checked_sub(limit)
                .expect("no end before the deadline")
        });
        assert!(late < PROMPT, "{late:?}");
        // The original handle has no deadline.
        assert_eq!(instance.wait_event("other").unwrap().name, "other");
    });
}

on_each_hub!(wait_next_event_and_wait_next_any_ignore_earlier_events);
fn wait_next_event_and_wait_next_any_ignore_earlier_events(host: HostClient) {
    let sequence = Uploaded::sample(&host, "acts");
    within("waiting", move || {
        let steps = json!([{ "on": "ping", "emit": "pong" }, { "emit": "pong", "data": "old" }]);
        for several in [false, true] {
            // Each call has its own instance, because answers to pings may arrive late.
            let instance = sequence.start(&acts(steps.clone())).unwrap();
            assert_eq!(instance.wait_event("pong").unwrap().data, json!("old"));
            let (sender, receiver) = channel();
            let waiting = instance.clone();
            let wait = move || {
                if several {
                    waiting.wait_next_any(["never", "pong"])
                } else {
                    waiting.wait_next_event("pong")
                }
            };
            let waiter = thread::spawn(move || sender.send(wait()).unwrap());
            // The call does not report when it listens, so ping until it returns.
            let pong = loop {
                instance.send_event("ping", "new").unwrap();
                match receiver.recv_timeout(Duration::from_millis(50)) {
                    Ok(event) => break event.unwrap(),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => panic!("the waiting thread has ended"),
                }
            };
            waiter.join().unwrap();
            assert_eq!((pong.name.as_str(), pong.data), ("pong", json!("new")));
        }
    });
}

on_each_hub!(wait_any_wait_next_event_and_wait_ended_return_when_the_instance_ends);
/// The instances end in different ways, some before and some during the waits.
fn wait_any_wait_next_event_and_wait_ended_return_when_the_instance_ends(host: HostClient) {
    let sequence = Uploaded::sample(&host, "acts");
    let broken = Uploaded::sample(&host, "fails-at-load");
    let reports_exit = host.dialect().unwrap().has(Version::new(0, 27, 0));
    within("waiting", move || {
        let start = |steps| sequence.start(&acts(steps)).unwrap();
        let killed = start(json!([{ "emit": "up", "data": "it" }]));
        let stubborn = start(json!([{ "ignoreStop": true }, { "emit": "up", "data": "it" }]));
        // Hubs may refuse to start an instance that fails at once. Then there is nothing to wait
        // for.
        let start_failing =
            |sequence: &SequenceClient, options: &StartOptions| match sequence.start(options) {
                Err(error) if reports_exit && was_refused(&error) => None,
                started => Some(started.unwrap()),
            };
        let rows: [(&str, Option<InstanceClient>, Exits); 6] = [
            ("killed", Some(killed.clone()), |exit| {
                exit == RunnerExit::Killed
            }),
            ("killed by a stop", Some(stubborn.clone()), |exit| {
                matches!(exit, RunnerExit::Killed | RunnerExit::Stopped)
            }),
            (
                "fails at load",
                start_failing(&broken, &StartOptions::new()),
                |exit| exit == RunnerExit::FailedOnStart,
            ),
            (
                "fails at once",
                start_failing(&sequence, &acts(json!([{ "throw": "at once" }]))),
                |exit| exit == RunnerExit::FailedDuringExecution,
            ),
            (
                "fails later",
                Some(start(json!([{ "wait": 500 }, { "throw": "later" }]))),
                |exit| !exit.is_success(),
            ),
            (
                "exits",
                Some(start(json!([{ "wait": 500 }, { "exit": 3 }]))),
                |exit| !exit.is_success(),
            ),
        ];
        thread::scope(|scope| {
            let rows = rows
                .into_iter()
                .filter_map(|(what, instance, expected)| Some((what, instance?, expected)));
            let waiters = rows.map(|(what, instance, expected)| {
                let waiter = scope.spawn(move || {
                    let (next, any) = (instance.clone(), instance.clone());
                    let next = thread::spawn(move || next.wait_next_event("never"));
                    let any = thread::spawn(move || any.wait_any(["never", "again"]));
                    let both = [next.join().unwrap(), any.join().unwrap()];
                    (
                        both.map(Result::unwrap_err),
                        instance.wait_ended().unwrap(),
                        instance,
                    )
                });
                (what, expected, waiter)
            });
            let waiters: Vec<_> = waiters.collect();
            killed.wait_event("up").unwrap();
            until_killable(&killed);
            killed.kill(&KillOptions::new()).unwrap();
            stubborn.wait_event("up").unwrap();
            stubborn
                .stop(&scramjet_client_blocking::StopOptions::new(
                    Duration::from_millis(200),
                ))
                .unwrap();
            for (what, expected, waiter) in waiters {
                let (errors, ended, instance) = waiter.join().unwrap();
                for ended in errors
                    .iter()
                    .map(|error| error.ended().unwrap_or_else(|| panic!("{what}: {error:?}")))
                    .chain([&ended])
                {
                    assert_eq!(ended.id, *instance.id(), "{what}");
                    // Hubs that do not report the exit have forgotten the instance.
                    assert_eq!(ended.exit.is_some(), reports_exit, "{what}: {ended:?}");
                    assert!(ended.exit.is_none_or(expected), "{what}: {ended:?}");
                    assert_eq!(
                        ended.is_success(),
                        ended.exit.map(RunnerExit::is_success),
                        "{what}"
                    );
                    assert!(
                        reports_exit
                            || (ended.status.is_none()
                                && ended.reason.is_none()
                                && ended.info.is_none()),
                        "{what}"
                    );
                }
                let [next, any] = errors.map(|error| error.to_string());
                assert!(next.contains("/never): the instance "), "{what}: {next}");
                assert!(any.contains("/never): the instance "), "{what}: {any}");
            }
        });
    });
}

on_each_hub!(wait_event_and_wait_ended_report_an_unknown_instance_as_gone);
fn wait_event_and_wait_ended_report_an_unknown_instance_as_gone(host: HostClient) {
    let instance = unknown_instance(&host);
    within("waiting", move || {
        // In parallel, because each call retries for some seconds before it accepts the 404.
        type Wait = fn(&InstanceClient) -> Result<Event, Error>;
        let waits: [Wait; 4] = [
            |instance| instance.wait_event("ready"),
            |instance| instance.wait_any(["ready", "error"]),
            |instance| instance.wait_next_event("ready"),
            |instance| instance.wait_next_any(["ready", "error"]),
        ];
        let (errors, ended) = thread::scope(|scope| {
            let instance = &instance;
            let waiters = waits.map(|wait| scope.spawn(move || wait(instance).unwrap_err()));
            let ended = instance.wait_ended().unwrap();
            (waiters.map(|waiter| waiter.join().unwrap()), ended)
        });
        for error in errors {
            assert!(
                error
                    .ended()
                    .is_some_and(|ended| ended.info.is_none() && ended.is_success().is_none()),
                "{error:?}"
            );
            assert!(
                error.to_string().ends_with("/ready): the instance is gone"),
                "{error}"
            );
            assert!(!error.is_timeout() && !error.is_cancelled());
        }
        assert_eq!(
            (&ended.id, ended.to_string().as_str()),
            (instance.id(), "the instance is gone")
        );
    });
}

on_each_hub!(with_cancel_ends_wait_any_wait_next_event_and_wait_ended);
fn with_cancel_ends_wait_any_wait_next_event_and_wait_ended(host: HostClient) {
    let sequence = Uploaded::sample(&host, "acts");
    let instance = sequence
        .start(&acts(json!([{ "emit": "up", "data": "it" }])))
        .unwrap();
    instance.wait_event("up").unwrap();
    within("waiting", move || {
        type Wait = fn(&InstanceClient) -> Option<scramjet_client_blocking::Error>;
        let waits: [Wait; 3] = [
            |instance| instance.wait_any(["never", "again"]).err(),
            |instance| instance.wait_next_event("never").err(),
            |instance| instance.wait_ended().err(),
        ];
        for wait in waits {
            let late = quickest(|| {
                let token = CancelToken::new();
                let waiting = instance.with_cancel(&token);
                let (sender, receiver) = channel();
                let waiter = thread::spawn(move || {
                    sender.send(()).unwrap();
                    wait(&waiting).expect("an error")
                });
                receiver.recv().unwrap();
                // This call takes some time, so that the other thread is probably waiting.
                assert_eq!(instance.wait_event("up").unwrap().name, "up");
                let begin = Instant::now();
                token.cancel();
                let error = waiter.join().unwrap();
                assert!(error.is_cancelled(), "{error:?}");
                begin.elapsed()
            });
            assert!(late < PROMPT, "{late:?}");
        }
        // A token that is cancelled before the call, and a handle without a token.
        let token = CancelToken::new();
        token.cancel();
        assert!(
            instance
                .with_cancel(&token)
                .wait_event("up")
                .unwrap_err()
                .is_cancelled()
        );
        assert_eq!(instance.wait_event("up").unwrap().name, "up");
    });
}

#[test]
fn wait_event_and_wait_any_reject_bad_names_before_sending() {
    let (server, _) = recording(b"{}");
    let instance = HostClient::new(server.url())
        .unwrap()
        .instance("x")
        .unwrap();
    for name in ["", "a b", "a/b", "ż", ".."] {
        for error in [
            instance.wait_event(name).unwrap_err(),
            instance.wait_any(["ready", name]).unwrap_err(),
            instance.wait_next_event(name).unwrap_err(),
            instance.wait_next_any([name, "ready"]).unwrap_err(),
        ] {
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("invalid event name {name:?}: ")),
                "{error}"
            );
        }
    }
    for error in [
        instance.wait_any::<&str>([]).unwrap_err(),
        instance.wait_next_any(Vec::<String>::new()).unwrap_err(),
    ] {
        assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
        assert!(
            error
                .to_string()
                .contains("at least one event name is required"),
            "{error}"
        );
    }
    assert_eq!(server.connections(), 0);
}

#[cfg(target_os = "linux")]
on_each_hub!(wait_event_on_many_threads_leaves_no_threads_or_sockets);
/// The test counts threads and sockets, so it runs in a child process.
#[cfg(target_os = "linux")]
fn wait_event_on_many_threads_leaves_no_threads_or_sockets(host: HostClient) {
    if std::env::var_os(PARENT_HUB).is_none() {
        return in_child(&[(PARENT_HUB, host.base_url())]);
    }
    let sequence = Uploaded::sample(&host, "acts");
    let instance = sequence
        .start(&acts(
            json!([{ "on": "go", "emit": "gone" }, { "emit": "up", "data": "u" }]),
        ))
        .unwrap();
    within("waiting", {
        let host = host.clone();
        move || {
            let connecting = HostClient::new(host.base_url())
                .unwrap()
                .instance(instance.id())
                .unwrap();
            connecting.wait_event("up").unwrap();
            drop(connecting);
            let (threads, sockets) = (process::threads(), process::sockets());
            let own = HostClient::new(host.base_url()).unwrap();
            let (sender, receiver) = channel();
            let waiters: Vec<_> = (0..64)
                .map(|n| {
                    let (waiting, sender) = (own.instance(instance.id()).unwrap(), sender.clone());
                    thread::spawn(move || {
                        sender.send(()).unwrap();
                        let names = ["gone".to_owned(), format!("never-{n}")];
                        // Half of the threads wait for one event, half for one of two.
                        if n % 2 == 0 {
                            waiting.wait_event("gone")
                        } else {
                            waiting.wait_any(names)
                        }
                    })
                })
                .collect();
            (0..64).for_each(|_| receiver.recv().unwrap());
            instance.send_event("go", "g").unwrap();
            for waiter in waiters {
                let event = waiter.join().unwrap().unwrap();
                assert_eq!((event.name.as_str(), event.data), ("gone", json!("g")));
            }
            drop(own);
            // Unused listeners take a moment to end.
            until("the listeners are gone", || {
                process::threads() <= threads && process::sockets() <= sockets
            });
        }
    });
}

type Exits = fn(RunnerExit) -> bool;

/// Starts a hub with a sequence that runs and emits no events.
pub(crate) fn silent(generation: Generation) -> (FakeHub, SequenceClient) {
    let hub = FakeHub::new(generation);
    hub.program("silent", |process| process.run_until_killed());
    let host = HostClient::new(hub.url()).unwrap();
    let sequence = host.send_sequence(hub.package("silent")).unwrap();
    (hub, sequence)
}

pub(crate) fn has_requested_the_event(hub: &FakeHub) -> bool {
    let requests = hub.requests();
    requests.iter().any(|line| line.ends_with("/event/never"))
}

#[test]
fn wait_event_ends_soon_when_the_hub_has_forgotten_the_instance() {
    within("a wait during a restart of the hub", || {
        in_parallel(GENERATIONS, |generation| {
            let (hub, sequence) = silent(generation);
            let instance = sequence.start(&StartOptions::new()).unwrap();
            let waiting = thread::spawn(move || instance.wait_event("never"));
            hub.wait_until("the client requests the event", has_requested_the_event);
            let before = hub.requests().len();
            hub.restart(true);
            let error = waiting.join().unwrap().unwrap_err();
            assert!(error.ended().is_some(), "{generation:?}: {error:?}");
            // The client stops polling when the instance is gone.
            let after = hub.requests().len() - before;
            assert!(after < 60, "{generation:?}: {after} requests");
        });
    });
}

/// A hub that does not answer a request for the status in time must not delay the event.
#[test]
fn wait_event_returns_while_a_request_for_the_status_is_pending() {
    within("waiting", || {
        let took = quickest(|| {
            let (sender, receiver) = channel();
            let receiver = Mutex::new(receiver);
            let hub = ScriptedServer::start(move |connection| {
                let Ok(request) = connection.read_request() else {
                    return;
                };
                if request.target.ends_with("/event/done") {
                    let _ = receiver.lock().map(|receiver| receiver.recv());
                    let event = br#"{"eventName":"done","message":7}"#;
                    let _ = connection.send(response("200 OK", &[], event));
                } else {
                    let _ = sender.send(());
                }
                // Until the client closes the connection.
                let _ = connection.read_request();
            });
            let builder = HostClient::builder(hub.url()).hub_version("0.18.7");
            let instance = builder.build().unwrap().instance("x").unwrap();
            let begin = Instant::now();
            assert_eq!(instance.wait_event("done").unwrap().data, 7);
            begin.elapsed()
        });
        // The request for the status has a timeout of two seconds.
        assert!(took < Duration::from_millis(1500), "{took:?}");
    });
}
