//! The decoder `Json`: limit, empty bodies, unknown members, and bodies that are not UTF-8.

use scramjet_client_core::{
    Decode, GetSequence, HubVersion, InstanceHealth, InstanceInfo, Json, NextEvent, ReplyError,
    SentSequence, SequenceInfo, Started, Step, StopReply,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::helpers::{Head, every_split, hub, ids, limit_of, old_hub, single, spaces};

#[test]
fn json_accepts_a_body_of_exactly_the_limit() {
    let limit = Json::<Value>::LIMIT;
    let mut body = spaces(limit);
    body[limit - 1] = b'1';
    assert_eq!(single::<Json<Value>>(&body).expect("it fits"), 1);
    body.insert(0, b' ');
    assert_eq!(limit_of(single::<Json<Value>>(&body)), limit);
}

#[test]
fn json_over_the_limit_fails_before_the_end_and_is_freed() {
    let limit = Json::<Value>::LIMIT;
    let mut decoder = Json::<Value>::default();
    decoder.feed(&spaces(limit));
    assert_eq!(
        decoder.next_item().expect("it may still fit"),
        Step::NeedData
    );
    assert!(
        format!("{decoder:?}").contains(&format!("buffered: {limit}")),
        "{decoder:?}"
    );
    decoder.feed(b"1");
    decoder.feed(&spaces(limit));
    assert!(
        format!("{decoder:?}").contains("buffered: 0"),
        "{decoder:?}"
    );
    assert_eq!(limit_of(decoder.next_item()), limit);
    decoder.feed(b"1");
    decoder.end();
    assert_eq!(decoder.next_item().expect("the end"), Step::End);
    assert!(
        format!("{decoder:?}").contains("buffered: 0"),
        "{decoder:?}"
    );
}

#[test]
fn json_decodes_an_empty_body_as_null() {
    for empty in ["", " ", "\r\n"] {
        assert_eq!(
            single::<Json<Value>>(empty.as_bytes()).expect("null"),
            Value::Null,
            "{empty:?}"
        );
        assert_eq!(
            single::<Json<Option<u8>>>(empty.as_bytes()).expect("null"),
            None,
            "{empty:?}"
        );
        assert_eq!(
            single::<Json<StopReply>>(empty.as_bytes()).expect("yes"),
            StopReply::Bare(Value::Null),
            "{empty:?}"
        );
        let error =
            single::<Json<HubVersion>>(empty.as_bytes()).expect_err("nothing is no version");
        assert!(
            matches!(&error, ReplyError::Body { start, .. } if start.is_empty()),
            "{error:?}"
        );
    }
    let (_, id, name) = ids();
    let event = every_split(
        &Head::new(204, "No content"),
        &hub(),
        &NextEvent {
            id: &id,
            name: &name,
        },
        b"",
        |events| events,
    );
    assert_eq!(
        event
            .map(|events| events[0].data.clone())
            .expect("an event"),
        Value::Null
    );
    // Old hubs send an envelope even without data.
    let event = every_split(
        &Head::new(200, "OK"),
        &old_hub(),
        &NextEvent {
            id: &id,
            name: &name,
        },
        b"",
        |events| events,
    );
    assert!(matches!(event, Err(ReplyError::Body { .. })), "{event:?}");
}

#[test]
fn json_keeps_unknown_members() {
    fn kept<T: DeserializeOwned + Serialize>(sent: Value) {
        let value = single::<Json<T>>(sent.to_string().as_bytes())
            .unwrap_or_else(|error| panic!("{sent}: {error:?}"));
        assert_eq!(serde_json::to_value(&value).expect("JSON"), sent);
    }
    let config = json!({ "name": "n", "version": "1", "engines": { "node": 18, "new": [1] },
        "new": { "a": null }, "type": "docker" });
    let sequence = json!({ "id": "s", "config": config, "instances": ["i"], "new": [1.5, "x"] });
    kept::<SequenceInfo>(sequence.clone());
    kept::<InstanceInfo>(json!({
        "id": "i", "sequence": sequence, "status": "dreaming", "new": false,
        "terminated": { "exitcode": 1, "reason": "r", "new": {} },
    }));
    kept::<InstanceInfo>(json!({ "id": "i", "sequence": "s", "ports": { "80/tcp": 8080 } }));
    kept::<InstanceHealth>(json!({ "healthy": false, "memoryUsage": 1.5, "containerId": "c" }));
    kept::<HubVersion>(json!({ "version": "2", "new": true }));
    kept::<SentSequence>(json!({ "id": "s", "new": 1 }));
    kept::<Started>(json!({ "id": "i", "status": "running", "message": "m" }));
    kept::<StopReply>(json!({ "id": "i", "new": 1 }));
    kept::<StopReply>(json!({ "opStatus": "OK", "new": 1 }));
}

#[test]
fn json_that_is_not_utf_8_is_an_error() {
    let (id, ..) = ids();
    let read = |body| {
        every_split(
            &Head::new(200, "OK"),
            &hub(),
            &GetSequence { id: &id },
            body,
            |items| items,
        )
    };
    for body in [
        &b"\"\xff\""[..],
        b"{\"id\":\"\xc3\"}",
        b"{\"id\":\"s\",\"nobody knows it\":\"\xff\"}",
    ] {
        let result = read(body);
        assert!(
            matches!(result, Err(ReplyError::Text { .. })),
            "{body:?}: {result:?}"
        );
    }
    for body in [
        &b"\xef\xbb\xbf{}"[..],
        b"{\"id\":\"s\"} x",
        b"{",
        b"{\"id\":\"s\"",
        b"'s'",
        b"\0",
    ] {
        let result = read(body);
        assert!(
            matches!(result, Err(ReplyError::Body { .. })),
            "{body:?}: {result:?}"
        );
    }
    // An API error whose body is not UTF-8 is still an API error.
    for body in [&b"\xff\xfe"[..], b"{\"error\":\"\xff\"}"] {
        let result = every_split(
            &Head::new(500, ""),
            &hub(),
            &GetSequence { id: &id },
            body,
            |items| items,
        );
        let error = result.expect_err("a refusal");
        let error = error.api().unwrap_or_else(|| panic!("{error:?}"));
        assert!(
            error.body == body && error.message.contains('\u{fffd}'),
            "{error}"
        );
    }
}
