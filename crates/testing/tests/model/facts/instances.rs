//! Sections 5.1 to 5.3, 5.9 and 5.10: infos, health, kills, monitoring rate.

use scramjet_client_testing::model::{ProgramSpec, Step, Steps};
use serde_json::{Value, json};

use super::{BOTH, RunningInstance, V0_18, V1, line, pick, seconds, staying};
use crate::driver::{Driver, JSON, SEQUENCE};

fn not_running() -> String {
    let error = json!({ "error": "Instance not running" });
    format!("400 Bad Request; application/json; {error}")
}

#[test]
fn an_instance_is_starting_for_a_moment_on_1_x() {
    let mut driver = Driver::with_steps(V1, staying());
    let path = format!("sequence/{SEQUENCE}/start");
    let mut open = driver.send("POST", &path, &[JSON], b"{}");
    driver.until_ended(&mut open, seconds(5.0)).unwrap();
    let id = open.response.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(driver.info(&id)["status"], "starting");
    let kill = format!("instance/{id}/_kill");
    assert_eq!(
        line(&driver.call("POST", &kill, &[JSON], b"")),
        not_running()
    );
    driver.wait_millis(100);
    assert_eq!(driver.info(&id)["status"], "running");
    assert_eq!(driver.call("POST", &kill, &[JSON], b"").status(), 202);
}

#[test]
fn an_info_has_the_members_of_its_generation() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let info = hub.info();
        let names: Vec<_> = info.as_object().unwrap().keys().collect();
        let v0_18: &[&str] = &["created", "id", "sequence", "started"];
        let v1: &[&str] = &["created", "id", "provides", "sequence", "started", "status"];
        assert_eq!(names, pick(generation, v0_18, v1));
        let created = info["created"].as_str().unwrap();
        assert!(created.len() == 24 && created.ends_with('Z'), "{created}");
        let sequence = hub.driver.get(&format!("sequence/{SEQUENCE}")).json();
        let (id, config) = (SEQUENCE, &sequence["config"]);
        let v1 = json!({ "id": id, "config": config, "location": "STH" });
        assert_eq!(info["sequence"], pick(generation, json!(id), v1));
    }
}

#[test]
fn provides_and_requires_appear_as_the_program_starts() {
    // The function does not return, so only the input is known.
    let mut waits = RunningInstance::new(V1, vec![]);
    assert_eq!(waits.info()["requires"], "");
    assert_eq!(waits.info()["provides"], Value::Null);
    // The function has returned an output.
    let mut returned = RunningInstance::new(V1, vec![Step::Write(super::Output::Output, "")]);
    assert_eq!(returned.info()["requires"], Value::Null);
    assert_eq!(returned.info()["provides"], "");
}

#[test]
fn health_waits_for_the_first_report_and_stays() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let mut open = hub.open("health");
        assert_eq!(line(&open.response), "nothing");
        assert!(hub.driver.until_ended(&mut open, seconds(1.0)).is_some());
        assert_eq!(open.response.json()["healthy"], true);
        // No real process has this id.
        let process = open.response.json()["processId"].as_u64().unwrap();
        assert!(process > 1 << 22 && i32::try_from(process).is_ok());
        hub.operation("_kill", "{}");
        hub.driver.wait(seconds(2.0));
        assert_eq!(hub.get("health").status(), pick(generation, 404, 200));
    }
}

#[test]
fn a_hung_instance_stays_healthy() {
    for generation in BOTH {
        let hang = [Step::Wait(seconds(2.0)), Step::Hang];
        let mut hub = RunningInstance::new(generation, hang.into());
        hub.driver.wait(seconds(5.0));
        assert_eq!(hub.get("health").json()["healthy"], true);
        let mut hub = RunningInstance::new(generation, vec![Step::Hang]);
        let mut open = hub.open("health");
        assert_eq!(hub.driver.until_ended(&mut open, seconds(100.0)), None);
    }
}

#[test]
fn a_kill_is_answered_at_once() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let before = hub.info();
        let answer = hub.post("_kill", &[JSON], b"{}").response;
        assert_eq!(answer.status(), 202);
        let mut killing = before;
        killing["status"] = "killing".into();
        let body = pick(generation, json!({ "opStatus": "Accepted" }), killing);
        assert_eq!(answer.json(), body);
        hub.driver.wait(seconds(1.0));
        assert!(hub.driver.hub.running().is_empty());
    }
}

#[test]
fn a_second_kill_is_refused_on_1_x() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![Step::Hang]);
        hub.operation("_kill", "{}");
        let answer = hub.operation("_kill", "{}");
        let v0_18 = "202 Accepted; application/json; {\"opStatus\":\"Accepted\"}";
        assert_eq!(line(&answer), pick(generation, v0_18, &not_running()));
    }
}

#[test]
fn a_kill_of_an_ended_instance_is_refused() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        hub.operation("_kill", "{}");
        hub.driver.wait(seconds(1.0));
        let answer = hub.operation("_kill", "{}");
        assert_eq!(
            line(&answer),
            pick(generation, "404 Not Found; length", &not_running())
        );
    }
}

#[test]
fn the_body_of_a_kill_is_checked_on_1_x() {
    let error = json!({ "error": "Invalid removeImmediately format" });
    let invalid = format!("400 Bad Request; application/json; {error}");
    let null = "500 Internal Server Error; length; Cannot read properties of null (reading \
                'removeImmediately')";
    for (body, expected) in [
        ("{\"removeImmediately\":\"x\"}", invalid.as_str()),
        ("{\"removeImmediately\":null}", invalid.as_str()),
        ("{\"removeImmediately\":0}", invalid.as_str()),
        ("null", null),
        ("[]", ""),
        ("5", ""),
        ("{}", ""),
        ("", ""),
    ] {
        for generation in BOTH {
            let mut hub = RunningInstance::new(generation, staying());
            let answer = hub.operation("_kill", body);
            if generation == V0_18 || expected.is_empty() {
                assert_eq!(answer.status(), 202, "{body}");
            } else {
                assert_eq!(line(&answer), expected, "{body}");
                // The body is checked before the status.
                hub.operation("_kill", "{}");
                assert_eq!(line(&hub.operation("_kill", body)), expected, "{body}");
            }
        }
    }
}

#[test]
fn a_hung_process_is_removed_by_force() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![Step::Hang]);
        let mut output = hub.open("output");
        hub.operation("_kill", "{}");
        let input = hub.post("input", &[super::NDJSON, super::KEEP_OPEN], b"1\n");
        assert_eq!((input.response.status(), input.response.ended), (202, true));
        let took = hub.driver.until_ended(&mut output, seconds(60.0));
        assert_eq!(took, Some(seconds(pick(generation, 11.0, 15.0))));
        hub.driver.wait(seconds(1.0));
        let info = hub.info();
        let forced = json!({ "exitcode": 213, "reason": "Runner failed" });
        match generation {
            V1 => assert_eq!(
                (&info["status"], &info["terminated"]),
                (&json!("errored"), &forced)
            ),
            _ => assert_eq!(info["httpStatus"], 404),
        }
    }
}

#[test]
fn the_rate_of_reports_is_a_number() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let rate = |rate: &str| format!("[4003,{{\"monitoringRate\":{rate}}}]");
        for good in ["2", "0", "0.5", "\"5\"", "null"] {
            let answer = hub.operation("_monitoring_rate", &rate(good));
            let expected = "202 Accepted; application/json; {\"accepted\":true}";
            assert_eq!(line(&answer), expected, "{good}");
        }
        let bad = |text: &str| format!("500 Internal Server Error; length; {text}");
        let cannot = |of: &str, name: &str| {
            bad(&format!(
                "Cannot read properties of {of} (reading '{name}')"
            ))
        };
        for (body, expected) in [
            (rate("\"x\"").as_str(), bad("Bad message of type 4003")),
            (&rate("-1"), bad("Bad message of type 4003")),
            ("[4003,{}]", bad("Bad message of type 4003")),
            ("[4003]", cannot("undefined", "monitoringRate")),
            ("{}", cannot("undefined", "monitoringRate")),
            ("null", cannot("null", "1")),
            ("", cannot("undefined", "1")),
        ] {
            assert_eq!(
                line(&hub.operation("_monitoring_rate", body)),
                expected,
                "{body}"
            );
        }
    }
}

#[test]
fn programs_are_found_for_packages_of_other_names() {
    let mut driver = Driver::new(V1);
    let spec = ProgramSpec::new(|| Box::new(Steps::new(staying())));
    driver
        .hub
        .find_programs(move |package| (package.name == "found").then(|| spec.clone()));
    let package = scramjet_client_testing::model::Package::named("found");
    driver.hub.add_sequence(SEQUENCE, package);
    assert!(driver.hub.add_instance("x", SEQUENCE, &json!({})).is_some());
    assert_eq!(driver.hub.running(), ["x"]);
}
