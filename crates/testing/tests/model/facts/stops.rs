//! Section 5.8: stops.

use scramjet_client_testing::model::{Generation, Message, Output, Step};
use serde_json::{Value, json};

use super::{BOTH, RunningInstance, V0_18, V1, line, pick, seconds, staying};
use crate::driver::PendingRequest;

/// Sends a stop in the format of the generation.
fn stop(hub: &mut RunningInstance, timeout: f64, can_keep_alive: bool) -> PendingRequest {
    let data = json!({ "timeout": timeout, "canCallKeepalive": can_keep_alive });
    let generation = hub.driver.hub.generation();
    let body = pick(generation, json!([4001, data]), data.clone());
    hub.post("_stop", &[crate::driver::JSON], body.to_string().as_bytes())
}

fn kept_alive(generation: Generation) -> RunningInstance {
    RunningInstance::new(
        generation,
        vec![Step::Write(Output::Output, "up\n"), Step::KeepAlive],
    )
}

#[test]
fn a_stop_is_answered_after_its_timeout_and_the_process_killed_then() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let mut output = hub.open("output");
        let mut open = stop(&mut hub, 700.0, false);
        assert_eq!(
            hub.driver.until_ended(&mut open, seconds(5.0)),
            Some(seconds(0.7))
        );
        let status = pick(generation, 200, 202);
        assert_eq!(open.response.status(), status);
        assert!(!output.response.ended);
        match generation {
            V1 => assert_eq!(open.response.json()["status"], "stopping"),
            _ => assert_eq!(open.response.json(), json!({ "opStatus": "OK" })),
        }
        assert!(hub.driver.until_ended(&mut output, seconds(1.0)).is_some());
        hub.driver.wait(seconds(1.0));
        let stopped = json!({ "exitcode": 138, "reason": "Instance stopped" });
        match generation {
            V1 => assert_eq!(hub.info()["terminated"], stopped),
            _ => assert_eq!(hub.info()["httpStatus"], 404),
        }
    }
}

#[test]
fn a_stop_without_a_timeout_ends_at_once() {
    for generation in BOTH {
        for timeout in [0.0, -5.0] {
            // Without time, a sequence cannot call `keepAlive`.
            let mut hub = kept_alive(generation);
            let mut open = stop(&mut hub, timeout, true);
            let took = hub.driver.until_ended(&mut open, seconds(5.0));
            assert_eq!(took, Some(seconds(0.0)));
            hub.driver.wait(seconds(1.0));
            assert!(hub.driver.hub.running().is_empty());
        }
    }
}

#[test]
fn the_default_timeout_of_1_x_is_7_seconds() {
    for body in [
        "",
        "{}",
        "[4001,{\"timeout\":50,\"canCallKeepalive\":true}]",
    ] {
        let mut hub = RunningInstance::new(V1, staying());
        let mut open = hub.post("_stop", &[crate::driver::JSON], body.as_bytes());
        let took = hub.driver.until_ended(&mut open, seconds(10.0));
        assert_eq!(took, Some(seconds(7.0)), "{body}");
        assert_eq!(open.response.status(), 202);
    }
}

#[test]
fn wrong_bodies_of_a_stop_are_refused() {
    let bad = |text: &str| {
        let error = json!({ "error": text });
        format!("400 Bad Request; application/json; {error}")
    };
    for (body, text) in [
        ("{\"timeout\":\"1\"}", "Invalid timeout format"),
        ("{\"timeout\":null}", "Invalid timeout format"),
        (
            "{\"canCallKeepalive\":\"x\"}",
            "Invalid canCallKeepalive format",
        ),
        (
            "{\"canCallKeepalive\":null}",
            "Invalid canCallKeepalive format",
        ),
    ] {
        let mut hub = RunningInstance::new(V1, staying());
        assert_eq!(line(&hub.operation("_stop", body)), bad(text), "{body}");
        assert_eq!(hub.info()["status"], "running");
    }
    let spread = "Spread syntax requires ...iterable[Symbol.iterator] to be a function";
    for (body, text) in [
        ("{\"timeout\":700}", spread),
        ("5", spread),
        (
            "null",
            "message is not iterable (cannot read property null)",
        ),
        (
            "",
            "message is not iterable (cannot read property undefined)",
        ),
        (
            "[4001]",
            "Cannot read properties of undefined (reading 'timeout')",
        ),
    ] {
        let mut hub = RunningInstance::new(V0_18, staying());
        let expected = format!("500 Internal Server Error; length; {text}");
        assert_eq!(line(&hub.operation("_stop", body)), expected, "{body}");
    }
    // 0.18 does not check the members.
    let mut hub = RunningInstance::new(V0_18, staying());
    let answer = hub.operation("_stop", "[4001,{\"canCallKeepalive\":5}]");
    assert_eq!(answer.status(), 200);
}

#[test]
fn keep_alive_keeps_an_instance_of_1_x_with_the_status_stopping() {
    let mut hub = kept_alive(V1);
    let mut open = stop(&mut hub, 300.0, true);
    hub.driver.until_ended(&mut open, seconds(5.0)).unwrap();
    hub.driver.wait(seconds(60.0));
    assert_eq!(hub.info()["status"], "stopping");
    assert_eq!(hub.operation("_kill", "{}").status(), 400);
    // Another stop ends it.
    let mut open = stop(&mut hub, 300.0, false);
    hub.driver.until_ended(&mut open, seconds(5.0)).unwrap();
    hub.driver.wait(seconds(1.0));
    assert_eq!(hub.info()["terminated"]["exitcode"], 138);
}

#[test]
fn keep_alive_keeps_an_instance_of_0_18_for_11_seconds() {
    for can_keep_alive in [true, false] {
        let mut hub = kept_alive(V0_18);
        let mut output = hub.open("output");
        let mut open = stop(&mut hub, 300.0, can_keep_alive);
        hub.driver.until_ended(&mut open, seconds(5.0)).unwrap();
        let took = hub.driver.until_ended(&mut output, seconds(60.0)).unwrap();
        assert!(took > seconds(10.0) && took < seconds(11.0), "{took:?}");
    }
    // A longer timeout only delays the answer.
    let mut hub = RunningInstance::new(V0_18, staying());
    let mut output = hub.open("output");
    let mut open = stop(&mut hub, 20_000.0, false);
    let took = hub.driver.until_ended(&mut output, seconds(60.0)).unwrap();
    assert!(took > seconds(11.0) && took < seconds(12.0), "{took:?}");
    assert!(hub.driver.until_ended(&mut open, seconds(60.0)).is_some());
    assert_eq!(open.response.json(), json!({ "opStatus": "OK" }));
}

#[test]
fn a_hung_instance_outlives_its_stop() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![Step::Hang]);
        let mut open = stop(&mut hub, 300.0, false);
        hub.driver.until_ended(&mut open, seconds(5.0)).unwrap();
        hub.driver.wait(seconds(300.0));
        assert_eq!(hub.driver.hub.running().len(), 1);
        match generation {
            V1 => assert_eq!(hub.info()["status"], "stopping"),
            _ => assert_eq!(hub.info()["httpStatus"], Value::Null),
        }
    }
}

#[test]
fn a_stop_of_an_ended_instance_sets_its_status_back_on_1_x() {
    let mut hub = RunningInstance::new(V1, staying());
    hub.operation("_kill", "{}");
    hub.driver.wait(seconds(1.0));
    let before = hub.info();
    let answer = hub.operation("_stop", "{\"timeout\":50}");
    assert_eq!(answer.status(), 202);
    let mut expected = before;
    expected["status"] = "stopping".into();
    assert_eq!(answer.json(), expected);
    assert_eq!(hub.info(), expected);
    assert_eq!(hub.info()["terminated"]["exitcode"], 137);
}

#[test]
fn a_program_receives_a_stop() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![Step::Wait(seconds(1000.0))]);
        hub.driver.hub.program("steps", silent());
        hub.id = hub.driver.start();
        stop(&mut hub, 500.0, true);
        let message = hub.act(|process| process.receive());
        let (timeout, can_keep_alive) = (seconds(0.5), true);
        assert_eq!(
            message,
            Some(Message::Stop {
                timeout,
                can_keep_alive
            })
        );
    }
}

#[test]
fn a_stop_that_outlasts_its_instance_is_not_modeled() {
    let mut hub = RunningInstance::new(V1, staying());
    hub.operation("_kill", "{\"removeImmediately\":true}");
    hub.driver.wait(seconds(1.0));
    let mut open = stop(&mut hub, 60_000.0, false);
    hub.driver.until_ended(&mut open, seconds(100.0)).unwrap();
    assert_eq!(open.response.status(), 501);
}

/// Returns a program that ignores its messages.
fn silent() -> scramjet_client_testing::model::ProgramSpec {
    let program = |process: &mut super::ProcessContext<'_>| process.begin();
    scramjet_client_testing::model::ProgramSpec::new(move || Box::new(program))
}
