//! Section 4.5: starts.

use scramjet_client_testing::model::{Exit, Package, Settings, Step};
use serde_json::{Value, json};

use super::{BOTH, UNKNOWN, V0_18, V1, line, pick, seconds, staying};
use crate::driver::{Driver, JSON, PendingRequest, SEQUENCE};

const CHOSEN: &str = "any-36-characters-are-an-instance-id";

/// Sends a start.
fn begin(driver: &mut Driver, body: &Value) -> PendingRequest {
    let path = format!("sequence/{SEQUENCE}/start");
    driver.send("POST", &path, &[JSON], body.to_string().as_bytes())
}

/// Sends a start, and returns its response.
fn start(driver: &mut Driver, body: &Value) -> String {
    let mut open = begin(driver, body);
    let limit = seconds(10.0);
    match driver.until_ended(&mut open, limit) {
        Some(_) => line(&open.response),
        None => "nothing".to_owned(),
    }
}

/// Starts an instance, and returns its id.
fn started(driver: &mut Driver, body: &Value) -> String {
    let mut open = begin(driver, body);
    driver.until_ended(&mut open, seconds(10.0)).unwrap();
    assert_eq!(open.response.status(), 200, "{}", open.response.text());
    open.response.json()["id"].as_str().unwrap().to_owned()
}

fn json_line(status: &str, body: &Value) -> String {
    format!("{status}; application/json; {body}")
}

#[test]
fn a_start_is_answered_with_the_id() {
    for generation in BOTH {
        let mut driver = Driver::with_steps(generation, staying());
        let answer = start(&mut driver, &json!({}));
        let id = driver.started_ids()[0].clone();
        let v1 = json!({ "message": format!("Sequence {id} starting"), "id": id });
        let body = pick(generation, json!({ "opStatus": "OK", "id": id }), v1);
        assert_eq!(answer, json_line("200 OK", &body));
    }
}

#[test]
fn a_start_of_an_unknown_sequence_is_404() {
    for generation in BOTH {
        let path = format!("sequence/{UNKNOWN}/start");
        let answer = Driver::new(generation).call("POST", &path, &[JSON], b"{}");
        let body = json!({ pick(generation, "opStatus", "error"): "Not Found" });
        assert_eq!(line(&answer), json_line("404 Not Found", &body));
    }
}

#[test]
fn the_body_of_a_start_may_be_any_json() {
    for generation in BOTH {
        let mut driver = Driver::with_steps(generation, staying());
        for body in [
            json!(null),
            json!([]),
            json!("x"),
            json!(5),
            json!({ "unknown": 1, "appConfig": "text" }),
        ] {
            started(&mut driver, &body);
        }
    }
}

#[test]
fn the_program_gets_config_and_args_and_the_info_shows_them() {
    for generation in BOTH {
        let mut driver = Driver::with_steps(generation, staying());
        let (config, args) = (json!({ "a": 1 }), json!(["x", null]));
        let id = started(&mut driver, &json!({ "appConfig": config, "args": args }));
        let info = driver.info(&id);
        assert_eq!(info["appConfig"], config);
        assert_eq!(info[pick(generation, "sequenceArgs", "args")], args);
        let key = driver.hub.instance(&id).unwrap();
        let seen = driver
            .hub
            .with_process(key, |process| (process.config(), process.args()));
        assert_eq!(seen, Some((Some(config), args.as_array().unwrap().clone())));
    }
}

#[test]
fn args_that_javascript_cannot_spread_end_the_instance_with_23() {
    for generation in BOTH {
        for args in [json!({ "a": 1 }), json!(5), json!(true), json!(null)] {
            let mut driver = Driver::with_steps(generation, staying());
            let id = started(&mut driver, &json!({ "args": args }));
            driver.wait(seconds(1.0));
            let info = driver.info(&id);
            let gone = json!({ "httpStatus": 404 });
            let failed = json!({
                "exitcode": 23, "reason": "Sequence failed during execution"
            });
            match generation {
                V0_18 => assert_eq!(info, gone, "{args}"),
                _ => assert_eq!(info["terminated"], failed, "{args}"),
            }
        }
        let mut driver = Driver::with_steps(generation, staying());
        let id = started(&mut driver, &json!({ "args": "xy" }));
        let key = driver.hub.instance(&id).unwrap();
        let args = driver.hub.with_process(key, |process| process.args());
        assert_eq!(args, Some(vec![json!("x"), json!("y")]));
    }
}

#[test]
fn an_instance_id_of_36_characters_is_used_on_1_x() {
    for generation in BOTH {
        let mut driver = Driver::with_steps(generation, staying());
        let id = started(&mut driver, &json!({ "instanceId": CHOSEN }));
        assert_eq!(id == CHOSEN, generation == V1);
        let id = started(&mut driver, &json!({ "instanceId": "" }));
        assert_eq!(id.len(), 36);
    }
}

#[test]
fn other_instance_ids_are_500_on_1_x() {
    for generation in BOTH {
        let mut driver = Driver::with_steps(generation, staying());
        for body in [
            json!({ "instanceId": "short" }),
            json!({ "instanceId": 5 }),
            json!({ "instanceId": CHOSEN, "appConfig": "text" }),
        ] {
            let answer = start(&mut driver, &body);
            match generation {
                V1 => assert_eq!(answer, "500 Internal Server Error", "{body}"),
                _ => assert!(answer.starts_with("200 OK"), "{body}"),
            }
        }
    }
}

#[test]
fn an_instance_id_in_use_is_409_as_long_as_the_instance_is_listed() {
    let mut driver = Driver::with_steps(V1, staying());
    let body = json!({ "instanceId": CHOSEN });
    started(&mut driver, &body);
    driver.wait(seconds(1.0));
    let error = json!({ "error": "Instance with a given ID already exists" });
    let conflict = json_line("409 Conflict", &error);
    assert_eq!(start(&mut driver, &body), conflict);
    let key = driver.hub.instance(CHOSEN).unwrap();
    driver.hub.crash(key);
    driver.wait(seconds(190.0));
    assert_eq!(start(&mut driver, &body), conflict);
    driver.wait(seconds(10.0));
    assert_eq!(started(&mut driver, &body), CHOSEN);
}

#[test]
fn two_starts_with_the_same_id_both_succeed_while_the_first_connects() {
    let mut driver = Driver::with_steps(V1, staying());
    let body = json!({ "instanceId": CHOSEN });
    let mut first = begin(&mut driver, &body);
    driver.wait_millis(50);
    assert_eq!(driver.info(CHOSEN), json!({ "httpStatus": 404 }));
    let mut second = begin(&mut driver, &body);
    for open in [&mut first, &mut second] {
        driver.until_ended(open, seconds(5.0)).unwrap();
        assert_eq!(open.response.json()["id"], CHOSEN);
    }
    // Two processes run, and the hub lists one of them.
    assert_eq!(driver.started_ids(), [CHOSEN, CHOSEN]);
    assert_eq!(driver.hub.running(), [CHOSEN, CHOSEN]);
    assert_eq!(driver.get("instances").json().as_array().unwrap().len(), 1);
    let path = format!("sequence/{SEQUENCE}/instances");
    assert_eq!(driver.get(&path).json(), json!([CHOSEN]));
    driver.wait(seconds(1.0));
    driver.call("POST", &format!("instance/{CHOSEN}/_kill"), &[JSON], b"{}");
    driver.wait(seconds(1.0));
    assert_eq!(driver.info(CHOSEN)["status"], "completed");
    assert_eq!(driver.hub.running(), [CHOSEN]);
}

#[test]
fn an_unconnected_instance_is_unknown_on_1_x_and_silent_on_0_18() {
    for generation in BOTH {
        let mut driver = Driver::with_steps(generation, staying());
        begin(&mut driver, &json!({ "instanceId": CHOSEN }));
        let id = driver.started_ids()[0].clone();
        let listed = driver.get("instances").json().as_array().unwrap().len();
        assert_eq!(listed, pick(generation, 1, 0));
        let mut open = driver.send("GET", &format!("instance/{id}"), &[], b"");
        if generation == V1 {
            assert_eq!(open.response.status(), 404);
        } else {
            assert_eq!(line(&open.response), "nothing");
            assert!(driver.until_ended(&mut open, seconds(1.0)).is_some());
            assert_eq!(open.response.json()["id"].as_str(), Some(id.as_str()));
        }
    }
}

#[test]
fn only_a_main_that_ends_in_js_can_be_started() {
    for generation in BOTH {
        for (main, file, starts) in [
            ("index.js", "index.js", true),
            ("./index.js", "index.js", true),
            ("index", "index.js", true),
            ("nope.js", "index.js", false),
            ("index.mjs", "index.mjs", false),
            ("index.cjs", "index.cjs", false),
            ("start", "start", false),
            ("index.JS", "index.JS", false),
        ] {
            let mut driver = Driver::with_steps(generation, staying());
            let mut package = Package::named("steps");
            package.manifest.insert("main".to_owned(), main.into());
            package.files.remove("index.js");
            package.files.insert(file.to_owned(), Vec::new());
            driver.hub.add_sequence("other", package);
            let mut open = driver.send("POST", "sequence/other/start", &[JSON], b"{}");
            let answered = driver.until_ended(&mut open, seconds(200.0));
            let error = format!(
                "Sequence entrypoint path {main} is invalid. Check `main` field in Sequence \
                 package.json"
            );
            match (starts, generation) {
                (true, _) => assert_eq!(open.response.status(), 200, "{main}"),
                (false, V0_18) => assert_eq!((answered, driver.started_ids().len()), (None, 0)),
                (false, _) => {
                    let expected = json_line("400 Bad Request", &json!({ "error": error }));
                    assert_eq!(line(&open.response), expected);
                }
            }
        }
    }
}

#[test]
fn two_engines_cannot_be_started() {
    for generation in BOTH {
        let mut driver = Driver::with_steps(generation, staying());
        let mut package = Package::named("steps");
        let engines = json!({ "node": ">=16", "python3": "3.8" });
        package.manifest.insert("engines".to_owned(), engines);
        driver.hub.add_sequence("other", package);
        let mut open = driver.send("POST", "sequence/other/start", &[JSON], b"{}");
        driver.until_ended(&mut open, seconds(200.0));
        let error = "Incorrect config passed to SequenceConfig,'engines' field can't contain \
                     more than one element";
        let v1 = json_line("400 Bad Request", &json!({ "error": error }));
        assert_eq!(line(&open.response), pick(generation, "nothing", &v1));
    }
}

#[test]
fn an_instance_that_never_connects_stays_and_is_never_answered_on_0_18() {
    let mut driver = Driver::with_steps(V0_18, staying());
    let mut package = Package::named("steps");
    package.files.clear();
    driver.hub.add_sequence("broken", package);
    driver.send("POST", "sequence/broken/start", &[JSON], b"{}");
    let list = driver.get("instances").json();
    let id = list[0]["id"].as_str().unwrap().to_owned();
    for (method, below) in [("GET", ""), ("GET", "/health"), ("POST", "/_kill")] {
        let path = format!("instance/{id}{below}");
        let mut open = driver.send(method, &path, &[JSON], b"");
        assert_eq!(driver.until_ended(&mut open, seconds(300.0)), None);
        assert_eq!(line(&open.response), "nothing");
    }
    assert_eq!(driver.get("instances").json(), list);
    let answer = driver.call("DELETE", "sequence/broken", &[JSON], b"");
    assert_eq!(answer.status(), 409);
}

#[test]
fn a_function_that_fails_at_once_fails_the_start_or_the_instance() {
    for (exit, code, reason) in [
        (Exit::FailedToLoad, 22, "Sequence failed on start"),
        (Exit::Threw, 23, "Sequence failed during execution"),
    ] {
        let steps = vec![Step::Exit(exit)];
        let mut driver = Driver::with_steps(V1, steps.clone());
        let expected = json_line("400 Bad Request", &json!({ "error": reason }));
        assert_eq!(start(&mut driver, &json!({})), expected);

        let mut settings = Settings::of(V1);
        settings.refuses_failed_starts = false;
        let mut driver = Driver::with_settings(settings);
        driver.add(steps.clone());
        let id = started(&mut driver, &json!({}));
        driver.wait(seconds(1.0));
        let info = driver.info(&id);
        assert_eq!(info["status"], "errored");
        assert_eq!(
            info["terminated"],
            json!({ "exitcode": code, "reason": reason })
        );
        for absent in ["ended", "requires", "provides"] {
            assert!(info[absent].is_null(), "{absent}");
        }
        // The hub forgets it after 15 s instead of 195 s.
        driver.wait(seconds(15.0));
        assert_eq!(driver.info(&id), json!({ "httpStatus": 404 }));

        let mut driver = Driver::with_steps(V0_18, steps);
        let id = started(&mut driver, &json!({}));
        driver.wait(seconds(1.0));
        assert_eq!(driver.info(&id), json!({ "httpStatus": 404 }));
    }
}

#[test]
fn a_sequence_without_a_program_is_501() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        driver.hub.add_sequence(SEQUENCE, Package::named("nobody"));
        assert!(start(&mut driver, &json!({})).starts_with("501 Not Implemented"));
    }
}

#[test]
fn lone_surrogates_are_kept_in_args() {
    for generation in BOTH {
        let mut driver = Driver::with_steps(generation, staying());
        let path = format!("sequence/{SEQUENCE}/start");
        let body = br#"{"appConfig":{"a":"\udc22"},"args":["x\ud83d","\ud83d\udc22"]}"#;
        let mut open = driver.send("POST", &path, &[JSON], body);
        driver.until_ended(&mut open, seconds(5.0)).unwrap();
        driver.wait(seconds(1.0));
        let id = open.response.json()["id"].as_str().unwrap().to_owned();
        let mut answers = vec![driver.get(&format!("instance/{id}")).text()];
        if generation == V1 {
            answers.push(driver.get("instances").text());
            answers.push(driver.get("entities").text());
            let kill = format!("instance/{id}/_kill");
            answers.push(driver.call("POST", &kill, &[JSON], b"").text());
        }
        for answer in answers {
            assert!(answer.contains(r#"["x\ud83d","🐢"]"#), "{answer}");
            assert!(answer.contains(r#"{"a":"\udc22"}"#), "{answer}");
        }
    }
}
