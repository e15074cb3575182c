//! Replies to `KillInstance` and `NextEvent` that differ between versions of hubs.

use scramjet_client_core::{
    Dialect, Endpoint, KillInstance, KillOptions, NextEvent, ReplyError, Version,
};
use serde_json::{Value, json};

use crate::helpers::{Head, every_split, hub, ids, old_hub};

#[test]
fn stop_reply_info_returns_the_instance_info_if_there_is_one() {
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
fn next_event_unwraps_envelopes_of_old_hubs() {
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
