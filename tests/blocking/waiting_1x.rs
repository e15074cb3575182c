//! Waiting for events on a hub of 1.x, which loses some values and hides others.

use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::types::{InstanceStatus, RunnerExit};
use scramjet_client_blocking::{ErrorKind, Event, InstanceClient};
use scramjet_client_tests::fixture::load;
use serde_json::{Value, json};

use crate::helpers::within;
use crate::model::{Data, Model, Way};

fn instance(model: &Model) -> InstanceClient {
    model.host().instance("i").unwrap()
}

/// Begins to wait for the event `e` and another; a second one listens for each.
fn waiting(model: &Model) -> thread::JoinHandle<Event> {
    let instance = instance(model);
    let waiter = thread::spawn(move || instance.wait_any(["e", "other"]).unwrap());
    model.wait_for_listeners(4);
    waiter
}

/// What is emitted, and what is heard of it by one who waits.
fn rows() -> Vec<(Data, Value)> {
    let same = [
        json!("text"),
        json!({ "a": 1 }),
        json!([]),
        json!([null]),
        json!(5),
        json!(-0.5),
        json!(true),
    ];
    let alike = [
        json!({ "eventName": "x", "message": "inner" }),
        json!({ "message": "inner" }),
        json!({ "error": "text" }),
        json!({ "opStatus": "Not Found", "x": 1 }),
        json!({ "opStatus": "Bogus", "x": 1 }),
        json!({ "opStatus": 7 }),
    ];
    // These are not told apart from nothing.
    let nothing = [json!(0), json!(false), json!(""), json!(null), json!({})];
    let same = same
        .into_iter()
        .chain(alike)
        .map(|data| (Some(data.clone()), data));
    same.chain(nothing.into_iter().map(|data| (Some(data), Value::Null)))
        .chain([(None, Value::Null)])
        .collect()
}

#[test]
fn an_event_that_fires_while_it_is_waited_for_comes_with_its_data_whichever_way_is_faster() {
    for way in [Way::Stream, Way::Answer] {
        for (emitted, heard) in rows() {
            let what = format!("{emitted:?} by {way:?}");
            within(&what.clone(), move || {
                let model = Model::of_1x();
                let waiter = waiting(&model);
                model.fire_first(way, "e", emitted);
                let event = waiter.join().unwrap();
                assert_eq!((event.name.as_str(), event.data), ("e", heard), "{what}");
            });
        }
    }
}

/// A hub takes the member for the status of its answer, and leaves it away there.
#[test]
fn an_event_with_a_status_of_success_comes_with_or_without_it() {
    within("waiting", || {
        for (way, other) in [(Way::Stream, Way::Answer), (Way::Answer, Way::Stream)] {
            let model = Model::of_1x();
            let waiter = waiting(&model);
            let mut data = Value::Null;
            // Until it was heard: what is sent first may be read last.
            model.hold_back(other, || {
                model.fire("e", Some(json!({ "opStatus": "OK", "x": 1 })));
                data = waiter.join().unwrap().data;
            });
            assert!(
                data == json!({ "opStatus": "OK", "x": 1 })
                    || way == Way::Answer && data == json!({ "x": 1 }),
                "{data}"
            );
        }
    });
}

#[test]
fn an_event_that_has_fired_is_heard_unless_its_data_was_as_good_as_none() {
    let heard = [
        (json!("text"), json!("text")),
        (json!([1]), json!([1])),
        // That it fired is told, and not with what.
        (json!(5), Value::Null),
        (json!(true), Value::Null),
        (json!({}), Value::Null),
        (
            json!({ "opStatus": "Not Found", "x": 1 }),
            json!({ "x": 1, "error": "Not Found" }),
        ),
        (json!({ "opStatus": "Bogus" }), Value::Null),
    ];
    let unheard = [
        Some(json!(0)),
        Some(json!(false)),
        Some(json!("")),
        Some(Value::Null),
        None,
    ];
    within("waiting", move || {
        for (emitted, heard) in heard {
            let model = Model::of_1x();
            model.fire("e", Some(emitted.clone()));
            assert_eq!(
                instance(&model).wait_event("e").unwrap().data,
                heard,
                "{emitted}"
            );
        }
        for emitted in unheard {
            let model = Model::of_1x();
            model.fire("e", emitted.clone());
            let limit = Duration::from_millis(200);
            let error = instance(&model)
                .with_deadline(limit)
                .wait_event("e")
                .unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Deadline { .. }),
                "{emitted:?}: {error:?}"
            );
        }
    });
}

#[test]
fn the_next_event_is_heard_alone() {
    within("waiting", || {
        let model = Model::of_1x();
        model.fire("e", Some(json!("old")));
        let instance = instance(&model);
        let waiter = thread::spawn(move || instance.wait_next_any(["e", "other"]).unwrap());
        model.wait_for_listeners(2);
        model.fire("e", Some(json!(0)));
        let event = waiter.join().unwrap();
        assert_eq!((event.name.as_str(), event.data), ("e", Value::Null));
        assert!(
            !model
                .requests()
                .iter()
                .any(|request| request.contains("/event/")),
            "{:?}",
            model.requests()
        );
    });
}

#[test]
fn one_of_two_events_at_once_is_heard_with_its_own_data() {
    within("waiting", || {
        let model = Model::of_1x();
        let waiter = waiting(&model);
        // Both are answered, and the number is in the stream alone, which comes afterwards.
        model.hold_back(Way::Stream, || {
            model.fire("e", Some(json!(5)));
            model.wait_until_delivered(1);
            model.fire("other", Some(json!("text")));
            model.wait_until_delivered(2);
        });
        // Which of the two answers is read first is for the machine to decide.
        let event = waiter.join().unwrap();
        let heard = (event.name.as_str(), event.data);
        assert!(
            heard == ("e", json!(5)) || heard == ("other", json!("text")),
            "{heard:?}"
        );
    });
}

/// The routes of events stay open for ever: it is the info that tells.
#[test]
fn waiting_ends_with_the_instance_and_tells_how() {
    let recorded =
        |name: &str| serde_json::from_slice::<Value>(&load("1.0.1", name).response.body).unwrap();
    let failed = |exitcode: i64, reason: &str| json!({ "status": "errored", "terminated": { "exitcode": exitcode, "reason": reason } });
    let rows = [
        (
            recorded("instance-info-completed"),
            RunnerExit::Completed,
            "Instance completed",
            InstanceStatus::Completed,
        ),
        (
            recorded("instance-info-killed"),
            RunnerExit::Killed,
            "Instance killed",
            InstanceStatus::Completed,
        ),
        (
            recorded("instance-info-stopped"),
            RunnerExit::Stopped,
            "Instance stopped",
            InstanceStatus::Completed,
        ),
        (
            recorded("instance-info-failed-at-load"),
            RunnerExit::FailedOnStart,
            "Sequence failed on start",
            InstanceStatus::Errored,
        ),
        (
            failed(23, "Sequence failed during execution"),
            RunnerExit::FailedDuringExecution,
            "Sequence failed during execution",
            InstanceStatus::Errored,
        ),
        (
            failed(213, "Runner failed"),
            RunnerExit::Other(213),
            "Runner failed (exit code 213)",
            InstanceStatus::Errored,
        ),
    ];
    for (mut info, exit, reason, status) in rows {
        within(reason, move || {
            let model = Model::of_1x();
            let waiter = {
                let instance = instance(&model);
                thread::spawn(move || {
                    (
                        instance.wait_any(["ready", "error"]).unwrap_err(),
                        instance.wait_ended().unwrap(),
                    )
                })
            };
            model.wait_for_listeners(4);
            info["id"] = json!("i");
            model.end(info);
            let (error, waited) = waiter.join().unwrap();
            let ended = error.ended().unwrap();
            assert_eq!(
                (ended.exit, ended.status.as_ref()),
                (Some(exit), Some(&status))
            );
            assert_eq!((waited.exit, &waited.reason), (ended.exit, &ended.reason));
            let says = format!("/event/ready): the instance has ended: {reason}");
            assert!(error.to_string().ends_with(&says), "{error}");
            assert_eq!(
                ended.is_success(),
                Some(status == InstanceStatus::Completed)
            );
            assert!(ended.info.is_some());
        });
    }
}

#[test]
fn waiting_ends_where_the_instance_is_forgotten_or_told_to_stop_after_its_end() {
    within("waiting", || {
        let model = Model::of_1x();
        let waiter = {
            let instance = instance(&model);
            thread::spawn(move || instance.wait_event("e").unwrap_err())
        };
        model.wait_for_listeners(2);
        model.forget();
        let error = waiter.join().unwrap();
        assert!(
            error.ended().is_some_and(|ended| ended.info.is_none()),
            "{error:?}"
        );

        // A hub sets the status of an ended instance back when it is stopped.
        let model = Model::of_1x();
        let terminated = json!({ "exitcode": 137, "reason": "Instance killed" });
        model.end(json!({ "ended": "2026-11-23T19:31:59.480Z", "status": "stopping", "terminated": terminated }));
        let ended = instance(&model).wait_ended().unwrap();
        assert_eq!(
            (ended.exit, ended.status),
            (Some(RunnerExit::Killed), Some(InstanceStatus::Stopping))
        );
    });
}

#[test]
fn what_was_emitted_right_before_the_end_is_heard() {
    within("waiting", || {
        for data in [json!("text"), json!(5), json!(null)] {
            let model = Model::of_1x();
            model.end_with("e", Some(data.clone()));
            assert_eq!(
                instance(&model).wait_any(["e", "other"]).unwrap().data,
                data
            );
        }
    });
}

/// An instance that is not known yet, and is a moment later: its runner has connected in between.
#[test]
fn a_refusal_is_not_taken_for_an_event() {
    within("waiting", || {
        let model = Model::of_1x();
        let elsewhere = model.host().instance("not-yet").unwrap();
        let error = elsewhere.wait_event("e").unwrap_err();
        assert!(error.ended().is_some(), "{error:?}");
        model.know_later("not-yet");
        let error = elsewhere.wait_event("e").unwrap_err();
        assert!(
            error.is_not_found() && error.api().unwrap().message == "Instance not-yet not found",
            "{error:?}"
        );
    });
}

#[test]
fn a_wait_takes_two_connections_for_each_name_and_asks_for_the_instance_ever_less_often() {
    within("waiting", || {
        for (version, each) in [("1.0.1", 2), ("0.18.7", 1)] {
            let model = Model::start(version, Vec::new());
            model.add_instance();
            let (limit, begin) = (Duration::from_secs(3), Instant::now());
            let error = instance(&model)
                .with_deadline(limit)
                .wait_any(["a", "b", "c"])
                .unwrap_err();
            assert!(error.is_timeout() && begin.elapsed() >= limit, "{error:?}");
            // And one for the version and the state of the instance.
            assert!(
                model.connections() <= 3 * each + 1,
                "{version}: {}",
                model.connections()
            );
            let asked = model
                .requests()
                .iter()
                .filter(|request| *request == "GET instance/i")
                .count();
            assert!(
                (2..=6).contains(&asked),
                "{version}: {:?}",
                model.requests()
            );
            assert_eq!(
                model.requests().len(),
                asked + 1 + 3 * each,
                "{version}: {:?}",
                model.requests()
            );
        }
        let model = Model::of_1x();
        let error = instance(&model)
            .with_deadline(Duration::from_secs(2))
            .wait_ended()
            .unwrap_err();
        assert!(
            error.is_timeout() && error.to_string().starts_with("get instance (GET "),
            "{error:?}"
        );
        assert!(
            (3..=8).contains(&model.requests().len()) && model.connections() == 1,
            "{:?}",
            model.requests()
        );
    });
}
