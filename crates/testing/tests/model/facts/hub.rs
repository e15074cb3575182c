//! Section 3: the hub itself.

use serde_json::{Value, json};

use super::{BOTH, RunningInstance, V0_18, V1, line, pick, seconds, staying};
use crate::driver::{Driver, JSON, SEQUENCE, TestResponse};

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn lines(answer: &TestResponse) -> Vec<Value> {
    let text = answer.text();
    let parse = |line| serde_json::from_str(line).unwrap();
    text.lines().map(parse).collect()
}

#[test]
fn version_has_more_members_on_1_x() {
    let answer = Driver::new(V0_18).get("version");
    assert_eq!(answer.text(), r#"{"version":"0.18.7"}"#);
    let answer = Driver::new(V1).get("version").json();
    assert_eq!(keys(&answer), ["apiVersion", "build", "service", "version"]);
    assert_eq!(answer["version"], "1.0.1");
}

#[test]
fn some_routes_are_only_on_1_x() {
    for path in ["config", "status", "entities", "audit"] {
        assert_eq!(
            line(&Driver::new(V0_18).get(path)),
            "404 Not Found",
            "{path}"
        );
        let open = Driver::new(V1).send("GET", path, &[], b"");
        assert_eq!(open.response.status(), 200, "{path}");
    }
    assert_eq!(Driver::new(V1).get("status").json(), json!({ "cpm": {} }));
    let entities = Driver::new(V1).get("entities").json();
    assert_eq!(keys(&entities), ["instances", "sequences"]);
}

#[test]
fn instances_are_listed_by_their_ids_on_0_18_and_in_full_on_1_x() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let list = hub.driver.get("instances").json();
        let short = json!([{ "id": hub.id, "sequence": SEQUENCE }]);
        let full = json!([hub.info()]);
        assert_eq!(list, pick(generation, short, full));
    }
}

#[test]
fn the_load_has_the_shape_of_its_generation() {
    for generation in BOTH {
        let load = Driver::new(generation).get("load-check").json();
        let names = ["avgLoad", "currentLoad", "fsSize", "memFree", "memUsed"];
        assert_eq!(keys(&load), names);
        let names = [
            "available",
            "fs",
            "mount",
            "rw",
            "size",
            "type",
            "use",
            "used",
        ];
        let short = ["available", "fs", "size", "use", "used"];
        let expected: &[&str] = pick(generation, &names, &short);
        assert_eq!(keys(&load["fsSize"][0]), expected);
    }
}

#[test]
fn platform_is_never_answered_without_a_manager() {
    let mut driver = Driver::new(V1);
    let mut open = driver.send("POST", "platform", &[], b"x");
    assert_eq!(driver.until_ended(&mut open, seconds(400.0)), None);
    assert_eq!(line(&open.response), "nothing");
    let answer = Driver::new(V0_18).call("POST", "platform", &[], b"x");
    assert_eq!(line(&answer), "404 Not Found");
}

#[test]
fn the_log_gives_its_history_to_every_reader_and_never_ends() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let mut opens = [(); 2].map(|()| hub.driver.send("GET", "log", &[], b""));
        for open in &mut opens {
            assert!(!lines(&open.response).is_empty());
            hub.driver.read(open);
            let before = open.response.chunks.len();
            hub.act(|process| process.log("INFO", "hello"));
            hub.driver.read(open);
            // On 0.18, it has no lines of instances.
            let new = open.response.chunks.len() - before;
            assert_eq!(new, pick(generation, 0, 1));
            assert!(hub.driver.until_ended(open, seconds(400.0)).is_none());
        }
    }
}

#[test]
fn the_log_carries_the_lines_of_instances_on_1_x() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        hub.act(|process| process.log("ERROR", "hello"));
        let path = pick(generation, format!("instance/{}/log", hub.id), "log".into());
        let open = hub.driver.send("GET", &path, &[], b"");
        let lines = lines(&open.response);
        let found = lines.iter().find(|line| line["msg"] == "hello").unwrap();
        assert_eq!(found["level"], "ERROR");
        assert_eq!(found["from"], "Sequence");
        assert_eq!(found["Sequence"], json!({ "id": hub.id }));
        assert!(found["ts"].is_u64());
    }
}

#[test]
fn lone_surrogates_are_kept_in_log_lines() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let path = format!("sequence/{SEQUENCE}/start");
        let body = br#"{"args":["x\ud83d"]}"#;
        let mut open = hub.driver.send("POST", &path, &[JSON], body);
        hub.driver.until_ended(&mut open, seconds(5.0)).unwrap();
        hub.id = open.response.json()["id"].as_str().unwrap().to_owned();
        let mut log = hub.open("log");
        hub.act(|process| {
            let text = process.args()[0].as_str().unwrap().to_owned();
            process.log("INFO", &text);
        });
        hub.driver.read(&mut log);
        assert!(log.response.text().contains(r#""msg":"x\ud83d""#));
    }
}

#[test]
fn the_audit_has_the_states_of_an_instance_and_a_heartbeat() {
    let mut hub = RunningInstance::new(V1, staying());
    let body = br#"{"removeImmediately":true}"#;
    let path = hub.path("_kill");
    hub.driver.call("POST", &path, &[JSON], body);
    hub.driver.wait(seconds(20.0));
    let mut audit = hub.driver.send("GET", "audit", &[], b"");
    let codes = |answer: &TestResponse| -> Vec<(String, u64)> {
        let code = |line: &Value| {
            let state = line["opState"].as_str().unwrap().to_owned();
            (state, line["opCode"].as_u64().unwrap())
        };
        lines(answer).iter().map(code).collect()
    };
    // The sequence was added. The instance has connected, has started, has ended, and was
    // forgotten.
    let states = [0, 4, 0, 3, 2].map(|code| (String::new(), code));
    assert_eq!(codes(&audit.response), states);
    let started = lines(&audit.response)[2].clone();
    assert_eq!(started["limits"], json!({ "memory": 512 }));
    assert_eq!(started["objectId"].as_str(), Some(hub.id.as_str()));

    hub.driver.start();
    let before = codes(&audit.response).len() + 2;
    hub.driver.wait(seconds(20.0));
    hub.driver.read(&mut audit);
    let beats = [13_010, 13_012, 13_010, 13_012].map(|code| ("ACTIVE".to_owned(), code));
    assert_eq!(codes(&audit.response)[before..], beats);
}

#[test]
fn the_audit_has_no_heartbeat_while_nobody_reads_it() {
    let mut driver = Driver::new(V1);
    let audit = driver.send("GET", "audit", &[], b"");
    driver.disconnect(&audit);
    driver.wait(seconds(60.0));
    assert_eq!(driver.hub.next_due(), None);
    let mut audit = driver.send("GET", "audit", &[], b"");
    assert_eq!(audit.response.text(), "");
    driver.wait(seconds(10.0));
    driver.read(&mut audit);
    assert_eq!(lines(&audit.response).len(), 1);
}

#[test]
fn an_overloaded_hub_refuses_starts_before_it_looks_for_the_sequence() {
    for generation in BOTH {
        let mut driver = Driver::with_steps(generation, staying());
        driver.hub.set_overloaded(true);
        for sequence in [SEQUENCE, "nosuch"] {
            let path = format!("sequence/{sequence}/start");
            let answer = driver.call("POST", &path, &[JSON], b"{}");
            let text = "Insufficient Space on Resource";
            let member = pick(generation, "opStatus", "error");
            let body = json!({ member: text });
            assert_eq!(
                line(&answer),
                format!("419 {text}; application/json; {body}")
            );
        }
        assert!(driver.started_ids().is_empty());
    }
}
