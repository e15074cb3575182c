//! Starting until one is ready, on hubs whose first starts fail in every way.

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

use crate::helpers::within;
use crate::live::Uploaded;
use crate::model::{Data, Model, Start};
use crate::waiting::acts;

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

fn start(model: &Model, policy: &RetryPolicy) -> Result<Ready, Error> {
    model
        .sequence()
        .start_with_retry(&StartOptions::new(), &readiness(), policy)
}

fn different(ids: &[Option<String>]) -> usize {
    ids.iter().flatten().collect::<BTreeSet<_>>().len()
}

/// The way to fail, and whether an instance has to be killed before the next attempt.
type Starts = fn() -> Start;

fn passing() -> Vec<(&'static str, Starts, bool)> {
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
            || Start::Up(vec![("error", Some(json!("e")))]),
            true,
        ),
    ]
}

#[test]
fn a_start_that_failed_in_passing_is_tried_again() {
    for version in ["0.18.7", "1.0.1"] {
        for (what, fails, killed) in passing() {
            within(what, move || {
                for failures in [1, 3] {
                    let starts = (0..failures)
                        .map(|_| fails())
                        .chain([Start::Up(ready())])
                        .collect();
                    let model = Model::start(version, starts);
                    let ready = start(&model, &attempts(4)).unwrap();
                    assert_eq!(ready.event.data, json!("r"), "{what}");
                    let story = model.story();
                    let begins = story.iter().filter(|part| *part == "start").count();
                    assert_eq!(begins, failures + 1, "{version}, {what}: {story:?}");
                    // Each of those was killed before the next was started.
                    let expected = ["start", "kill"].into_iter().cycle().take(story.len());
                    let kinds = story.iter().map(|part| part.split(' ').next().unwrap());
                    assert!(
                        if killed {
                            kinds.eq(expected)
                        } else {
                            story.len() == begins
                        },
                        "{version}, {what}: {story:?}"
                    );
                    assert_eq!(model.running(), [ready.instance.id().to_string()], "{what}");
                    // Each was known to have failed: so each had an id of its own.
                    let ids = if version == "1.0.1" { begins } else { 0 };
                    assert_eq!(different(&model.asked_ids()), ids, "{version}, {what}");
                }
            });
        }
    }
}

#[test]
fn an_instance_that_is_not_ready_in_time_is_killed_before_the_next() {
    within("starting", || {
        for version in ["0.18.7", "1.0.1"] {
            let model = Model::start(
                version,
                vec![
                    Start::Up(Vec::new()),
                    Start::Up(Vec::new()),
                    Start::Up(ready()),
                ],
            );
            let readiness = readiness().timeout(Duration::from_millis(400));
            let ready = model
                .sequence()
                .start_with_retry(&StartOptions::new(), &readiness, &attempts(3))
                .unwrap();
            let kinds: Vec<_> = model
                .story()
                .iter()
                .map(|part| part.split(' ').next().unwrap().to_owned())
                .collect();
            assert_eq!(kinds, ["start", "kill", "start", "kill", "start"]);
            assert_eq!(model.running(), [ready.instance.id().to_string()]);
        }
    });
}

/// Refuses to connect for the first starts.
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
fn a_start_that_did_not_connect_is_tried_again() {
    within("starting", || {
        for version in ["0.18.7", "1.0.1"] {
            let model = Model::start(version, vec![Start::Up(ready())]);
            let transport = Refusing(UreqTransport::default(), AtomicUsize::new(2));
            let host = HostClient::builder(model.url())
                .transport(Arc::new(transport))
                .build()
                .unwrap();
            let sequence = host.sequence("s").unwrap();
            sequence
                .start_with_retry(&StartOptions::new(), &readiness(), &attempts(3))
                .unwrap();
            assert_eq!(model.story(), ["start"]);
        }
    });
}

/// The hub is asked for the instance by its id. Nothing is started twice.
#[test]
fn a_start_whose_answer_was_lost_is_found_by_its_id() {
    within("starting", || {
        let model = Model::start("1.0.1", vec![Start::UpUnheard(ready())]);
        let found = start(&model, &attempts(3)).unwrap();
        assert_eq!(model.story(), ["start"]);
        let id = found.instance.id().to_string();
        assert_eq!(model.asked_ids(), [Some(id.clone())]);
        assert_eq!(model.running(), [id]);

        // One that is found, and is not ready, is killed, and the next is another.
        let unwell = vec![("error", None), ("error", Some(json!("e")))];
        let model = Model::start("1.0.1", vec![Start::UpUnheard(unwell), Start::Up(ready())]);
        start(&model, &attempts(4)).unwrap();
        assert_eq!(model.story(), ["start", "kill made", "start"]);
        assert_eq!(different(&model.asked_ids()), 2);

        // The id that the caller has chosen does as well.
        let model = Model::start("1.0.1", vec![Start::UpUnheard(ready())]);
        let options = StartOptions::new().instance_id(CHOSEN);
        let found = model
            .sequence()
            .start_with_retry(&options, &readiness(), &attempts(2))
            .unwrap();
        assert_eq!(found.instance.id(), CHOSEN);
        assert_eq!(model.asked_ids(), [Some(CHOSEN.to_owned())]);
    });
}

#[test]
fn a_start_whose_answer_was_lost_is_not_tried_again_on_a_hub_without_ids() {
    within("starting", || {
        let gateway = Start::Refused("502 Bad Gateway", &[], "<html>");
        for lost in [Start::Closed, Start::UpUnheard(ready()), gateway] {
            let is_gateway = matches!(lost, Start::Refused(..));
            let model = Model::start("0.18.7", vec![lost]);
            let error = start(&model, &attempts(5)).unwrap_err();
            if is_gateway {
                assert_eq!(error.api().unwrap().status, 502);
            } else {
                assert_eq!(error.phase(), Some(Phase::Wait));
                let text = error.to_string();
                assert!(text.contains("the hub may have acted upon it"), "{text}");
            }
            assert_eq!(
                (model.story(), model.asked_ids()),
                (vec!["start".to_owned()], vec![None])
            );
        }
    });
}

#[test]
fn an_instance_whose_start_was_lost_is_killed_when_it_is_given_up() {
    within("starting", || {
        let model = Model::start("1.0.1", vec![Start::UpUnheard(Vec::new())]);
        let error = model
            .sequence()
            .with_deadline(Duration::from_millis(500))
            .start_with_retry(&StartOptions::new(), &readiness(), &attempts(1))
            .unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!(model.story(), ["start", "kill made"]);
    });
}

#[test]
fn what_trying_again_does_not_mend_is_final() {
    let two_engines = "{\"error\":\"Incorrect config passed to SequenceConfig,'engines' field can't contain more than one element\"}";
    let bad_main = "{\"error\":\"Sequence entrypoint path missing.js is invalid. Check `main` field in Sequence package.json\"}";
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
    for (what, scene, is) in rows {
        within(what, move || {
            let model = Model::start("1.0.1", vec![scene]);
            let error = start(&model, &attempts(5)).unwrap_err();
            assert!(is(&error), "{what}: {error:?}");
            // One attempt is its own error.
            assert!(error.attempts().is_empty(), "{what}: {error:?}");
            assert_eq!(model.story(), ["start"], "{what}");
        });
    }
}

#[test]
fn the_final_error_holds_every_attempt() {
    within("starting", || {
        let full = Start::Refused(
            "419 Insufficient Space on Resource",
            &[],
            r#"{"error":"Insufficient Space on Resource"}"#,
        );
        let failing = Start::Up(vec![("error", Some(json!("e")))]);
        let gone = Start::Refused("404 Not Found", &[], r#"{"error":"Not Found"}"#);
        let model = Model::start(
            "1.0.1",
            vec![
                full,
                Start::Ended(23, "Sequence failed during execution"),
                failing,
                gone,
            ],
        );
        let error = start(&model, &attempts(9)).unwrap_err();
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
                "start sequence (POST {}/sequence/s/start) failed 4 times",
                model.url()
            )
        );
        // The last one decides, and is the cause.
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
fn attempts_are_as_many_as_the_policy_says() {
    within("starting", || {
        let full = || Start::Refused("419 Insufficient Space on Resource", &[], "");
        for (attempts, seen) in [(0, 1), (1, 1), (2, 2), (5, 5)] {
            let model = Model::start("1.0.1", (0..9).map(|_| full()).collect());
            let error = start(&model, &self::attempts(attempts)).unwrap_err();
            assert!(error.is_overloaded(), "{error:?}");
            assert_eq!(model.story().len(), seen);
            assert_eq!(error.attempts().len(), if seen == 1 { 0 } else { seen });
        }

        // After 0, 200 and 600 ms; the next would come after 1200.
        let model = Model::start("1.0.1", (0..9).map(|_| full()).collect());
        let policy = RetryPolicy::linear(Duration::from_millis(200))
            .max_attempts(9)
            .max_elapsed(Duration::from_millis(1100));
        let begin = Instant::now();
        assert!(start(&model, &policy).unwrap_err().is_overloaded());
        assert!(
            (2..=3).contains(&model.story().len()),
            "{:?}",
            model.story()
        );
        assert!(begin.elapsed() >= Duration::from_millis(200));
    });
}

#[test]
fn the_handles_limits_end_the_attempts() {
    within("starting", || {
        let full = || Start::Refused("419 Insufficient Space on Resource", &[], "");
        let (limit, long) = (
            Duration::from_millis(500),
            RetryPolicy::linear(Duration::from_secs(3600)).max_attempts(9),
        );
        let long = long.max_delay(Duration::MAX);

        // In the pause between two.
        let model = Model::start("1.0.1", vec![full()]);
        let begin = Instant::now();
        let error = model
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

        let model = Model::start("1.0.1", vec![full()]);
        let token = CancelToken::new();
        let waiting = model.sequence().with_cancel(&token);
        let waiter = thread::spawn(move || {
            waiting
                .start_with_retry(&StartOptions::new(), &readiness(), &long)
                .unwrap_err()
        });
        model.wait_for("POST sequence/s/start");
        token.cancel();
        assert!(waiter.join().unwrap().is_cancelled());

        // In the midst of one, which is killed, and is the only one.
        let model = Model::start("1.0.1", vec![Start::Up(Vec::new())]);
        let error = model
            .sequence()
            .with_deadline(limit)
            .start_with_retry(&StartOptions::new(), &readiness(), &attempts(9))
            .unwrap_err();
        assert!(
            error.is_timeout() && error.attempts().is_empty(),
            "{error:?}"
        );
        assert_eq!(model.story(), ["start", "kill made"]);
    });
}

/// Another one beside it would be the second.
#[test]
fn nothing_is_started_beside_what_could_not_be_killed() {
    within("starting", || {
        let failing = || Start::Up(vec![("error", Some(json!("e")))]);
        let model = Model::start("1.0.1", vec![failing(), failing()]);
        model.forbid_kills();
        let error = start(&model, &attempts(5)).unwrap_err();
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
        assert_eq!(model.story(), ["start", "kill made"]);
    });
}

on_each_hub!(a_hub_is_left_with_the_one_instance_that_is_ready_or_with_none);
fn a_hub_is_left_with_the_one_instance_that_is_ready_or_with_none(host: HostClient) {
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
        // What was killed is gone in moments. The bound of this test is the bound for that.
        while running() > 0 {
            thread::yield_now();
        }

        let well = acts(json!([{ "emit": "ready", "data": "r" }]));
        let ready = sequence
            .start_with_retry(&well, &readiness(), &attempts(3))
            .unwrap();
        assert_eq!((ready.event.data, running()), (json!("r"), 1));
    });
}
