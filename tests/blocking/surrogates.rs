//! Values that JavaScript reads and writes, and this library does not write: an instance that has one
//! in its arguments, its events and its log hides no other instance, and can be used like any other.

use scramjet_client_blocking::core::Operation;
use scramjet_client_blocking::core::{Json, Path};
use scramjet_client_blocking::error::RequestError;
use scramjet_client_blocking::http::{HeaderMap, HeaderValue, Method, header};
use scramjet_client_blocking::{Dialect, HostClient, InstanceInfo, KillOptions, Version};
use scramjet_client_tests::hub::shared;
use scramjet_client_tests::on_each_hub;
use serde_json::{Value, json};

use crate::live::{Uploaded, has, until_killable};

/// A request with a body that no `serde_json` writes.
#[derive(Clone, Copy)]
struct Raw<'a> {
    base: &'static str,
    id: &'a str,
    route: &'static str,
    body: &'a str,
}

impl Operation for Raw<'_> {
    const NAME: &'static str = "send raw JSON";
    const METHOD: Method = Method::POST;
    type Payload = Vec<u8>;
    type Decoder = Json<Value>;

    fn path(&self) -> Path {
        Path::new(self.base)
            .value("id", self.id)
            .literal(self.route)
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        Ok(())
    }

    fn payload(&self, _: Dialect) -> Result<Vec<u8>, RequestError> {
        Ok(self.body.into())
    }
}

on_each_hub!(an_instance_with_lone_surrogates_is_used_like_any_other);
fn an_instance_with_lone_surrogates_is_used_like_any_other(host: HostClient) {
    let sequence = Uploaded::sample(&host, "events");
    let start = Raw {
        base: "sequence",
        id: sequence.id().as_str(),
        route: "start",
        body: r#"{"appConfig":{"\udc22":"\ud83d!"},"args":["abc\ud83d","\ud83d\udc22"]}"#,
    };
    let started = host.call(&start).unwrap();
    let id = started["id"].as_str().unwrap();
    let instance = host.instance(id).unwrap();
    let check = |info: &InstanceInfo| {
        assert_eq!(info.args, Some(vec![json!("abc\u{fffd}"), json!("🐢")]));
        assert_eq!(info.app_config, Some(json!({ "\u{fffd}": "\u{fffd}!" })));
    };
    let listed = host.list_instances().unwrap();
    let found = listed.iter().find(|info| info.id == id).unwrap();
    // A hub of 0.18 lists ids alone.
    if found.args.is_some() {
        check(found);
    }
    check(&instance.info().unwrap());
    if has(&host, "list_entities", Version::new(0, 31, 4)) {
        let entities = host.list_entities().unwrap();
        check(
            entities
                .instances
                .iter()
                .find(|info| info.id == id)
                .unwrap(),
        );
    }

    instance.last_event("ready").unwrap();
    let mut pongs = instance.event_stream("pong").unwrap();
    let ping = Raw {
        base: "instance",
        id,
        route: "_event",
        body: r#"[5001,{"eventName":"ping","message":"xyz\ud83d"}]"#,
    };
    host.call(&ping).unwrap();
    let data = json!("xyz\u{fffd}");
    assert_eq!(pongs.next().unwrap().unwrap().data, data);
    assert_eq!(instance.last_event("pong").unwrap().data, data);
    assert_eq!(instance.wait_event("pong").unwrap().data, data);

    until_killable(&instance);
    instance.kill(&KillOptions::new()).unwrap();
    let ended = instance.wait_ended().unwrap();
    assert_eq!(ended.id, id);
    if let Some(info) = &ended.info {
        check(info);
    }
    host.list_instances().unwrap();
}

fn is_used_like_any_other(host: &HostClient, args: &str, check: impl Fn(&[Value])) {
    let sequence = Uploaded::sample(host, "events");
    let start = Raw {
        base: "sequence",
        id: sequence.id().as_str(),
        route: "start",
        body: &format!(r#"{{"args":{args}}}"#),
    };
    let started = host.call(&start).unwrap();
    let id = started["id"].as_str().unwrap();
    let instance = host.instance(id).unwrap();
    check(&instance.info().unwrap().args.unwrap());
    let listed = host.list_instances().unwrap();
    assert!(listed.iter().any(|info| info.id == id));
    instance.wait_event("ready").unwrap();
    until_killable(&instance);
    instance.kill(&KillOptions::new()).unwrap();
    instance.wait_ended().unwrap();
}

on_each_hub!(an_instance_with_a_text_as_arguments_is_used_like_any_other);
fn an_instance_with_a_text_as_arguments_is_used_like_any_other(host: HostClient) {
    is_used_like_any_other(&host, r#""abc""#, |args| assert_eq!(args, [json!("abc")]));
}

/// Fake hubs do not read such bodies.
#[test]
fn an_instance_with_arguments_that_are_nested_deeply_is_used_like_any_other() {
    let Some(hub) = shared() else { return };
    let args = "[".repeat(1000) + &"]".repeat(1000);
    is_used_like_any_other(&hub.into(), &args, |args| {
        let text = json!(args).to_string();
        assert!(
            text.starts_with("[[[[") && text.contains("[null]"),
            "{text}"
        );
    });
}
