//! Every operation, with all values that make a difference.

use std::time::Duration;

use scramjet_client_core::http::{HeaderName, HeaderValue};
use scramjet_client_core::*;
use serde_json::{Value, json};

use super::{Golden, golden, hub};

pub(crate) fn goldens() -> Vec<Golden> {
    let hub = hub().with_dialect(Dialect::LATEST);
    let old = hub
        .clone()
        .with_dialect(Dialect::of(Version::new(0, 18, 7)));
    let new = hub.clone().with_dialect(Dialect::LATEST);
    let last_coded = hub
        .clone()
        .with_dialect(Dialect::of(Version::new(0, 28, 1)));
    let first_plain = hub
        .clone()
        .with_dialect(Dialect::of(Version::new(0, 28, 2)));
    let mut secret = hub.clone();
    let token = HeaderValue::from_static("Bearer s3cret");
    secret
        .set_header(HeaderName::from_static("authorization"), token)
        .expect("a header of the caller");
    let under_prefix = Endpoint::new("https://example.com/hubs/a%20b/api/v1/").expect("a base URL");

    let id = &SequenceId::new("2d1cb1f0-81ea-4e33-a94d-ba8fe578a025").expect("a sequence id");
    let odd = &SequenceId::new("a+b@c!$&'()*,;=:~50%-_.").expect("a sequence id");
    let instance =
        &InstanceId::new("946d707f-53cd-4a87-9b10-258897d1e67d").expect("an instance id");
    let event = &EventName::new("weather+city").expect("an event name");

    let ev = &EventName::new("EV").expect("an event name");
    let topic = &TopicName::new("TOP").expect("a topic name");
    let hub_id = &HubId::new("HUB").expect("a hub id");
    let item = &StoreItemId::new("ITEM").expect("a store item id");
    let space = &SpaceId::new("SP").expect("a space id");

    let manager = &ManagerId::new("M").expect("a manager id");
    let through_hub = hub.manager_of_hub().expect("an endpoint");
    let through_multi_manager = hub.manager_of_multi_manager(manager).expect("an endpoint");
    let through_manager = hub.hub_of_manager(hub_id).expect("an endpoint");
    let through_middleware = secret.manager_of_space(space).expect("an endpoint");
    let through_platform = through_middleware
        .hub_of_manager(hub_id)
        .expect("an endpoint");
    let mut every_hub = DisconnectHubs::id("H").limit(1);
    every_hub.access_key = Some("K".into());
    let absent = &StartOptions::new().app_config(None::<u8>);

    let nothing = &StartOptions::new();
    let usual = &StartOptions::new().app_config(json!({ "a": 1 })).arg(1);
    let every = &StartOptions::new()
        .app_config(json!({ "greeting": "zażółć", "nested": { "list": [1, null] } }))
        .args(["x", "y"])
        .arg(json!({ "o": 2 }))
        .arg(None::<u8>)
        .instance_id("11111111-2222-4333-8444-555555555555")
        .input_topic("cities")
        .output_topic("weather")
        .limits(InstanceLimits::new().memory(512).gpu(true))
        .member("system", json!({ "x": 1 }));
    let of_old_hubs = &StartOptions::new()
        .app_config(json!({}))
        .args([1, 2])
        .member("unknown", true);

    let second = Duration::from_secs(1);
    let stop = |options| StopInstance {
        id: instance,
        options,
    };
    let input = |content_type, end| SendInput {
        id: instance,
        content_type,
        end,
    };
    let in_out = |content_type| InOut {
        id: instance,
        content_type,
    };
    let stdin = |end| SendStdin { id: instance, end };
    let send = |content_type, end| SendTopic {
        name: topic,
        content_type,
        end,
    };
    let emit = |data| SendEvent {
        id: instance,
        name: "EV",
        data,
    };
    let read = |stream| ReadStream {
        id: instance,
        stream,
    };

    vec![
        golden("", &hub, &GetVersion),
        golden("with-token", &secret, &GetVersion),
        golden("under-prefix", &under_prefix, &GetVersion),
        golden("", &hub, &ListSequences),
        golden("", &hub, &GetSequence { id }),
        golden("odd-id", &hub, &GetSequence { id: odd }),
        golden("", &hub, &ListSequenceInstances { id }),
        golden("", &hub, &SendSequence),
        golden("with-token", &secret, &SendSequence),
        golden("", &hub, &OverwriteSequence { id }),
        golden("", &hub, &DeleteSequence { id, force: false }),
        golden("0.18", &old, &DeleteSequence { id, force: false }),
        golden("force", &new, &DeleteSequence { id, force: true }),
        golden(
            "",
            &hub,
            &StartSequence {
                id,
                options: nothing,
            },
        ),
        golden(
            "config-and-args",
            &hub,
            &StartSequence { id, options: usual },
        ),
        golden("every-option", &new, &StartSequence { id, options: every }),
        golden(
            "0.18",
            &old,
            &StartSequence {
                id,
                options: of_old_hubs,
            },
        ),
        golden("with-token", &secret, &StartSequence { id, options: usual }),
        golden("", &hub, &ListInstances),
        golden("", &hub, &GetInstance { id: instance }),
        golden("", &hub, &GetInstanceHealth { id: instance }),
        golden(
            "",
            &hub,
            &KillInstance {
                id: instance,
                options: &KillOptions::new(),
            },
        ),
        golden(
            "remove-immediately",
            &hub,
            &KillInstance {
                id: instance,
                options: &KillOptions::new().remove_immediately(true),
            },
        ),
        golden("", &hub, &stop(&StopOptions::default())),
        golden("1s", &new, &stop(&StopOptions::new(second))),
        golden(
            "1s-keepalive",
            &new,
            &stop(&StopOptions::new(second).can_call_keepalive(true)),
        ),
        golden("0.28.2-1s", &first_plain, &stop(&StopOptions::new(second))),
        golden("0.28.1-1s", &last_coded, &stop(&StopOptions::new(second))),
        golden(
            "0.18-1s-keepalive",
            &old,
            &stop(&StopOptions::new(second).can_call_keepalive(true)),
        ),
        golden(
            "0.18-at-once",
            &old,
            &stop(&StopOptions::new(Duration::ZERO)),
        ),
        golden(
            "longest",
            &new,
            &stop(&StopOptions::new(Duration::from_millis(0x7fff_ffff))),
        ),
        golden("text", &hub, &input(ContentType::Text, None)),
        golden("text-end", &hub, &input(ContentType::Text, Some(true))),
        golden(
            "text-keep-open",
            &hub,
            &input(ContentType::Text, Some(false)),
        ),
        golden("bytes", &hub, &input(ContentType::Bytes, None)),
        golden("bytes-end", &hub, &input(ContentType::Bytes, Some(true))),
        golden(
            "bytes-keep-open",
            &hub,
            &input(ContentType::Bytes, Some(false)),
        ),
        golden("ndjson", &hub, &input(ContentType::Ndjson, None)),
        golden("ndjson-end", &hub, &input(ContentType::Ndjson, Some(true))),
        golden(
            "ndjson-keep-open",
            &hub,
            &input(ContentType::Ndjson, Some(false)),
        ),
        golden("text", &hub, &in_out(ContentType::Text)),
        golden("bytes", &hub, &in_out(ContentType::Bytes)),
        golden("ndjson", &new, &in_out(ContentType::Ndjson)),
        golden("", &hub, &stdin(None)),
        golden("end", &hub, &stdin(Some(true))),
        golden("keep-open", &hub, &stdin(Some(false))),
        golden("stdout", &hub, &read(OutputStream::Stdout)),
        golden("stderr", &hub, &read(OutputStream::Stderr)),
        golden("output", &hub, &read(OutputStream::Output)),
        golden("log", &hub, &read(OutputStream::Log)),
        golden(
            "",
            &hub,
            &NextEvent {
                id: instance,
                name: event,
            },
        ),
        golden(
            "0.18",
            &old,
            &NextEvent {
                id: instance,
                name: event,
            },
        ),
        golden(
            "",
            &hub,
            &LastEvent {
                id: instance,
                name: event,
            },
        ),
        golden(
            "0.18",
            &old,
            &LastEvent {
                id: instance,
                name: event,
            },
        ),
        golden("through-platform", &through_platform, &GetVersion),
        golden("through-hub", &through_hub, &GetVersion),
        golden("through-multi-manager", &through_multi_manager, &GetVersion),
        golden("through-manager", &through_manager, &GetVersion),
        golden("through-middleware", &through_middleware, &ListHubs),
        golden(
            "no-config-and-args",
            &hub,
            &StartSequence {
                id,
                options: absent,
            },
        ),
        golden("", &hub, &GetStatus),
        golden("", &hub, &GetConfig),
        golden("", &hub, &GetLoadCheck),
        golden("", &hub, &ListEntities),
        golden("", &hub, &ReadLog),
        golden("", &hub, &ReadAudit),
        golden("", &hub, &ListTopics),
        golden(
            "ndjson",
            &hub,
            &CreateTopic {
                name: topic,
                content_type: ContentType::Ndjson,
            },
        ),
        golden(
            "text",
            &new,
            &CreateTopic {
                name: topic,
                content_type: ContentType::Text,
            },
        ),
        golden(
            "text-ndjson",
            &hub,
            &CreateTopic {
                name: topic,
                content_type: ContentType::TextNdjson,
            },
        ),
        golden("", &hub, &DeleteTopic { name: topic }),
        golden("ndjson", &hub, &send(ContentType::Ndjson, None)),
        golden("text-ndjson", &hub, &send(ContentType::TextNdjson, None)),
        golden(
            "text-ndjson",
            &hub,
            &ReadTopic {
                name: topic,
                content_type: ContentType::TextNdjson,
            },
        ),
        golden("bytes", &hub, &send(ContentType::Bytes, None)),
        golden("text-end", &old, &send(ContentType::Text, Some(true))),
        golden(
            "ndjson",
            &hub,
            &ReadTopic {
                name: topic,
                content_type: ContentType::Ndjson,
            },
        ),
        golden(
            "bytes",
            &hub,
            &ReadTopic {
                name: topic,
                content_type: ContentType::Bytes,
            },
        ),
        golden("text", &old, &emit(&json!("msg"))),
        golden("object", &new, &emit(&json!({ "a": [1, null] }))),
        golden("nothing", &new, &emit(&Value::Null)),
        golden(
            "",
            &hub,
            &ReadEvents {
                id: instance,
                name: ev,
            },
        ),
        golden(
            "0.18",
            &old,
            &ReadEvents {
                id: instance,
                name: ev,
            },
        ),
        golden(
            "",
            &hub,
            &SetMonitoringRate {
                id: instance,
                rate: 2,
            },
        ),
        golden("", &hub, &ListHubs),
        golden("", &hub, &GetLoad),
        golden("", &hub, &GetManagerConfig),
        golden("", &hub, &ListAllSequences),
        golden("", &hub, &ListManagerTopics),
        golden("", &hub, &ListStoreItems),
        golden("", &hub, &PutStoreItem { id: None }),
        golden("id", &hub, &PutStoreItem { id: Some(item) }),
        golden("", &hub, &DeleteStoreItem { id: item }),
        golden("", &hub, &ClearStore),
        golden("nothing", &hub, &DisconnectHubs::default()),
        golden("every-option", &hub, &every_hub),
        golden(
            "",
            &hub,
            &DeleteHub {
                id: hub_id,
                force: false,
            },
        ),
        golden(
            "force",
            &hub,
            &DeleteHub {
                id: hub_id,
                force: true,
            },
        ),
        golden("", &hub, &ListManagers),
        golden("", &hub, &GetMultiManagerInfo),
        golden(
            "",
            &hub,
            &StartManager {
                config: &json!({ "id": "M" }),
            },
        ),
        golden("", &hub, &ListSpaces),
        golden("", &secret, &ListAccessKeys { space }),
        golden(
            "",
            &secret,
            &CreateAccessKey {
                space,
                description: Some(" desc "),
            },
        ),
        golden(
            "none",
            &secret,
            &CreateAccessKey {
                space,
                description: None,
            },
        ),
        golden("", &secret, &RevokeAccessKey { space, key: "KEY" }),
        golden("", &secret, &RevokeAllAccessKeys { space }),
    ]
}
