//! Sections 9.2 and 12: the ends of instances.

use std::time::Duration;

use scramjet_client_testing::model::{Exit, Generation, Output, Step};
use serde_json::{Value, json};

use super::{BOTH, KEEP_OPEN, RunningInstance, V0_18, V1, line, pick, seconds, staying};
use crate::driver::{JSON, TEXT};

/// Returns a program that ends after a second.
fn later(exit: Exit) -> Vec<Step> {
    let up = Step::Write(Output::Output, "up\n");
    vec![up, Step::Wait(seconds(1.0)), Step::Exit(exit)]
}

/// Returns the time at which each stream ends.
fn ends(hub: &mut RunningInstance, streams: [&str; 3]) -> [Option<Duration>; 3] {
    let begin = hub.driver.hub.now();
    let mut opens = streams.map(|stream| hub.open(stream));
    opens.each_mut().map(|open| {
        hub.driver.until_ended(open, seconds(400.0))?;
        Some(hub.driver.hub.now() - begin)
    })
}

/// Returns `true` if a time differs from a measured one by less than a second.
fn about(time: Option<Duration>, expected: f64) -> bool {
    time.is_some_and(|time| (time.as_secs_f64() - expected).abs() < 1.0)
}

const STREAMS: [&str; 3] = ["output", "stdout", "stderr"];

#[test]
fn a_completed_sequence_ends_output_at_once_and_the_rest_after_10_s() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, later(Exit::Completed));
        let [output, stdout, stderr] = ends(&mut hub, STREAMS);
        assert!(about(output, 1.0), "{output:?}");
        assert!(about(stdout, 11.0) && about(stderr, 11.0), "{stdout:?}");
    }
    let mut hub = RunningInstance::new(V1, later(Exit::Completed));
    hub.driver.wait(seconds(9.0));
    assert_eq!(hub.info()["status"], "running");
    hub.driver.wait(seconds(3.0));
    assert_eq!(hub.info()["status"], "completed");
    assert!(hub.info()["ended"].is_string());
}

#[test]
fn an_uncaught_exception_leaves_the_streams_of_1_x_open_for_195_seconds() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, later(Exit::Uncaught));
        let [output, stdout, stderr] = ends(&mut hub, STREAMS);
        let expected = pick(generation, 1.0, 1.0 + 15.0 + 180.0);
        assert!(about(output, expected), "{output:?}");
        assert!(
            about(stdout, expected) && about(stderr, expected),
            "{stdout:?}"
        );
    }
    let mut hub = RunningInstance::new(V1, later(Exit::Uncaught));
    let mut output = hub.open("output");
    hub.driver.wait(seconds(2.0));
    let info = hub.info();
    assert_eq!(info["status"], "errored");
    assert_eq!(
        info["terminated"],
        json!({ "exitcode": 101, "reason": "Runner failed" })
    );
    assert!(info["ended"].is_string());
    // No data comes until then.
    hub.driver.wait(seconds(190.0));
    hub.driver.read(&mut output);
    assert_eq!(
        (output.response.text().as_str(), output.response.ended),
        ("up\n", false)
    );
    assert_eq!(hub.info()["status"], "errored");
    hub.driver.wait(seconds(10.0));
    hub.driver.read(&mut output);
    assert!(output.response.ended);
    assert_eq!(hub.info()["httpStatus"], 404);
}

/// Returns programs that end in different ways, and the info of 1.x afterwards.
fn deaths() -> Vec<(&'static str, Vec<Step>, Value)> {
    let reason = |code: i32, reason: &str| json!({ "exitcode": code, "reason": reason });
    let failed = |code| reason(code, "Runner failed");
    vec![
        (
            "completed",
            later(Exit::Completed),
            reason(-1, "Instance completed"),
        ),
        ("errored", later(Exit::Uncaught), failed(101)),
        ("errored", later(Exit::Process(3)), failed(213)),
        (
            "errored",
            later(Exit::FailedToLoad),
            reason(22, "Sequence failed on start"),
        ),
        (
            "errored",
            later(Exit::Threw),
            reason(23, "Sequence failed during execution"),
        ),
    ]
}

#[test]
fn the_info_of_1_x_shows_how_an_instance_ended() {
    for (status, steps, terminated) in deaths() {
        let mut hub = RunningInstance::new(V1, steps);
        hub.driver.wait(seconds(13.0));
        let info = hub.info();
        assert_eq!(
            (&info["status"], &info["terminated"]),
            (&json!(status), &terminated)
        );
    }
    let mut hub = RunningInstance::new(V1, staying());
    let key = hub.key();
    hub.driver.hub.crash(key);
    hub.driver.wait(seconds(1.0));
    assert_eq!(hub.info()["terminated"]["exitcode"], 213);
}

#[test]
fn an_instance_of_0_18_is_forgotten_with_its_process() {
    for (_, steps, _) in deaths() {
        let mut hub = RunningInstance::new(V0_18, steps);
        hub.driver.wait(seconds(12.0));
        assert_eq!(hub.info()["httpStatus"], 404);
        assert_eq!(hub.driver.get("instances").json(), json!([]));
    }
}

/// Sends input to an instance that has ended.
fn late_input(generation: Generation, steps: Vec<Step>, end: fn(&mut RunningInstance)) -> String {
    let mut hub = RunningInstance::new(generation, steps);
    end(&mut hub);
    hub.driver.wait(seconds(2.0));
    let mut open = hub.post("input", &[TEXT], b"late");
    match hub.driver.until_ended(&mut open, seconds(100.0)) {
        Some(_) => line(&open.response),
        None => format!("{} without an end", line(&open.response)),
    }
}

#[test]
fn late_input_depends_on_the_end_of_the_process_on_1_x_and_is_404_on_0_18() {
    let never = "200 OK without an end";
    let nothing: fn(&mut RunningInstance) = |_| {};
    let kill: fn(&mut RunningInstance) = |hub| drop(hub.operation("_kill", "{}"));
    let stop: fn(&mut RunningInstance) = |hub| {
        let body = pick(
            hub.driver.hub.generation(),
            "[4001,{\"timeout\":1}]",
            "{\"timeout\":1}",
        );
        hub.operation("_stop", body);
    };
    let crash: fn(&mut RunningInstance) = |hub| {
        let key = hub.key();
        hub.driver.hub.crash(key);
    };
    for (way, steps, end, v1) in [
        (
            "uncaught exception",
            later(Exit::Uncaught),
            nothing,
            "200 OK",
        ),
        ("process.exit", later(Exit::Process(3)), nothing, never),
        ("killed", staying(), kill, never),
        ("stopped", staying(), stop, never),
        ("killed from outside", staying(), crash, never),
    ] {
        assert_eq!(late_input(V1, steps.clone(), end), v1, "{way}");
        assert_eq!(
            late_input(V0_18, steps, end),
            "404 Not Found; length",
            "{way}"
        );
    }
    // Input is accepted in the 10 s after the completion.
    for generation in BOTH {
        assert_eq!(
            late_input(generation, later(Exit::Completed), nothing),
            "200 OK"
        );
    }
}

#[test]
fn input_after_its_end_is_never_answered_after_an_uncaught_exception() {
    let mut hub = RunningInstance::new(V1, later(Exit::Uncaught));
    hub.driver.wait(seconds(2.0));
    assert!(hub.post("input", &[TEXT, KEEP_OPEN], b"a").response.ended);
    assert!(hub.post("input", &[TEXT], b"b").response.ended);
    let mut open = hub.post("input", &[TEXT], b"c");
    assert_eq!(hub.driver.until_ended(&mut open, seconds(100.0)), None);
}

#[test]
fn an_upload_to_an_instance_that_is_killed_is_not_answered() {
    let mut hub = RunningInstance::new(V1, staying());
    let path = hub.path("input");
    let mut open = hub.driver.begin("POST", &path, &[TEXT]);
    hub.operation("_kill", "{}");
    hub.driver.wait(seconds(1.0));
    hub.driver.end_upload(&open);
    assert_eq!(hub.driver.until_ended(&mut open, seconds(100.0)), None);
}

#[test]
fn a_killed_instance_of_1_x_stays_listed_for_195_seconds_or_15() {
    for (body, listed) in [("{}", 195.0), ("{\"removeImmediately\":true}", 15.0)] {
        let mut hub = RunningInstance::new(V1, staying());
        let mut output = hub.open("output");
        hub.operation("_kill", body);
        assert!(about(
            hub.driver.until_ended(&mut output, seconds(9.0)),
            0.2
        ));
        hub.driver.wait(seconds(1.0));
        let killed = json!({ "exitcode": 137, "reason": "Instance killed" });
        assert_eq!(hub.info()["status"], "completed");
        assert_eq!(hub.info()["terminated"], killed);
        hub.driver.wait(seconds(listed - 3.0));
        assert_eq!(hub.get("").status(), 200, "{body}");
        hub.driver.wait(seconds(3.0));
        assert_eq!(hub.get("").status(), 404, "{body}");
    }
}

#[test]
fn a_plain_deletion_is_refused_for_15_seconds_and_then_succeeds() {
    let mut hub = RunningInstance::new(V1, staying());
    hub.operation("_kill", "{}");
    hub.driver.wait(seconds(15.0));
    assert_eq!(hub.delete_sequence(&[JSON]).response.status(), 409);
    hub.driver.wait(seconds(1.0));
    assert_eq!(hub.get("").status(), 200);
    assert_eq!(hub.delete_sequence(&[JSON]).response.status(), 200);
    // The instance is still listed.
    assert_eq!(hub.get("").status(), 200);
    assert_eq!(
        hub.driver.get("instances").json().as_array().unwrap().len(),
        1
    );
}

const FORCED: [(&str, &str); 2] = [JSON, ("x-seq-kill-inst", "true")];

#[test]
fn a_forced_deletion_takes_16_seconds() {
    let mut hub = RunningInstance::new(V1, staying());
    let mut output = hub.open("output");
    let mut open = hub.delete_sequence(&FORCED);
    assert_eq!(hub.info()["status"], "killing");
    assert!(about(
        hub.driver.until_ended(&mut output, seconds(9.0)),
        0.2
    ));
    assert!(about(
        hub.driver.until_ended(&mut open, seconds(60.0)),
        15.5
    ));
    assert_eq!(open.response.status(), 200);
    assert_eq!(hub.get("").status(), 404);
}

#[test]
fn a_forced_deletion_completes_after_its_connection_was_closed() {
    let mut hub = RunningInstance::new(V1, staying());
    let open = hub.delete_sequence(&FORCED);
    hub.driver.disconnect(&open);
    hub.driver.wait(seconds(14.0));
    assert!(!hub.driver.hub.sequences().is_empty());
    hub.driver.wait(seconds(2.0));
    assert!(hub.driver.hub.sequences().is_empty());
    assert_eq!(hub.get("").status(), 404);
}

#[test]
fn a_forced_deletion_right_after_a_kill_takes_195_seconds() {
    let mut hub = RunningInstance::new(V1, staying());
    hub.operation("_kill", "{}");
    let mut open = hub.delete_sequence(&FORCED);
    hub.driver.wait(seconds(1.0));
    let info = hub.info();
    assert_eq!(info["status"], "errored");
    assert_eq!(
        info["terminated"],
        json!({ "exitcode": 213, "reason": "Runner failed" })
    );
    assert!(about(
        hub.driver.until_ended(&mut open, seconds(400.0)),
        194.5
    ));
    assert_eq!(open.response.status(), 200);
}

#[test]
fn a_forced_deletion_that_no_instance_blocks_is_answered_at_once() {
    let mut hub = RunningInstance::new(V1, staying());
    hub.operation("_kill", "{}");
    hub.driver.wait(seconds(100.0));
    let open = hub.delete_sequence(&FORCED);
    assert_eq!(open.response.status(), 200);
    assert_eq!(hub.get("").status(), 200);
}

#[test]
fn restart_keeps_nothing_but_sequences() {
    for generation in BOTH {
        for kept in [true, false] {
            let mut hub = RunningInstance::new(generation, staying());
            let mut output = hub.open("output");
            hub.driver.hub.restart(kept);
            hub.driver.read(&mut output);
            assert!(output.response.cut && !output.response.ended);
            assert_eq!(hub.get("").status(), 404);
            assert_eq!(hub.driver.hub.sequences().len(), usize::from(kept));
            assert!(hub.driver.hub.running().is_empty());
        }
    }
}

#[test]
fn an_upload_that_outlives_its_instance_stalls_and_is_closed_on_0_18() {
    for (generation, is_cut) in [(V0_18, true), (V1, false)] {
        let mut hub = RunningInstance::new(generation, staying());
        let path = hub.path("input");
        let mut open = hub.driver.begin("POST", &path, &[TEXT]);
        hub.operation("_kill", "{\"removeImmediately\":true}");
        hub.driver.wait(seconds(20.0));
        hub.driver.read(&mut open);
        assert_eq!(open.response.cut, is_cut, "{generation:?}");
        if !is_cut {
            assert_eq!(hub.driver.upload(&open, b"more"), 0);
        }
    }
}
