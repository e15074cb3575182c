//! `start_with_retry`, on hubs whose first starts fail.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use http::{Request, Response};
use scramjet_client_blocking::transport::{Phase, RequestBody, TransportError, UreqTransport};
use scramjet_client_blocking::{
    CancelToken, Error, ErrorCode, ErrorKind, HostClient, Readiness, Ready, RetryPolicy,
    StartOptions, Transport,
};
use scramjet_client_tests::on_each_hub;
use serde_json::json;

use crate::helpers::{until, within};
use crate::samples::Uploaded;
use crate::scripted_hub::{Data, ScriptedHub, Start};
use crate::wait_event::acts;

const CHOSEN: &str = "11111111-2222-4333-8444-555555555555";

fn ready() -> Vec<(&'static str, Data)> {
    vec![("ready", Some(json!("r")))]
}

fn readiness() -> Readiness {
    Readiness::event("ready")
        .fails_on("error")
        .timeout(Duration::from_secs(10))
}

fn attempts(attempts: u32) -> RetryPolicy {
    RetryPolicy::linear(Duration::from_millis(10)).max_attempts(attempts)
}

fn start(hub: &ScriptedHub, policy: &RetryPolicy) -> Result<Ready, Error> {
    hub.sequence()
        .start_with_retry(&StartOptions::new(), &readiness(), policy)
}

fn different(ids: &[Option<String>]) -> usize {
    ids.iter().flatten().collect::<BTreeSet<_>>().len()
}

/// A result of a start.
type Starts = fn() -> Start;

fn transient_failures() -> Vec<(&'static str, Starts, bool)> {
    vec![
        (
            "overloaded",
            || {
                Start::Refused(
                    "419 Insufficient Space on Resource",
                    &[],
                    r#"{"error":"Insufficient Space on Resource"}"#,
                )
            },
            false,
        ),
        (
            "unavailable",
            || Start::Refused("503 Service Unavailable", &[], ""),
            false,
        ),
        (
            "too many requests",
            || Start::Refused("429 Too Many Requests", &[], ""),
            false,
        ),
        (
            "ended at once",
            || Start::Ended(22, "Sequence failed on start"),
            false,
        ),
        (
            "says that it failed",
            || Start::Running(vec![("error", Some(json!("e")))]),
            true,
        ),
    ]
}

#[test]
fn start_with_retry_repeats_after_a_transient_failure() {
    for version in ["0.18.7", "1.0.1"] {
        for (what, fails, killed) in transient_failures() {
            within(what, move || {
                for failures in [1, 3] {
                    let starts = (0..failures)
                        .map(|_| fails())
                        .chain([Start::Running(ready())])
                        .collect();
                    let hub = ScriptedHub::start(version, starts);
                    let ready = start(&hub, &attempts(4)).unwrap();
                    assert_eq!(ready.event.data, json!("r"), "{what}");
                    let lifecycle = hub.lifecycle();
                    let start_count = lifecycle.iter().filter(|part| *part == "start").count();
                    assert_eq!(
                        start_count,
                        failures + 1,
                        "{version}, {what}: {lifecycle:?}"
                    );
                    // Each failed instance was killed before the next start.
                    let expected = ["start", "kill"].into_iter().cycle().take(lifecycle.len());
                    let kinds = lifecycle.iter().map(|part| part.split(' ').next().unwrap());
                    assert!(
                        if killed {
                            kinds.eq(expected)
                        } else {
                            lifecycle.len() == start_count
                        },
                        "{version}, {what}: {lifecycle:?}"
                    );
                    assert_eq!(hub.running(), [ready.instance.id().to_string()], "{what}");
                    // Each attempt is known to have failed, so the next one uses a new id.
                    let ids = if version == "1.0.1" { start_count } else { 0 };
                    assert_eq!(different(&hub.requested_ids()), ids, "{version}, {what}");
                }
            });
        }
    }
}

#[test]
fn start_with_retry_kills_an_instance_that_is_not_ready_in_time() {
    within("starting", || {
        for version in ["0.18.7", "1.0.1"] {
            let hub = ScriptedHub::start(
                version,
                vec![
                    Start::Running(Vec::new()),
                    Start::Running(Vec::new()),
                    Start::Running(ready()),
                ],
            );
            let readiness = readiness().timeout(Duration::from_millis(400));
            let ready = hub
                .sequence()
                .start_with_retry(&StartOptions::new(), &readiness, &attempts(3))
                .unwrap();
            let kinds: Vec<_> = hub
                .lifecycle()
                .iter()
                .map(|part| part.split(' ').next().unwrap().to_owned())
                .collect();
            assert_eq!(kinds, ["start", "kill", "start", "kill", "start"]);
            assert_eq!(hub.running(), [ready.instance.id().to_string()]);
        }
    });
}

/// A transport that refuses to connect for the first starts.
struct Refusing(UreqTransport, AtomicUsize);

impl Transport for Refusing {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        let refuse = |left: usize| left.checked_sub(1);
        let starts = request.uri().path().ends_with("/start");
        if starts
            && self
                .1
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, refuse)
                .is_ok()
        {
            let source = io::Error::from(io::ErrorKind::ConnectionRefused);
            return Err(TransportError::new(Phase::Connect, source));
        }
        self.0.send(request)
    }
}

#[test]
fn start_with_retry_repeats_if_the_connection_was_refused() {
    within("starting", || {
        for version in ["0.18.7", "1.0.1"] {
            let hub = ScriptedHub::start(version, vec![Start::Running(ready())]);
            let transport = Refusing(UreqTransport::default(), AtomicUsize::new(2));
            let host = HostClient::builder(hub.url())
                .transport(Arc::new(transport))
                .build()
                .unwrap();
            let sequence = host.sequence("s").unwrap();
            sequence
                .start_with_retry(&StartOptions::new(), &readiness(), &attempts(3))
                .unwrap();
            assert_eq!(hub.lifecycle(), ["start"]);
        }
    });
}

/// The client requests the instance by its id, and starts no second one.
#[test]
fn start_with_retry_finds_the_instance_by_id_if_the_response_was_lost() {
    within("starting", || {
        let hub = ScriptedHub::start("1.0.1", vec![Start::RunningNoResponse(ready())]);
        let found = start(&hub, &attempts(3)).unwrap();
        assert_eq!(hub.lifecycle(), ["start"]);
        let id = found.instance.id().to_string();
        assert_eq!(hub.requested_ids(), [Some(id.clone())]);
        assert_eq!(hub.running(), [id]);

        // The instance is found, but reports a failure. It is killed, and the next one has a new
        // id.
        let failing_events = vec![("error", None), ("error", Some(json!("e")))];
        let hub = ScriptedHub::start(
            "1.0.1",
            vec![
                Start::RunningNoResponse(failing_events),
                Start::Running(ready()),
            ],
        );
        start(&hub, &attempts(4)).unwrap();
        assert_eq!(hub.lifecycle(), ["start", "kill made", "start"]);
        assert_eq!(different(&hub.requested_ids()), 2);

        // This works with an id that the caller chose, too.
        let hub = ScriptedHub::start("1.0.1", vec![Start::RunningNoResponse(ready())]);
        let options = StartOptions::new().instance_id(CHOSEN);
        let found = hub
            .sequence()
            .start_with_retry(&options, &readiness(), &attempts(2))
            .unwrap();
        assert_eq!(found.instance.id(), CHOSEN);
        assert_eq!(hub.requested_ids(), [Some(CHOSEN.to_owned())]);
    });
}

#[test]
fn start_with_retry_does_not_repeat_on_0_18_if_the_response_was_lost() {
    within("starting", || {
        let gateway = Start::Refused("502 Bad Gateway", &[], "<html>");
        for lost in [Start::Closed, Start::RunningNoResponse(ready()), gateway] {
            let is_gateway = matches!(lost, Start::Refused(..));
            let hub = ScriptedHub::start("0.18.7", vec![lost]);
            let error = start(&hub, &attempts(5)).unwrap_err();
            if is_gateway {
                assert_eq!(error.api().unwrap().status, 502);
            } else {
                assert_eq!(error.phase(), Some(Phase::Wait));
                let text = error.to_string();
                assert!(
                    text.contains("the hub may have processed the request"),
                    "{text}"
                );
            }
            assert_eq!(
                (hub.lifecycle(), hub.requested_ids()),
                (vec!["start".to_owned()], vec![None])
            );
        }
    });
}

#[test]
fn start_with_retry_at_its_deadline_kills_an_instance_found_by_id() {
    within("starting", || {
        let hub = ScriptedHub::start("1.0.1", vec![Start::RunningNoResponse(Vec::new())]);
        let error = hub
            .sequence()
            .with_deadline(Duration::from_millis(500))
            .start_with_retry(&StartOptions::new(), &readiness(), &attempts(1))
            .unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!(hub.lifecycle(), ["start", "kill made"]);
    });
}

#[test]
fn start_with_retry_does_not_repeat_after_a_permanent_error() {
    let two_engines = "{\"error\":\"Incorrect config passed to SequenceConfig,\
        'engines' field can't contain more than one element\"}";
    let bad_main = "{\"error\":\"Sequence entrypoint path missing.js is invalid. \
        Check `main` field in Sequence package.json\"}";
    type Is = fn(&Error) -> bool;
    let rows: Vec<(&str, Start, Is)> = vec![
        (
            "engines",
            Start::Refused("400 Bad Request", &[], two_engines),
            |error| error.code() == ErrorCode::InvalidConfig,
        ),
        (
            "main",
            Start::Refused("400 Bad Request", &[], bad_main),
            |error| error.code() == ErrorCode::BadParameters,
        ),
        (
            "no credentials",
            Start::Refused("401 Unauthorized", &[], ""),
            |error| error.api().unwrap().is_unauthorized(),
        ),
        (
            "no sequence",
            Start::Refused("404 Not Found", &[], r#"{"error":"Not Found"}"#),
            Error::is_not_found,
        ),
        (
            "taken",
            Start::Refused(
                "409 Conflict",
                &[],
                r#"{"error":"Instance with a given ID already exists"}"#,
            ),
            Error::is_conflict,
        ),
        (
            "broken",
            Start::Refused("500 Internal Server Error", &[], ""),
            |error| error.code() == ErrorCode::ServerError,
        ),
        (
            "configuration",
            Start::Ended(20, "Runner was started with invalid configuration"),
            |error| error.ended().is_some(),
        ),
        (
            "entrypoint",
            Start::Ended(21, "Sequence entrypoint path x is invalid"),
            |error| error.ended().is_some(),
        ),
    ];
    for (what, result, is_expected) in rows {
        within(what, move || {
            let hub = ScriptedHub::start("1.0.1", vec![result]);
            let error = start(&hub, &attempts(5)).unwrap_err();
            assert!(is_expected(&error), "{what}: {error:?}");
            // A single attempt is returned as its own error.
            assert!(error.attempts().is_empty(), "{what}: {error:?}");
            assert_eq!(hub.lifecycle(), ["start"], "{what}");
        });
    }
}

#[test]
fn start_with_retry_returns_an_error_with_every_attempt() {
    within("starting", || {
        let full = Start::Refused(
            "419 Insufficient Space on Resource",
            &[],
            r#"{"error":"Insufficient Space on Resource"}"#,
        );
        let failing = Start::Running(vec![("error", Some(json!("e")))]);
        let gone = Start::Refused("404 Not Found", &[], r#"{"error":"Not Found"}"#);
        let hub = ScriptedHub::start(
            "1.0.1",
            vec![
                full,
                Start::Ended(23, "Sequence failed during execution"),
                failing,
                gone,
            ],
        );
        let error = start(&hub, &attempts(9)).unwrap_err();
        let [full, ended, failed, gone] = error.attempts() else {
            panic!("{error:?}")
        };
        assert!(
            full.is_overloaded() && ended.ended().is_some() && gone.is_not_found(),
            "{error:?}"
        );
        assert!(
            matches!(failed.kind(), ErrorKind::Failed(event) if event.name == "error"),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            format!(
                "start sequence (POST {}/sequence/s/start): all attempts failed (4 errors)",
                hub.url()
            )
        );
        // The last attempt determines the predicates, and is the source.
        assert!(
            error.is_not_found()
                && !error.is_overloaded()
                && error.operation() == Some("start sequence")
        );
        let cause = error.source().unwrap();
        assert_eq!(cause.to_string(), gone.to_string());
        assert!(
            format!("{error:?}").contains(&format!("\n  caused by: {gone}")),
            "{error:?}"
        );
    });
}

#[test]
fn start_with_retry_respects_max_attempts_and_max_elapsed() {
    within("starting", || {
        let full = || Start::Refused("419 Insufficient Space on Resource", &[], "");
        for (attempts, expected) in [(0, 1), (1, 1), (2, 2), (5, 5)] {
            let hub = ScriptedHub::start("1.0.1", (0..9).map(|_| full()).collect());
            let error = start(&hub, &self::attempts(attempts)).unwrap_err();
            assert!(error.is_overloaded(), "{error:?}");
            assert_eq!(hub.lifecycle().len(), expected);
            assert_eq!(
                error.attempts().len(),
                if expected == 1 { 0 } else { expected }
            );
        }

        // Attempts at 0, 200 and 600 ms. The next one would be at 1200 ms.
        let hub = ScriptedHub::start("1.0.1", (0..9).map(|_| full()).collect());
        let policy = RetryPolicy::linear(Duration::from_millis(200))
            .max_attempts(9)
            .max_elapsed(Duration::from_millis(1100));
        let begin = Instant::now();
        assert!(start(&hub, &policy).unwrap_err().is_overloaded());
        assert!(
            (2..=3).contains(&hub.lifecycle().len()),
            "{:?}",
            hub.lifecycle()
        );
        assert!(begin.elapsed() >= Duration::from_millis(200));
    });
}

#[test]
fn start_with_retry_respects_the_deadline_and_token_of_the_handle() {
    within("starting", || {
        let full = || Start::Refused("419 Insufficient Space on Resource", &[], "");
        let (limit, long) = (
            Duration::from_millis(500),
            RetryPolicy::linear(Duration::from_secs(3600)).max_attempts(9),
        );
        let long = long.max_delay(Duration::MAX);

        // The deadline passes during the delay.
        let hub = ScriptedHub::start("1.0.1", vec![full()]);
        let begin = Instant::now();
        let error = hub
            .sequence()
            .with_deadline(limit)
            .start_with_retry(&StartOptions::new(), &readiness(), &long)
            .unwrap_err();
        let [overloaded, end] = error.attempts() else {
            panic!("{error:?}")
        };
        assert!(
            overloaded.is_overloaded() && end.is_timeout() && error.is_timeout(),
            "{error:?}"
        );
        assert!(begin.elapsed() >= limit);

        let hub = ScriptedHub::start("1.0.1", vec![full()]);
        let token = CancelToken::new();
        let waiting = hub.sequence().with_cancel(&token);
        let waiter = thread::spawn(move || {
            waiting
                .start_with_retry(&StartOptions::new(), &readiness(), &long)
                .unwrap_err()
        });
        hub.wait_for("POST sequence/s/start");
        token.cancel();
        assert!(waiter.join().unwrap().is_cancelled());

        // The deadline passes during the first attempt. The client kills its instance.
        let hub = ScriptedHub::start("1.0.1", vec![Start::Running(Vec::new())]);
        let error = hub
            .sequence()
            .with_deadline(limit)
            .start_with_retry(&StartOptions::new(), &readiness(), &attempts(9))
            .unwrap_err();
        assert!(
            error.is_timeout() && error.attempts().is_empty(),
            "{error:?}"
        );
        assert_eq!(hub.lifecycle(), ["start", "kill made"]);
    });
}

/// Otherwise, two instances would run.
#[test]
fn start_with_retry_stops_if_the_failed_instance_cannot_be_killed() {
    within("starting", || {
        let failing = || Start::Running(vec![("error", Some(json!("e")))]);
        let hub = ScriptedHub::start("1.0.1", vec![failing(), failing()]);
        hub.forbid_kills();
        let error = start(&hub, &attempts(5)).unwrap_err();
        let [failed, not_killed] = error.attempts() else {
            panic!("{error:?}")
        };
        assert!(matches!(failed.kind(), ErrorKind::Failed(_)), "{error:?}");
        assert_eq!(
            (
                not_killed.operation(),
                not_killed.api().unwrap().status.as_u16()
            ),
            (Some("kill instance"), 403)
        );
        assert_eq!(hub.lifecycle(), ["start", "kill made"]);
    });
}

on_each_hub!(start_with_retry_leaves_only_the_ready_instance_on_the_hub);
fn start_with_retry_leaves_only_the_ready_instance_on_the_hub(host: HostClient) {
    let uploaded = Uploaded::sample(&host, "acts");
    let sequence = host.sequence(uploaded.id()).unwrap();
    within("starting", move || {
        let running = || {
            let is_running = |id: &str| match sequence.instance(id).unwrap().info() {
                Ok(info) => info.terminated.is_none() && info.ended.is_none(),
                Err(error) => !error.is_not_found(),
            };
            sequence
                .list_instances()
                .unwrap()
                .iter()
                .filter(|id| is_running(id.as_str()))
                .count()
        };
        let failing = acts(json!([{ "wait": 100 }, { "emit": "error", "data": "e" }]));
        let error = sequence
            .start_with_retry(&failing, &readiness(), &attempts(3))
            .unwrap_err();
        assert_eq!(error.attempts().len(), 3, "{error:?}");
        assert!(
            error
                .attempts()
                .iter()
                .all(|error| matches!(error.kind(), ErrorKind::Failed(_))),
            "{error:?}"
        );
        // The hub needs a moment to end killed instances.
        until("the killed instances are gone", || running() == 0);

        let ready_options = acts(json!([{ "emit": "ready", "data": "r" }]));
        let ready = sequence
            .start_with_retry(&ready_options, &readiness(), &attempts(3))
            .unwrap();
        assert_eq!((ready.event.data, running()), (json!("r"), 1));
    });
}
