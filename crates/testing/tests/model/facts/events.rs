//! Section 6: events.

use scramjet_client_testing::model::{Message, Package, ProgramSpec, Step};
use serde_json::{Value, json};

use super::{BOTH, RunningInstance, V0_18, V1, line, pick, seconds, staying};
use crate::driver::{Driver, JSON, SEQUENCE};

const ACCEPTED: [&str; 2] = [
    "202 Accepted; application/json; {\"accepted\":true}",
    "200 OK; application/json; {\"accepted\":\"OK\"}",
];

/// Returns a hub with an instance that responds to `ping` with `pong` and the same data.
fn answering(generation: super::Generation) -> RunningInstance {
    RunningInstance::new(generation, vec![Step::Answer("ping", "pong")])
}

fn send(hub: &mut RunningInstance, body: &str) -> String {
    line(&hub.operation("_event", body))
}

#[test]
fn a_sent_event_is_accepted_and_reaches_the_program() {
    for generation in BOTH {
        let mut hub = answering(generation);
        let body = "[5001,{\"eventName\":\"ping\",\"message\":\"x\"}]";
        let accepted = pick(generation, ACCEPTED[0], ACCEPTED[1]);
        assert_eq!(send(&mut hub, body), accepted);
        let v0_18 = json!({ "eventName": "pong", "message": "x" });
        assert_eq!(
            hub.get("event/pong").json(),
            pick(generation, v0_18, json!("x"))
        );
        // The code is not checked. Other members and an empty name are accepted.
        for body in [
            "[null,{\"eventName\":\"ping\",\"message\":\"x\",\"more\":1},5]",
            "[5001,{\"eventName\":\"\",\"message\":\"\"}]",
        ] {
            assert_eq!(send(&mut hub, body), accepted);
        }
    }
}

#[test]
fn a_program_receives_any_json_on_1_x_and_only_text_on_0_18() {
    for (message, data) in [
        (",\"message\":\"\"", Some(json!(""))),
        (
            ",\"message\":{\"a\":[1,null]}",
            Some(json!({ "a": [1, null] })),
        ),
        (",\"message\":5", Some(json!(5))),
        (",\"message\":null", Some(Value::Null)),
        ("", None),
    ] {
        for generation in BOTH {
            let mut driver = Driver::new(generation);
            let silent = |process: &mut super::ProcessContext<'_>| process.begin();
            driver
                .hub
                .program("silent", ProgramSpec::new(move || Box::new(silent)));
            driver.hub.add_sequence(SEQUENCE, Package::named("silent"));
            let id = driver.start();
            let mut hub = RunningInstance { driver, id };
            let body = format!("[5001,{{\"eventName\":\"e\"{message}}}]");
            let answer = send(&mut hub, &body);
            let received = hub.act(|process| process.receive());
            if generation == V0_18 && !data.as_ref().is_some_and(Value::is_string) {
                let text = "500 Internal Server Error; length; Bad message of type 5001";
                assert_eq!((answer.as_str(), received), (text, None), "{message}");
            } else {
                assert_eq!(answer, pick(generation, ACCEPTED[0], ACCEPTED[1]));
                assert_eq!(received, Some(Message::Event("e".to_owned(), data.clone())));
            }
        }
    }
}

#[test]
fn wrong_bodies_of_an_event_are_refused() {
    let thrown = |text: &str| format!("500 Internal Server Error; length; {text}");
    let cannot = |of: &str, name: &str| {
        thrown(&format!(
            "Cannot read properties of {of} (reading '{name}')"
        ))
    };
    let bad = thrown("Bad message of type 5001");
    let mut hub = answering(V0_18);
    for (body, expected) in [
        ("", cannot("undefined", "1")),
        ("null", cannot("null", "1")),
        ("{\"eventName\":\"x\"}", cannot("undefined", "eventName")),
        ("[5001]", cannot("undefined", "eventName")),
        ("[5001,null]", cannot("null", "eventName")),
        ("[5001,\"x\"]", bad.clone()),
        ("[5001,{\"message\":\"x\"}]", bad.clone()),
        ("[5001,{\"eventName\":5,\"message\":\"x\"}]", bad),
    ] {
        assert_eq!(send(&mut hub, body), expected, "{body}");
    }
    let mut hub = answering(V1);
    let missing = json!({ "error": "Invalid format, eventName missing." });
    let missing = format!("400 Bad Request; application/json; {missing}");
    for (body, expected) in [
        ("[5001,{\"message\":\"x\"}]", missing.as_str()),
        ("[5001,{\"eventName\":5}]", &missing),
        ("", "500"),
        ("{}", "500"),
        ("[5001]", "500"),
    ] {
        assert!(send(&mut hub, body).starts_with(expected), "{body}");
    }
}

#[test]
fn an_event_for_an_ended_instance_goes_nowhere_on_1_x() {
    for generation in BOTH {
        let mut hub = answering(generation);
        hub.operation("_kill", "{}");
        hub.driver.wait(seconds(1.0));
        let body = "[5001,{\"eventName\":\"ping\",\"message\":\"x\"}]";
        let expected = pick(generation, "404 Not Found; length", ACCEPTED[1]);
        assert_eq!(send(&mut hub, body), expected);
    }
}

#[test]
fn emitted_events_reach_other_instances_on_1_x_and_sent_ones_do_not() {
    for generation in BOTH {
        let mut hub = answering(generation);
        let first = hub.id.clone();
        hub.id = hub.driver.start();
        let mut open = hub
            .driver
            .send("GET", &format!("instance/{first}/once/pong"), &[], b"");
        send(
            &mut hub,
            "[5001,{\"eventName\":\"ping\",\"message\":\"sent\"}]",
        );
        hub.driver.read(&mut open);
        assert_eq!(line(&open.response), "nothing");
        hub.act(|process| process.emit("ping", Some("emitted".into())));
        hub.driver.read(&mut open);
        assert_eq!(open.response.ended, generation == V1);
    }
}

/// Returns the data of events, with the responses of 1.x to `once` and `event`, and the line in the
/// stream.
fn table() -> Vec<(Option<Value>, String, Option<String>, String)> {
    let body = |body: &str| format!("200 OK; application/json; {body}");
    let plain = |value: Value| {
        let text = value.to_string();
        (Some(value), body(&text), Some(body(&text)), text)
    };
    let empty = || "200 OK; application/json".to_owned();
    let lost = || "500 Internal Server Error; length; 500: Failed to serialize data".to_owned();
    let falsy = |value: Option<Value>, once: String| (value, once, None, "{}".to_owned());
    let truthy = |value: Value| {
        let text = value.to_string();
        (Some(value), empty(), Some(empty()), text)
    };
    let status = |value: Value, once: String, event: String| {
        let text = value.to_string();
        (Some(value), once, Some(event), text)
    };
    let with_error = "{\"error\":\"Not Found\",\"x\":1}";
    let not_found = format!("404 Not Found; application/json; {with_error}");
    vec![
        plain(json!({ "a": 1 })),
        plain(json!([])),
        plain(json!([1, 2])),
        plain(json!("s")),
        falsy(Some(json!("")), empty()),
        truthy(json!(5)),
        truthy(json!(true)),
        falsy(Some(json!(0)), empty()),
        falsy(Some(json!(false)), empty()),
        falsy(
            Some(Value::Null),
            "204 No content; application/json".to_owned(),
        ),
        falsy(None, lost()),
        truthy(json!({})),
        status(
            json!({ "opStatus": "OK", "x": 1 }),
            body("{\"x\":1}"),
            body("{\"x\":1}"),
        ),
        status(
            json!({ "opStatus": "Not Found", "x": 1 }),
            not_found.clone(),
            not_found,
        ),
        status(json!({ "opStatus": "Bogus" }), lost(), lost()),
        status(json!({ "opStatus": 5 }), lost(), lost()),
        plain(json!({ "eventName": "z", "message": 1 })),
        plain(json!({ "error": "e" })),
    ]
}

#[test]
fn once_waits_for_the_next_event() {
    for generation in BOTH {
        for (data, once, _, _) in table() {
            let mut hub = RunningInstance::new(generation, staying());
            hub.act(|process| process.emit("e", Some("before".into())));
            let mut opens = [hub.open("once/e"), hub.open("once/e")];
            assert_eq!(line(&opens[0].response), "nothing");
            hub.act(|process| process.emit("e", data.clone()));
            hub.driver.read(&mut opens[0]);
            let answer = line(&opens[0].response);
            assert_eq!(answer, pick(generation, envelope(&data), once), "{data:?}");
            // All waiting requests get the event.
            hub.driver.read(&mut opens[1]);
            assert!(opens[1].response.ended);
        }
    }
}

#[test]
fn event_returns_the_last_event_unless_it_is_falsy_on_1_x() {
    for generation in BOTH {
        for (data, once, event, _) in table() {
            let mut hub = RunningInstance::new(generation, staying());
            hub.act(|process| process.emit("e", data.clone()));
            let mut open = hub.open("event/e");
            if let (V1, None) = (generation, &event) {
                assert_eq!(line(&open.response), "nothing", "{data:?}");
                // It then waits for the next event, like `once`.
                hub.act(|process| process.emit("e", data.clone()));
                hub.driver.read(&mut open);
                assert_eq!(line(&open.response), once, "{data:?}");
                continue;
            }
            let v1 = event.unwrap_or_default();
            assert_eq!(
                line(&open.response),
                pick(generation, envelope(&data), v1),
                "{data:?}"
            );
        }
    }
}

#[test]
fn a_stream_of_events_has_a_line_for_each() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        hub.act(|process| process.emit("e", Some("before".into())));
        let mut open = hub.open("events/e");
        let head = "200 OK; application/octet-stream";
        assert_eq!(line(&open.response), head);
        let mut expected = Vec::new();
        for (data, _, _, text) in table() {
            hub.act(|process| process.emit("other", Some("x".into())));
            hub.act(|process| process.emit("e", data.clone()));
            let wrapped = envelope(&data);
            let wrapped = wrapped.rsplit("; ").next().unwrap().to_owned();
            expected.push(format!("{}\n", pick(generation, wrapped, text)).into_bytes());
        }
        hub.driver.read(&mut open);
        assert_eq!(open.response.chunks, expected);
    }
}

/// Returns the response of 0.18, which wraps the data.
fn envelope(data: &Option<Value>) -> String {
    let mut envelope = json!({ "eventName": "e" });
    if let Some(data) = data {
        envelope["message"] = data.clone();
    }
    format!("200 OK; application/json; {envelope}")
}

#[test]
fn an_error_op_status_is_removed_from_the_last_event() {
    let mut hub = RunningInstance::new(V1, staying());
    let data = json!({ "opStatus": "Not Found", "x": 1 });
    hub.act(|process| process.emit("e", Some(data)));
    assert_eq!(hub.get("event/e").status(), 404);
    let answer = hub.get("event/e");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json(), json!({ "x": 1, "error": "Not Found" }));
}

#[test]
fn an_earlier_event_without_data_is_never_returned_on_1_x() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        hub.act(|process| process.emit("e", None));
        let mut last = hub.open("event/e");
        let mut stream = hub.open("events/e");
        hub.driver.until_ended(&mut last, seconds(100.0));
        hub.driver.read(&mut stream);
        assert_eq!(last.response.ended, generation == V0_18);
        assert_eq!(stream.response.text(), "");
    }
}

#[test]
fn waiting_for_an_event_never_ends_with_the_instance() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let mut opens = ["event/e", "once/e", "events/e"].map(|below| hub.open(below));
        hub.operation("_kill", "{}");
        hub.driver.wait(seconds(400.0));
        assert_eq!(hub.info()["httpStatus"], 404);
        for open in &mut opens {
            hub.driver.read(open);
            assert!(!open.response.ended && !open.response.cut);
        }
        assert_eq!(opens.map(|open| open.response.status()), [0, 0, 200]);
    }
}

#[test]
fn lone_surrogates_are_kept_in_events() {
    for generation in BOTH {
        let mut hub = answering(generation);
        let mut stream = hub.open("events/pong");
        let body = r#"[5001,{"eventName":"ping","message":"x\ud83d"}]"#;
        hub.post("_event", &[JSON], body.as_bytes());
        let answer = hub.get("event/pong").text();
        assert!(answer.contains(r#""x\ud83d""#), "{answer}");
        hub.driver.read(&mut stream);
        assert!(stream.response.text().contains(r#""x\ud83d""#));
    }
}

#[test]
fn event_names_are_compared_undecoded() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        for name in ["a+b", "a:b@c", "50%", "a;b=c,(d)", "E"] {
            hub.act(|process| process.emit(name, Some("x".into())));
            assert_eq!(hub.get(&format!("event/{name}")).status(), 200, "{name}");
        }
        assert!(hub.open("event/e").response.head.is_none());
        assert_eq!(hub.get("event/").status(), 404);
    }
}
