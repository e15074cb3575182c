//! Section 7.3: the topics of instances.

use scramjet_client_testing::model::{
    Generation, Input, Output, Package, ProgramSpec, ReadResult, Steps,
};
use serde_json::{Value, json};

use super::{BOTH, V0_18, V1, line, pick};
use crate::driver::{Driver, SEQUENCE, TEXT};

/// Returns a hub with an instance of a sequence, which may declare topics.
fn instance(generation: Generation, declares: bool, payload: &Value) -> (Driver, String) {
    let mut driver = Driver::new(generation);
    let mut spec = ProgramSpec::new(|| Box::new(Steps::new([])));
    if declares {
        spec = spec.input_topic("in", "text/plain");
        spec = spec.output_topic("out", "application/x-ndjson");
    }
    driver.hub.program("topics", spec);
    driver.hub.add_sequence(SEQUENCE, Package::named("topics"));
    driver.hub.add_instance("i", SEQUENCE, payload).unwrap();
    (driver, "i".to_owned())
}

/// Writes to the topic of the input and to the output. Returns which of the data arrives.
fn routed(driver: &mut Driver, id: &str, input: &str, output: &str) -> (bool, bool) {
    let key = driver.hub.instance(id).unwrap();
    driver.call("POST", &format!("topic/{input}"), &[TEXT], b"hello");
    let read = driver.hub.with_process(key, |process| {
        process.write(Output::Output, b"1\n");
        process.read(Input::Input)
    });
    let topic = driver.send("GET", &format!("topic/{output}"), &[], b"");
    let own = driver.send("GET", &format!("instance/{id}/output"), &[], b"");
    assert_eq!(own.response.text(), "1\n");
    let has_read = read == Some(ReadResult::Chunk(b"hello".to_vec()));
    (has_read, topic.response.text() == "1\n")
}

#[test]
fn an_instance_uses_the_topics_that_its_sequence_declares() {
    for generation in BOTH {
        let (mut driver, id) = instance(generation, true, &json!({}));
        assert_eq!(routed(&mut driver, &id, "in", "out"), (true, true));
        if generation == V1 {
            let info = driver.info(&id);
            assert_eq!(
                (&info["requires"], &info["provides"]),
                (&json!("in"), &json!("out"))
            );
            assert_eq!(driver.get("topics").json().as_array().unwrap().len(), 2);
        }
        let path = format!("instance/{id}/input");
        let answer = driver.call("POST", &path, &[TEXT], b"x");
        let v0_18 = "500 Internal Server Error; length; 500: Internal error occurred";
        let error = json!({ "error": "Input provided in other way" });
        let v1 = format!("405 Method Not Allowed; application/json; {error}");
        assert_eq!(line(&answer), pick(generation, v0_18, &v1));
    }
}

#[test]
fn a_start_of_1_x_chooses_other_topics() {
    let payload = json!({ "inputTopic": "other-in", "outputTopic": "other-out" });
    for generation in BOTH {
        let (mut driver, id) = instance(generation, true, &payload);
        let used = pick(generation, ["in", "out"], ["other-in", "other-out"]);
        assert_eq!(routed(&mut driver, &id, used[0], used[1]), (true, true));
    }
}

#[test]
fn topics_of_a_start_are_only_shown_if_the_sequence_declares_none() {
    let payload = json!({ "inputTopic": "in", "outputTopic": "out" });
    let (mut driver, id) = instance(V1, false, &payload);
    assert_eq!(driver.get("topics").json(), json!([]));
    let info = driver.info(&id);
    assert_eq!(
        (&info["requires"], &info["provides"]),
        (&json!("in"), &json!("out"))
    );
    assert_eq!(routed(&mut driver, &id, "in", "out"), (false, false));
    // The input is refused nevertheless.
    let answer = driver.call("POST", &format!("instance/{id}/input"), &[TEXT], b"x");
    assert_eq!(answer.status(), 405);
    // 0.18 ignores these members.
    let (mut driver, id) = instance(V0_18, false, &payload);
    let answer = driver.call("POST", &format!("instance/{id}/input"), &[TEXT], b"x");
    assert_eq!(answer.status(), 200);
}
