//! Decoders: limits, the end of the body, and bodies of the wrong type.

use std::iter;

use scramjet_client_core::{
    ApiError, Chunks, Decode, DeleteSequence, Dialect, Discard, Endpoint, EventName, GetInstance,
    GetSequence, GetVersion, HubVersion, InstanceHealth, InstanceId, InstanceInfo, Json,
    KillInstance, KillOptions, ListInstances, ListSequences, NextEvent, Operation, OutputStream,
    ReadEvents, ReadStream, Receipt, Reply, ReplyError, SendStdin, SentSequence, SequenceId,
    SequenceInfo, SingleItem, Started, Step, StopReply, Version,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::helpers::{Head, MOST_ITEMS, every_split, hub, old_hub, read};

/// Returns a sequence ID, an instance ID and an event name.
fn ids() -> (SequenceId, InstanceId, EventName) {
    let ids = (
        SequenceId::new("s"),
        InstanceId::new("i"),
        EventName::new("e"),
    );
    (
        ids.0.expect("an id"),
        ids.1.expect("an id"),
        ids.2.expect("a name"),
    )
}

/// Decodes a body fed in one piece, and checks that the decoder stays at its end.
fn decode_all<D: Decode + Default>(body: &[u8]) -> Result<Vec<D::Item>, ReplyError> {
    let mut decoder = D::default();
    decoder.feed(body);
    decoder.end();
    let mut items = Vec::new();
    let result = loop {
        match decoder.next_item() {
            Ok(Step::Item(item)) => items.push(item),
            Ok(Step::End) => break Ok(items),
            Ok(Step::NeedData) => panic!("a complete body needs no more data"),
            Err(error) => break Err(error),
        }
        assert!(items.len() < MOST_ITEMS, "there is no end of items");
    };
    for _ in 0..3 {
        assert!(
            matches!(decoder.next_item(), Ok(Step::End)),
            "a decoder at its end stays there"
        );
    }
    decoder.feed(b"more");
    assert!(
        matches!(decoder.next_item(), Ok(Step::End)),
        "the decoder leaves its end"
    );
    result
}

/// Like [`decode_all`], for exactly one item.
fn single<D: SingleItem + Default>(body: &[u8]) -> Result<D::Item, ReplyError> {
    let mut items = decode_all::<D>(body)?;
    assert_eq!(items.len(), 1);
    Ok(items.remove(0))
}

fn spaces(count: usize) -> Vec<u8> {
    vec![b' '; count]
}

fn limit_of<T>(result: Result<T, ReplyError>) -> usize {
    match result {
        Err(ReplyError::TooLarge { limit, .. }) => limit,
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("a body over the limit was accepted"),
    }
}

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
fn content_length_reserves_no_memory() {
    let head = Head::new(200, "OK").header("content-length", &u64::MAX.to_string());
    let mut reply = head.reply(&hub(), &GetVersion);
    reply.feed(b"{");
    let error = reply.end().expect_err("it was announced longer");
    assert!(
        matches!(
            error,
            ReplyError::Truncated {
                got: 1,
                expected: Some(u64::MAX),
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn discard_fails_over_its_limit() {
    single::<Discard>(&[]).expect("nothing");
    single::<Discard>(&spaces(Discard::LIMIT)).expect("it fits");
    assert_eq!(
        limit_of(single::<Discard>(&spaces(Discard::LIMIT + 1))),
        Discard::LIMIT
    );
    let mut decoder = Discard::default();
    decoder.feed(&spaces(Discard::LIMIT));
    assert_eq!(
        decoder.next_item().expect("it may still end"),
        Step::NeedData
    );
    decoder.feed(b"1");
    assert_eq!(
        limit_of(decoder.next_item()),
        Discard::LIMIT,
        "before the end, which may never come"
    );
    assert_eq!(decoder.next_item().expect("the end"), Step::End);
}

#[test]
fn receipt_keeps_only_the_beginning_of_a_body() {
    let mut decoder = Receipt::default();
    for _ in 0..1000 {
        decoder.feed(&spaces(1000));
    }
    assert!(format!("{decoder:?}").len() < 10_000, "a megabyte was kept");
    decoder.end();
    assert_eq!(decoder.next_item().expect("it means yes"), Step::Item(()));
    assert_eq!(decoder.next_item().expect("the end"), Step::End);
    for yes in [
        "",
        "OK",
        "\r\n",
        "{\"opStatus\":\"OK\"}",
        "note: fine",
        "{\"error\": 1}",
    ] {
        single::<Receipt>(yes.as_bytes()).unwrap_or_else(|error| panic!("{yes:?}: {error}"));
    }
}

#[test]
fn chunks_keep_only_unpulled_bytes() {
    let mut decoder = Chunks::default();
    decoder.feed(b"a");
    decoder.feed(b"");
    decoder.feed(b"bc");
    decoder.end();
    assert_eq!(
        decoder.next_item().expect("a piece"),
        Step::Item(b"a".to_vec())
    );
    assert_eq!(
        decoder.next_item().expect("a piece"),
        Step::Item(b"bc".to_vec())
    );
    assert_eq!(decoder.next_item().expect("the end"), Step::End);
    assert_eq!(decoder.next_item().expect("the end"), Step::End);
    let mut decoder = Chunks::default();
    for _ in 0..1000 {
        decoder.feed(&spaces(1000));
        assert!(
            matches!(decoder.next_item(), Ok(Step::Item(piece)) if piece.len() == 1000),
            "pulled after each feed, it is empty"
        );
        assert_eq!(decoder.next_item().expect("nothing"), Step::NeedData);
    }
}

#[test]
fn api_error_keeps_the_body_up_to_its_limit() {
    let head = Head::new(500, "Internal Server Error");
    let mut reply = head.reply(&hub(), &GetVersion);
    reply.feed(&vec![b'x'; ApiError::BODY_LIMIT - 1]);
    assert!(matches!(reply.next_item(), Ok(Step::NeedData)));
    reply.feed(b"yz and no end");
    let error = reply.next_item().expect_err("not waiting for the end");
    let error = error.api().expect("a refusal");
    assert_eq!(error.body.len(), ApiError::BODY_LIMIT);
    assert_eq!(error.body.last(), Some(&b'y'));
    assert!(
        error.message.chars().count() <= 501 && error.message.ends_with('…'),
        "{}",
        error.message.len()
    );
    reply.feed(b"more");
    assert!(matches!(reply.next_item(), Ok(Step::End)));

    // The same with one large piece, and byte by byte.
    let body = vec![b'x'; ApiError::BODY_LIMIT + 1000];
    for size in [1, 4096, body.len()] {
        let error =
            read(head.reply(&hub(), &GetVersion), body.chunks(size)).expect_err("a refusal");
        assert_eq!(
            error.api().map(|error| error.body.len()),
            Some(ApiError::BODY_LIMIT),
            "pieces of {size}"
        );
    }
    // A body of exactly the limit, which may be complete or not.
    let error = read(
        head.reply(&hub(), &GetVersion),
        [&body[..ApiError::BODY_LIMIT]],
    )
    .expect_err("a refusal");
    assert_eq!(
        error.api().map(|error| error.body.len()),
        Some(ApiError::BODY_LIMIT)
    );
}

#[test]
fn empty_body_decodes_as_null() {
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
fn kill_instance_reply_may_contain_instance_info() {
    let (_, id, _) = ids();
    let operation = KillInstance {
        id: &id,
        options: &KillOptions::new(),
    };
    let answer = |body: &str| {
        every_split(
            &Head::new(202, ""),
            &hub(),
            &operation,
            body.as_bytes(),
            |mut items| items.remove(0),
        )
    };
    let info = answer(r#"{"id":"i","status":"killing","new":1}"#).expect("yes");
    assert_eq!(
        info.info()
            .map(|info| (info.id.as_str(), info.extra["new"].clone())),
        Some(("i", Value::from(1)))
    );
    for bare in [
        r#"{"opStatus":"Accepted"}"#,
        "null",
        "",
        "[]",
        "\"OK\"",
        r#"{"id":5}"#,
    ] {
        assert!(answer(bare).expect("yes").info().is_none(), "{bare}");
    }
}

#[test]
fn types_keep_unknown_members() {
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
fn event_body_unwraps_envelopes_of_old_hubs() {
    let (_, id, name) = ids();
    let event = |hub: &Endpoint, body: &str| {
        let events = every_split(
            &Head::new(200, "OK"),
            hub,
            &NextEvent {
                id: &id,
                name: &name,
            },
            body.as_bytes(),
            |events| events,
        );
        events.map(|mut events| events.remove(0))
    };
    let envelope = r#"{"eventName":"other","message":{"a":1},"more":1}"#;
    let unpacked = event(&old_hub(), envelope).expect("an envelope");
    assert_eq!(
        (unpacked.name.as_str(), unpacked.data),
        ("other", json!({ "a": 1 }))
    );
    let bare = event(&hub(), envelope).expect("data that looks like an envelope");
    assert_eq!(
        (bare.name.as_str(), bare.data.to_string()),
        ("e", envelope.to_owned())
    );
    // Without an envelope since 0.38.0.
    for (minor, in_envelope) in [(37, true), (38, false)] {
        let hub = hub().with_dialect(Dialect::of(Version::new(0, minor, 0)));
        assert_eq!(
            event(&hub, envelope).expect("an event").name == "other",
            in_envelope,
            "0.{minor}.0"
        );
    }
    let error = event(&old_hub(), r#"{"message":"no name"}"#).expect_err("not an envelope");
    assert!(
        matches!(&error, ReplyError::Body { start, .. } if start == r#"{"message":"no name"}"#),
        "{error:?}"
    );
}

#[test]
fn body_that_is_not_utf_8_is_an_error() {
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

#[test]
fn decoders_replace_lone_surrogates() {
    let (_, id, name) = ids();
    let info = r#"{"id":"i","sequence":"s","args":["x\ud83d"],"status":"running"}"#;
    let body = format!("[{info}]");
    let ok = Head::new(200, "OK");
    let list = every_split(&ok, &hub(), &ListInstances, body.as_bytes(), |items| items);
    let list = serde_json::to_value(&list.expect("instances")[0]).expect("JSON");
    assert_eq!(list[0]["args"], json!(["x\u{fffd}"]));
    assert_eq!(list[0]["status"], "running", "the rest is kept");

    let next = NextEvent {
        id: &id,
        name: &name,
    };
    let stream = ReadEvents {
        id: &id,
        name: &name,
    };
    let data = r#"{"a":"\udc22!","b":1}"#;
    let envelope = format!(r#"{{"eventName":"e","message":{data}}}"#);
    for (hub, body) in [(hub(), data), (old_hub(), &envelope)] {
        let one = every_split(&ok, &hub, &next, body.as_bytes(), |items| items);
        let line = format!("{body}\n");
        let many = every_split(&ok, &hub, &stream, line.as_bytes(), |items| items);
        for event in [one, many] {
            let event = event.expect("an event").remove(0);
            assert_eq!(event.data, json!({ "a": "\u{fffd}!", "b": 1 }));
        }
    }

    let refusal = r#"{"error":"no such \ud83d"}"#;
    let error = every_split(
        &Head::new(404, ""),
        &hub(),
        &ListInstances,
        refusal.as_bytes(),
        |items| items,
    );
    let error = error.expect_err("a refusal");
    let error = error.api().expect("a refusal");
    assert_eq!(error.message, "no such \u{fffd}");
    assert_eq!(error.json(), Some(json!({ "error": "no such \u{fffd}" })));
}

#[test]
fn decoders_do_not_overflow_the_stack_for_deep_nesting() {
    const DEPTH: usize = 100_000;
    let (sequence, id, name) = ids();
    let arrays = "[".repeat(DEPTH) + &"]".repeat(DEPTH);
    let objects = r#"{"id":"#.repeat(DEPTH) + "1" + &"}".repeat(DEPTH);
    fn survives<O: Operation>(hub: &Endpoint, operation: &O, body: &str) {
        let result = read(
            Head::new(200, "OK").reply(hub, operation),
            [body.as_bytes()],
        );
        // Values of unknown members may be nested to any depth.
        assert!(
            matches!(result, Ok(_) | Err(ReplyError::Body { .. })),
            "{}",
            O::NAME
        );
        let refusal = read(
            Head::new(400, "Bad Request").reply(hub, operation),
            [body.as_bytes()],
        );
        assert!(matches!(refusal, Err(ReplyError::Api(_))), "{}", O::NAME);
    }
    for body in [
        arrays.as_str(),
        &objects,
        &format!(r#"{{"id":"s","config":{arrays}}}"#),
        &format!(r#"{{"eventName":"e","message":{arrays}}}"#),
    ] {
        survives(&hub(), &GetVersion, body);
        survives(&hub(), &ListSequences, body);
        survives(&hub(), &GetSequence { id: &sequence }, body);
        survives(&hub(), &ListInstances, body);
        survives(&hub(), &GetInstance { id: &id }, body);
        survives(
            &hub(),
            &KillInstance {
                id: &id,
                options: &KillOptions::new(),
            },
            body,
        );
        survives(
            &hub(),
            &NextEvent {
                id: &id,
                name: &name,
            },
            body,
        );
        survives(
            &old_hub(),
            &NextEvent {
                id: &id,
                name: &name,
            },
            body,
        );
    }
    read(
        Head::new(200, "OK").reply(
            &hub(),
            &DeleteSequence {
                id: &sequence,
                force: false,
            },
        ),
        [arrays.as_bytes()],
    )
    .expect("not looked at");
}

/// Feeds one MiB byte by byte and pulls after each byte. Takes too long if feeding or pulling gets
/// slower as the body grows.
#[test]
fn decoders_read_a_megabyte_byte_by_byte() {
    const LENGTH: usize = 1 << 20;
    let (sequence, id, name) = ids();
    let mut json = vec![b'x'; LENGTH];
    (json[0], json[LENGTH - 1]) = (b'"', b'"');
    fn bytes<D: Decode>(reply: Reply<D>, body: &[u8]) -> Vec<D::Item> {
        read(reply, body.chunks(1)).unwrap_or_else(|error| panic!("{error}"))
    }
    let ok = Head::new(200, "OK");
    let events = bytes(
        ok.reply(
            &hub(),
            &NextEvent {
                id: &id,
                name: &name,
            },
        ),
        &json,
    );
    assert_eq!(events[0].data.as_str().map(str::len), Some(LENGTH - 2));
    assert_eq!(
        bytes(
            ok.reply(
                &hub(),
                &ReadStream {
                    id: &id,
                    stream: OutputStream::Log
                }
            ),
            &json
        )
        .len(),
        LENGTH
    );
    assert_eq!(
        bytes(ok.reply(&hub(), &SendStdin { id: &id, end: None }), &json),
        [()]
    );
    assert_eq!(
        bytes(
            ok.reply(
                &hub(),
                &DeleteSequence {
                    id: &sequence,
                    force: false
                }
            ),
            &json
        ),
        [()]
    );
}

#[test]
fn single_item_decoders_wait_for_the_end_of_the_body() {
    let (sequence, id, name) = ids();
    fn waits<O: Operation<Decoder: SingleItem>>(operation: &O, body: &[u8]) {
        let mut reply = Head::new(200, "OK").reply(&hub(), operation);
        for piece in iter::once(&[][..]).chain(body.chunks(1)) {
            reply.feed(piece);
            assert!(
                matches!(reply.next_item(), Ok(Step::NeedData)),
                "{}",
                O::NAME
            );
        }
        reply.end().expect("a complete body");
        assert!(
            matches!(reply.next_item(), Ok(Step::Item(_))),
            "{}",
            O::NAME
        );
        assert!(matches!(reply.next_item(), Ok(Step::End)), "{}", O::NAME);
    }
    waits(&GetVersion, br#"{"version":"1"}"#);
    waits(
        &DeleteSequence {
            id: &sequence,
            force: true,
        },
        b"{}",
    );
    waits(&SendStdin { id: &id, end: None }, b"");
    waits(
        &NextEvent {
            id: &id,
            name: &name,
        },
        b"1",
    );
}
