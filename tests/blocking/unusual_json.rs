//! JSON that hubs accept and this client does not write: lone surrogates, and `args` that are no
//! plain array. Such an instance does not hide others, and all calls work.

use scramjet_client_blocking::{HostClient, InstanceInfo, KillOptions, Version};
use scramjet_client_tests::hub::shared;
use scramjet_client_tests::on_each_hub;
use serde_json::{Value, json};

use crate::samples::{PostJson, Uploaded, has, until_killable};

on_each_hub!(info_events_and_kill_work_for_an_instance_with_lone_surrogates);
fn info_events_and_kill_work_for_an_instance_with_lone_surrogates(host: HostClient) {
    let sequence = Uploaded::sample(&host, "events");
    let start = PostJson {
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
    // Hubs of 0.18 list ids only.
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
    let ping = PostJson {
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

fn check_instance(host: &HostClient, args: &str, check: impl Fn(&[Value])) {
    let sequence = Uploaded::sample(host, "events");
    let start = PostJson {
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

on_each_hub!(info_wait_event_and_kill_work_if_args_is_a_string);
fn info_wait_event_and_kill_work_if_args_is_a_string(host: HostClient) {
    check_instance(&host, r#""abc""#, |args| assert_eq!(args, [json!("abc")]));
}

/// Fake hubs do not accept such bodies.
#[test]
fn info_wait_event_and_kill_work_if_args_are_nested_deeply() {
    let Some(hub) = shared() else { return };
    let args = "[".repeat(1000) + &"]".repeat(1000);
    check_instance(&hub.into(), &args, |args| {
        let text = json!(args).to_string();
        assert!(
            text.starts_with("[[[[") && text.contains("[null]"),
            "{text}"
        );
    });
}
