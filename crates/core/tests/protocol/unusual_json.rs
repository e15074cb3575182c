//! Unusual JSON: unexpected types, deep nesting, and lone surrogates.

use scramjet_client_core::{
    Decode, DeleteSequence, Endpoint, EventName, GetInstance, GetSequence, GetVersion, InstanceId,
    KillInstance, KillOptions, ListEntities, ListInstances, ListSequences, NextEvent, Operation,
    ReadEvents, ReplyError,
};
use serde_json::json;

use crate::helpers::{Head, every_split, hub, ids, old_hub, read};

/// Reads this body as the response to the operation.
fn decode<O: Operation>(
    operation: &O,
    body: &str,
) -> Result<Vec<<O::Decoder as Decode>::Item>, ReplyError> {
    let reply = Head::new(200, "OK").reply(&hub(), operation);
    read(reply, [body.as_bytes()])
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

#[test]
fn list_instances_survives_odd_arguments_of_one_instance() {
    let deep = nested(5000);
    let instances = format!(
        r#"[{{"id":"a"}},{{"id":"b","args":[1,{deep}],"appConfig":{{"x":{deep},"y":2}}}},
            {{"id":"c","args":"text"}},{{"id":"d","sequenceArgs":{{"x":1}}}},
            {{"id":"e","args":null}}]"#
    );
    let list = decode(&ListInstances, &instances).unwrap().remove(0);
    let ids: Vec<_> = list.iter().map(|info| info.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c", "d", "e"]);
    let args: Vec<_> = list.iter().map(|info| info.args.clone()).collect();
    let deep_args = args[1].as_deref().unwrap();
    assert!(deep_args.len() == 2 && deep_args[0] == 1);
    let depth = deep_args[1].to_string().matches('[').count();
    assert!(depth > 100 && deep_args[1].to_string().contains("[null]"));
    let config = list[1].app_config.as_ref().unwrap();
    assert_eq!(config["y"], 2);
    assert_eq!(args[2], Some(vec![json!("text")]));
    assert_eq!(args[3], Some(vec![json!({ "x": 1 })]));
    assert_eq!(args[4], None);

    let id = InstanceId::new("b").unwrap();
    let info = format!(r#"{{"id":"b","args":{deep}}}"#);
    let get = GetInstance { id: &id };
    assert_eq!(decode(&get, &info).unwrap()[0].id, "b");
    let entities = format!(
        r#"{{"instances":{instances},"sequences":[{{"id":"s","config":{{"repository":{deep}}}}}],
            "topics":[]}}"#
    );
    let entities = decode(&ListEntities, &entities).unwrap().remove(0);
    assert_eq!((entities.instances.len(), entities.sequences.len()), (5, 1));
}

#[test]
fn deeply_nested_event_data_is_an_error() {
    let (id, name) = (InstanceId::new("i").unwrap(), EventName::new("e").unwrap());
    let (id, name) = (&id, &name);
    for (depth, fits) in [(127, true), (128, false), (5000, false)] {
        let text = nested(depth);
        let one = decode(&NextEvent { id, name }, &text);
        let stream = decode(&ReadEvents { id, name }, &format!("{text}\n"));
        for result in [one, stream] {
            match result {
                Ok(events) => {
                    let data = events[0].data.to_string();
                    assert!(fits && data == text, "{depth}");
                }
                Err(error) => {
                    assert!(
                        !fits && matches!(error, ReplyError::Body { .. }),
                        "{error:?}"
                    );
                }
            }
        }
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
