//! `wait_event` and its variants on 1.x, which loses the data of some events and hides others.

use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::types::{InstanceStatus, RunnerExit};
use scramjet_client_blocking::{ErrorKind, Event, InstanceClient};
use scramjet_client_tests::fixture::load;
use serde_json::{Value, json};

use crate::helpers::within;
use crate::scripted_hub::{Data, Route, ScriptedHub, terminated};

fn instance(hub: &ScriptedHub) -> InstanceClient {
    hub.host().instance("i").unwrap()
}

/// Starts to wait for the events `e` and `other`, and waits until all four routes are open.
fn waiting(hub: &ScriptedHub) -> thread::JoinHandle<Event> {
    let instance = instance(hub);
    let waiter = thread::spawn(move || instance.wait_any(["e", "other"]).unwrap());
    hub.wait_for_listeners(4);
    waiter
}

/// Pairs of emitted data and the data that a waiting call returns.
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
    // 1.x does not distinguish these from missing data.
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
fn wait_any_returns_the_data_whichever_route_is_faster() {
    for route in [Route::EventStream, Route::LastEvent] {
        for (emitted, returned) in rows() {
            let what = format!("{emitted:?} by {route:?}");
            within(&what.clone(), move || {
                let hub = ScriptedHub::v1_with_instance();
                let waiter = waiting(&hub);
                hub.emit_first_on(route, "e", emitted);
                let event = waiter.join().unwrap();
                assert_eq!((event.name.as_str(), event.data), ("e", returned), "{what}");
            });
        }
    }
}

/// 1.x takes `opStatus` as the status of its response, and removes it from the body.
#[test]
fn wait_any_returns_data_with_or_without_its_op_status() {
    within("waiting", || {
        for (route, other) in [
            (Route::EventStream, Route::LastEvent),
            (Route::LastEvent, Route::EventStream),
        ] {
            let hub = ScriptedHub::v1_with_instance();
            let waiter = waiting(&hub);
            let mut data = Value::Null;
            // Hold the other route until the call returns, because responses may be read in another
            // order.
            hub.hold(other, || {
                hub.emit("e", Some(json!({ "opStatus": "OK", "x": 1 })));
                data = waiter.join().unwrap().data;
            });
            assert!(
                data == json!({ "opStatus": "OK", "x": 1 })
                    || route == Route::LastEvent && data == json!({ "x": 1 }),
                "{data}"
            );
        }
    });
}

#[test]
fn wait_event_returns_an_earlier_event_unless_its_data_is_falsy() {
    let returned = [
        (json!("text"), json!("text")),
        (json!([1]), json!([1])),
        // The event is returned, but without its data.
        (json!(5), Value::Null),
        (json!(true), Value::Null),
        (json!({}), Value::Null),
        (
            json!({ "opStatus": "Not Found", "x": 1 }),
            json!({ "x": 1, "error": "Not Found" }),
        ),
        (json!({ "opStatus": "Bogus" }), Value::Null),
    ];
    let falsy = [
        Some(json!(0)),
        Some(json!(false)),
        Some(json!("")),
        Some(Value::Null),
        None,
    ];
    within("waiting", move || {
        for (emitted, returned) in returned {
            let hub = ScriptedHub::v1_with_instance();
            hub.emit("e", Some(emitted.clone()));
            assert_eq!(
                instance(&hub).wait_event("e").unwrap().data,
                returned,
                "{emitted}"
            );
        }
        for emitted in falsy {
            let hub = ScriptedHub::v1_with_instance();
            hub.emit("e", emitted.clone());
            let limit = Duration::from_millis(200);
            let error = instance(&hub)
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
fn wait_next_any_uses_only_the_event_stream() {
    within("waiting", || {
        let hub = ScriptedHub::v1_with_instance();
        hub.emit("e", Some(json!("old")));
        let instance = instance(&hub);
        let waiter = thread::spawn(move || instance.wait_next_any(["e", "other"]).unwrap());
        hub.wait_for_listeners(2);
        hub.emit("e", Some(json!(0)));
        let event = waiter.join().unwrap();
        assert_eq!((event.name.as_str(), event.data), ("e", Value::Null));
        assert!(
            !hub.requests()
                .iter()
                .any(|request| request.contains("/event/")),
            "{:?}",
            hub.requests()
        );
    });
}

#[test]
fn wait_any_returns_one_of_two_events_with_its_own_data() {
    within("waiting", || {
        let hub = ScriptedHub::v1_with_instance();
        let waiter = waiting(&hub);
        // Both responses are sent. The data `5` is only in the stream, which is held.
        hub.hold(Route::EventStream, || {
            hub.emit("e", Some(json!(5)));
            hub.wait_until_delivered(1);
            hub.emit("other", Some(json!("text")));
            hub.wait_until_delivered(2);
        });
        // The client may read either response first.
        let event = waiter.join().unwrap();
        let returned = (event.name.as_str(), event.data);
        assert!(
            returned == ("e", json!(5)) || returned == ("other", json!("text")),
            "{returned:?}"
        );
    });
}

/// The event routes stay open forever. The client learns of the end from the instance info.
#[test]
fn wait_any_and_wait_ended_report_how_the_instance_ended() {
    let recorded =
        |name: &str| serde_json::from_slice::<Value>(&load("1.0.1", name).response.body).unwrap();
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
            terminated("errored", 23, "Sequence failed during execution"),
            RunnerExit::FailedDuringExecution,
            "Sequence failed during execution",
            InstanceStatus::Errored,
        ),
        (
            terminated("errored", 213, "Runner failed"),
            RunnerExit::Other(213),
            "Runner failed (exit code 213)",
            InstanceStatus::Errored,
        ),
    ];
    for (mut info, exit, reason, status) in rows {
        within(reason, move || {
            let hub = ScriptedHub::v1_with_instance();
            let waiter = {
                let instance = instance(&hub);
                thread::spawn(move || {
                    (
                        instance.wait_any(["ready", "error"]).unwrap_err(),
                        instance.wait_ended().unwrap(),
                    )
                })
            };
            hub.wait_for_listeners(4);
            info["id"] = json!("i");
            hub.end(info);
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
fn wait_event_returns_when_the_hub_forgets_the_instance() {
    within("waiting", || {
        let hub = ScriptedHub::v1_with_instance();
        let waiter = {
            let instance = instance(&hub);
            thread::spawn(move || instance.wait_event("e").unwrap_err())
        };
        hub.wait_for_listeners(2);
        hub.forget();
        let error = waiter.join().unwrap();
        assert!(
            error.ended().is_some_and(|ended| ended.info.is_none()),
            "{error:?}"
        );
    });
}

/// Hubs change the status of an ended instance if it is stopped.
#[test]
fn wait_ended_accepts_an_ended_instance_with_the_status_stopping() {
    within("waiting", || {
        let hub = ScriptedHub::v1_with_instance();
        let mut info = terminated("stopping", 137, "Instance killed");
        info["ended"] = json!("2026-11-23T19:31:59.480Z");
        hub.end(info);
        let ended = instance(&hub).wait_ended().unwrap();
        assert_eq!(
            (ended.exit, ended.status),
            (Some(RunnerExit::Killed), Some(InstanceStatus::Stopping))
        );
    });
}

#[test]
fn wait_any_returns_an_event_emitted_right_before_the_end() {
    within("waiting", || {
        for data in [json!("text"), json!(5), json!(null)] {
            let hub = ScriptedHub::v1_with_instance();
            hub.emit_and_end("e", Some(data.clone()));
            assert_eq!(instance(&hub).wait_any(["e", "other"]).unwrap().data, data);
        }
    });
}

/// The hub finds the instance only after its info was requested, as when its runner connects late.
#[test]
fn wait_event_does_not_return_a_refusal_as_an_event() {
    within("waiting", || {
        let hub = ScriptedHub::v1_with_instance();
        let elsewhere = hub.host().instance("not-yet").unwrap();
        let error = elsewhere.wait_event("e").unwrap_err();
        assert!(error.ended().is_some(), "{error:?}");
        hub.hide("not-yet");
        let error = elsewhere.wait_event("e").unwrap_err();
        assert!(
            error.is_not_found() && error.api().unwrap().message == "Instance not-yet not found",
            "{error:?}"
        );
    });
}

#[test]
fn wait_any_limits_its_connections_and_polls_with_back_off() {
    within("waiting", || {
        for (version, each) in [("1.0.1", 2), ("0.18.7", 1)] {
            let hub = ScriptedHub::start(version, Vec::new());
            hub.add_instance();
            let (limit, begin) = (Duration::from_secs(3), Instant::now());
            let error = instance(&hub)
                .with_deadline(limit)
                .wait_any(["a", "b", "c"])
                .unwrap_err();
            assert!(error.is_timeout() && begin.elapsed() >= limit, "{error:?}");
            // One more for the version and the instance info.
            assert!(
                hub.connections() <= 3 * each + 1,
                "{version}: {}",
                hub.connections()
            );
            let polls = hub
                .requests()
                .iter()
                .filter(|request| *request == "GET instance/i")
                .count();
            assert!((2..=6).contains(&polls), "{version}: {:?}", hub.requests());
            assert_eq!(
                hub.requests().len(),
                polls + 1 + 3 * each,
                "{version}: {:?}",
                hub.requests()
            );
        }
    });
}

#[test]
fn wait_ended_polls_with_back_off_on_one_connection() {
    within("waiting", || {
        let hub = ScriptedHub::v1_with_instance();
        let error = instance(&hub)
            .with_deadline(Duration::from_secs(2))
            .wait_ended()
            .unwrap_err();
        assert!(
            error.is_timeout() && error.to_string().starts_with("get instance (GET "),
            "{error:?}"
        );
        assert!(
            (3..=8).contains(&hub.requests().len()) && hub.connections() == 1,
            "{:?}",
            hub.requests()
        );
    });
}
