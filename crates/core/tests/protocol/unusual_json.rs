//! Unusual values that users of a hub have sent, and that this library would not send.

use std::error::Error;

use scramjet_client_core::{
    Decode, EventName, GetInstance, InstanceId, Json, ListEntities, ListInstances, NextEvent,
    Operation, ReadEvents, ReplyError, Step,
};
use serde::Deserialize;
use serde_json::json;

use crate::helpers::{Head, hub, read};

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

/// serde quotes the name of an unknown variant unchanged.
#[test]
fn json_errors_escape_quoted_variants() {
    #[derive(Debug, Deserialize)]
    enum Known {
        #[allow(dead_code)]
        Known,
    }
    let mut json = Json::<Known>::default();
    json.feed(
        json!("x\n2026-01-01 INFO all is well\u{202e}")
            .to_string()
            .as_bytes(),
    );
    json.end();
    let error = match json.next_item() {
        Err(error) => error.source().unwrap().to_string(),
        Ok(Step::Item(item)) => panic!("{item:?}"),
        Ok(_) => panic!("nothing"),
    };
    let shown = r"unknown variant `x\n2026-01-01 INFO all is well\u{202e}`, expected `Known`";
    assert!(error.starts_with(shown), "{error}");
}
