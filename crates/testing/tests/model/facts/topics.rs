//! Sections 7.1 and 7.2: topics.

use serde_json::{Value, json};

use super::{BOTH, NDJSON, V0_18, V1, line, pick, seconds};
use crate::driver::{Driver, JSON, PendingRequest, TEXT};

fn create(driver: &mut Driver, body: &Value) -> String {
    line(&driver.call("POST", "topics", &[JSON], body.to_string().as_bytes()))
}

fn refused(error: &str) -> String {
    let error = json!({ "error": error });
    format!("400 Bad Request; application/json; {error}")
}

fn write(driver: &mut Driver, headers: &[(&str, &str)], body: &str) -> String {
    line(&driver.call("POST", "topic/t", headers, body.as_bytes()))
}

fn read(driver: &mut Driver, headers: &[(&str, &str)]) -> PendingRequest {
    driver.send("GET", "topic/t", headers, b"")
}

#[test]
fn topics_are_managed_on_1_x_only() {
    let body = json!({ "id": "t", "content-type": "text/plain" });
    let mut driver = Driver::new(V0_18);
    assert_eq!(create(&mut driver, &body), "404 Not Found");
    assert_eq!(
        driver.call("DELETE", "topics/t", &[JSON], b"").status(),
        404
    );
    write(&mut driver, &[TEXT], "x");
    assert_eq!(driver.get("topics").text(), "[]");

    let mut driver = Driver::new(V1);
    let origin = json!({ "id": "STH", "type": "hub" });
    let created = json!({
        "id": "t", "origin": origin, "state": "pause", "contentType": "text/plain"
    });
    let expected = format!("200 OK; application/json; {created}");
    assert_eq!(create(&mut driver, &body), expected);
    let listed = json!([{
        "contentType": "text/plain", "localProvider": "", "topic": "t", "topicName": "t"
    }]);
    assert_eq!(driver.get("topics").json(), listed);
    let answer = driver.call("DELETE", "topics/t", &[JSON], b"");
    assert_eq!(
        line(&answer),
        "200 OK; application/json; {\"message\":\"Topic t removed\"}"
    );
    assert_eq!(driver.get("topics").json(), json!([]));
    let answer = driver.call("DELETE", "topics/t", &[JSON], b"");
    assert_eq!(
        line(&answer),
        "404 Not Found; application/json; {\"error\":\"Topic t not found\"}"
    );
    let answer = driver.call("DELETE", "topics/a.b", &[JSON], b"");
    assert_eq!(line(&answer), refused("Topic id incorrect format"));
}

#[test]
fn wrong_bodies_of_a_new_topic_are_refused() {
    let mut driver = Driver::new(V1);
    let (no_id, no_type) = ("Missing body param: id", "Missing body param: content-type");
    for (body, error) in [
        (json!({ "content-type": "text/plain" }), no_id),
        (json!({ "id": "", "content-type": "text/plain" }), no_id),
        (json!({ "id": null, "content-type": "text/plain" }), no_id),
        (json!([]), no_id),
        (json!({ "id": "t" }), no_type),
        (json!({ "id": "t", "content-type": "" }), no_type),
        (
            json!({ "id": "t", "content-type": "x/y" }),
            "Unsupported content-type",
        ),
        (
            json!({ "id": "t", "content-type": 5 }),
            "Unsupported content-type",
        ),
        (
            json!({ "id": "a b", "content-type": "text/plain" }),
            "Topic id incorrect format",
        ),
        (
            json!({ "id": "a.b", "content-type": "text/plain" }),
            "Topic id incorrect format",
        ),
    ] {
        assert_eq!(create(&mut driver, &body), refused(error), "{body}");
    }
    let body = json!({ "id": 5, "content-type": "text/plain" });
    assert_eq!(create(&mut driver, &body), "500 Internal Server Error");
    let body = json!({ "id": "aZ0_+-\\", "content-type": "text/plain" });
    assert!(create(&mut driver, &body).starts_with("200 OK"));
    assert_eq!(
        create(&mut driver, &body),
        refused("Topic with given id already exist")
    );
}

#[test]
fn a_write_to_0_18_is_answered_at_once_and_takes_any_type() {
    let mut driver = Driver::new(V0_18);
    let mut reader = read(&mut driver, &[]);
    let mut open = driver.begin("POST", "topic/t", &[]);
    assert_eq!(line(&open.response), "202 Accepted");
    driver.upload(&open, b"a");
    driver.end_upload(&open);
    driver.read(&mut open);
    assert!(open.response.ended);
    assert_eq!(
        write(&mut driver, &[("content-type", "x")], "b"),
        "202 Accepted"
    );
    assert_eq!(write(&mut driver, &[NDJSON], ""), "202 Accepted");
    driver.read(&mut reader);
    assert_eq!(reader.response.text(), "ab");
    let answer = driver.call("POST", "topic/a.b%20c", &[], b"x");
    assert_eq!(answer.status(), 202);
}

#[test]
fn a_write_to_1_x_is_answered_after_its_body() {
    let mut driver = Driver::new(V1);
    let mut reader = read(&mut driver, &[]);
    let mut open = driver.begin("POST", "topic/t", &[NDJSON, ("x-end-stream", "true")]);
    driver.upload(&open, b"1\n");
    driver.read(&mut open);
    assert_eq!(line(&open.response), "nothing");
    driver.end_upload(&open);
    driver.read(&mut open);
    assert_eq!(line(&open.response), "200 OK; application/json; {}");
    driver.read(&mut reader);
    assert_eq!(reader.response.text(), "1\n");
    // `X-End-Stream` is ignored.
    assert!(!reader.response.ended);
}

#[test]
fn a_write_to_1_x_needs_the_bare_type_of_the_topic() {
    let mut driver = Driver::new(V1);
    let unsupported = refused("Unsupported content-type");
    for given in [
        "",
        "application/json",
        "text/plain; charset=utf-8",
        "TEXT/PLAIN",
    ] {
        assert_eq!(
            write(&mut driver, &[("content-type", given)], "x"),
            unsupported
        );
    }
    let answer = driver.call("POST", "topic/a.b", &[TEXT], b"x");
    assert_eq!(line(&answer), refused("Topic id incorrect format"));
    assert!(write(&mut driver, &[TEXT], "x").starts_with("200 OK"));
    assert_eq!(
        write(&mut driver, &[NDJSON], "1\n"),
        "500 Internal error occurred"
    );
    // The two types of NDJSON differ.
    let body = json!({ "id": "n", "content-type": "text/x-ndjson" });
    create(&mut driver, &body);
    let answer = driver.call("POST", "topic/n", &[NDJSON], b"1\n");
    assert_eq!(line(&answer), "500 Internal error occurred");
    let answer = driver.call("GET", "topic/n", &[], b"");
    assert_eq!(line(&answer), "415 Unsupported content-type");
}

#[test]
fn an_ended_topic_stays_ended_on_0_18() {
    let end = [("x-end-stream", "true")];
    let mut driver = Driver::new(V0_18);
    let mut reader = read(&mut driver, &[]);
    assert_eq!(write(&mut driver, &end, "a"), "200 OK");
    driver.read(&mut reader);
    assert_eq!(
        (reader.response.text(), reader.response.ended),
        ("a".to_owned(), true)
    );
    // Later readers get an empty stream.
    let open = read(&mut driver, &[]);
    assert_eq!(
        (open.response.text(), open.response.ended),
        (String::new(), true)
    );
    // Later writers hang. After them, readers hang as well.
    let mut open = driver.send("POST", "topic/t", &[], b"b");
    assert_eq!(open.response.status(), 202);
    assert_eq!(driver.until_ended(&mut open, seconds(100.0)), None);
    let mut open = read(&mut driver, &[]);
    assert_eq!(open.response.status(), 200);
    assert_eq!(driver.until_ended(&mut open, seconds(100.0)), None);
    assert_eq!(open.response.text(), "");
}

#[test]
fn several_writers_are_interleaved_on_0_18_and_take_turns_on_1_x() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        let mut reader = read(&mut driver, &[]);
        let mut writers = [(); 2].map(|()| driver.begin("POST", "topic/t", &[NDJSON]));
        let mut taken = Vec::new();
        for (writer, text) in [(0, "1\n"), (1, "2\n"), (0, "3\n")] {
            taken.push(driver.upload(&writers[writer], text.as_bytes()));
        }
        assert_eq!(taken, pick(generation, [2, 2, 2], [2, 0, 2]));
        driver.end_upload(&writers[0]);
        if generation == V1 {
            assert_eq!(driver.upload(&writers[1], b"2\n"), 2);
        }
        driver.end_upload(&writers[1]);
        for writer in &mut writers {
            driver.read(writer);
            assert!(writer.response.ended);
        }
        driver.read(&mut reader);
        let text = pick(generation, "1\n2\n3\n", "1\n3\n2\n");
        assert_eq!(reader.response.text(), text);
    }
}

#[test]
fn a_later_writer_waits_for_the_interim_response_on_1_x() {
    let mut driver = Driver::new(V1);
    let headers = [NDJSON, ("expect", "100-continue")];
    let first = driver.begin("POST", "topic/t", &headers);
    let mut second = driver.begin("POST", "topic/t", &headers);
    assert_eq!(
        (first.response.continues, second.response.continues),
        (1, 0)
    );
    driver.upload(&first, b"1\n");
    driver.end_upload(&first);
    driver.read(&mut second);
    assert_eq!(second.response.continues, 1);
}

#[test]
fn an_empty_write_is_never_answered_on_1_x_and_leaves_a_line() {
    let mut driver = Driver::new(V1);
    let mut reader = read(&mut driver, &[]);
    let mut open = driver.send("POST", "topic/t", &[NDJSON], b"");
    assert_eq!(driver.until_ended(&mut open, seconds(100.0)), None);
    assert_eq!(line(&open.response), "nothing");
    driver.read(&mut reader);
    assert_eq!(reader.response.text(), "\n");
}

#[test]
fn a_missing_newline_is_added_to_ndjson_on_1_x() {
    for (content_type, added) in [("application/x-ndjson", true), ("text/plain", false)] {
        for generation in BOTH {
            let mut driver = Driver::new(generation);
            let headers = [("content-type", content_type)];
            write(&mut driver, &headers, "1");
            let open = read(&mut driver, &headers);
            let expected = if added { "1\n" } else { "1" };
            assert_eq!(open.response.text(), pick(generation, "1", expected));
        }
    }
}

#[test]
fn a_truncated_write_keeps_its_data_and_the_next_writer_starts() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        let first = driver.begin("POST", "topic/t", &[NDJSON]);
        let second = driver.begin("POST", "topic/t", &[NDJSON]);
        driver.upload(&first, b"{\"a\":");
        driver.disconnect(&first);
        driver.upload(&second, b"1\n");
        driver.end_upload(&second);
        assert_eq!(read(&mut driver, &[]).response.text(), "{\"a\":1\n");
    }
}

#[test]
fn a_topic_without_a_reader_has_a_small_buffer() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        let open = driver.begin("POST", "topic/t", &[NDJSON]);
        let kilobyte = [b'x'; 1000];
        let taken = (0..1000)
            .take_while(|_| driver.upload(&open, &kilobyte) > 0)
            .count();
        assert_eq!(taken, pick(generation, 16, 100));
        let reader = read(&mut driver, &[]);
        assert_eq!(reader.response.body().len(), taken * 1000);
        assert!(driver.upload(&open, &kilobyte) > 0);
    }
}

#[test]
fn a_reader_of_1_x_asks_for_the_type_of_the_topic() {
    let mut driver = Driver::new(V1);
    let unsupported = "415 Unsupported content-type";
    assert_eq!(
        line(&read(&mut driver, &[("content-type", "bogus")]).response),
        unsupported
    );
    let answer = driver.get("topic/a.b");
    assert_eq!(line(&answer), "400 Topic id incorrect format");
    assert_eq!(driver.get("topics").json(), json!([]));
    // A new topic gets this type.
    let head = "200 OK; application/octet-stream";
    assert_eq!(line(&read(&mut driver, &[TEXT]).response), head);
    assert_eq!(driver.get("topics").json()[0]["contentType"], "text/plain");
    assert_eq!(line(&read(&mut driver, &[]).response), unsupported);
    let accept = [TEXT, ("accept", "application/x-ndjson")];
    let answer = read(&mut driver, &accept).response;
    assert_eq!(line(&answer), "415 Invalid content-type");
}

#[test]
fn a_reader_of_0_18_may_ask_for_anything() {
    let mut driver = Driver::new(V0_18);
    write(&mut driver, &[TEXT], "x");
    for given in ["bogus", "application/x-ndjson"] {
        let open = read(&mut driver, &[("content-type", given)]);
        assert_eq!(open.response.status(), 200);
    }
}

#[test]
fn later_readers_of_a_topic_get_copies_of_new_data() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        write(&mut driver, &[NDJSON], "1\n");
        let mut readers = [(); 2].map(|()| read(&mut driver, &[]));
        write(&mut driver, &[NDJSON], "2\n");
        for (reader, text) in readers.iter_mut().zip(["1\n2\n", "2\n"]) {
            assert_eq!(driver.until_ended(reader, seconds(400.0)), None);
            assert_eq!(reader.response.text(), text);
        }
    }
}

#[test]
fn a_deleted_topic_keeps_its_readers_and_a_new_one_does_not_reach_them() {
    let mut driver = Driver::new(V1);
    let mut reader = read(&mut driver, &[]);
    driver.call("DELETE", "topics/t", &[JSON], b"");
    write(&mut driver, &[NDJSON], "1\n");
    assert_eq!(driver.until_ended(&mut reader, seconds(400.0)), None);
    assert_eq!(reader.response.text(), "");
    assert_eq!(read(&mut driver, &[]).response.text(), "1\n");
}

#[test]
fn invalid_utf8_in_topics_is_replaced_on_0_18() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        let bytes = [("content-type", "application/octet-stream")];
        driver.call("POST", "topic/t", &bytes, b"a\xff");
        let body = read(&mut driver, &bytes).response.body();
        assert_eq!(body, pick(generation, "a\u{fffd}".as_bytes(), b"a\xff"));
    }
}
