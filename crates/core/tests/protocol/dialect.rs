//! `Endpoint::request` for operations that depend on the version of the hub.

use scramjet_client_core::{
    ContentType, DeleteSequence, Dialect, Endpoint, EventName, InOut, InstanceId, InstanceLimits,
    KillInstance, KillOptions, LastEvent, NextEvent, Operation, OverwriteSequence, ReadEvents,
    RequestError, SequenceId, StartOptions, StartSequence, StopInstance, StopOptions, Version,
};
use serde_json::json;

use crate::helpers::{hub, old_hub};

const UUID: &str = "11111111-2222-4333-8444-555555555555";

fn unsupported<O: Operation>(
    hub: &Endpoint,
    operation: &O,
) -> Option<(&'static str, Version, Version)> {
    match hub.request(operation) {
        Ok(_) => None,
        Err(RequestError::Unsupported {
            operation,
            since,
            hub,
            ..
        }) => Some((operation, since, hub)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn request_is_unsupported_if_the_hub_is_too_old() {
    fn check<O: Operation>(operation: &O, name: &str, (major, minor, patch): (u32, u32, u32)) {
        let since = Version::new(major, minor, patch);
        let hub = Version::new(0, 18, 7);
        assert_eq!(
            unsupported(&old_hub(), operation),
            Some((name_of(name), since, hub)),
            "{name}"
        );
        // The version before it, and the version itself.
        let before = if patch > 0 {
            Version::new(major, minor, patch - 1)
        } else {
            Version::new(major, minor - 1, 999)
        };
        let at = |version| {
            unsupported(&self::hub().with_dialect(Dialect::of(version)), operation).is_some()
        };
        assert!(at(before) && !at(since), "{name} is there since {since}");
        let unknown = self::hub().request(operation).err();
        assert!(
            matches!(unknown, Some(RequestError::DialectUnknown { .. })),
            "{name}: the version has to be found out before: {unknown:?}"
        );
    }
    fn name_of(name: &str) -> &'static str {
        Box::leak(name.to_owned().into_boxed_str())
    }
    let id = &SequenceId::new("s").expect("an id");
    let options = StartOptions::new;
    check(&OverwriteSequence { id }, "overwrite sequence", (0, 38, 0));
    let in_out = InOut {
        id: &InstanceId::new("i").expect("an id"),
        content_type: ContentType::Ndjson,
    };
    check(&in_out, "send input and read output", (0, 29, 0));
    check(
        &DeleteSequence { id, force: true },
        "delete sequence by force",
        (0, 34, 4),
    );
    for (options, name, since) in [
        (
            options().instance_id(UUID),
            "start sequence with instanceId",
            (0, 31, 4),
        ),
        (
            options().input_topic("t"),
            "start sequence with inputTopic",
            (0, 20, 0),
        ),
        (
            options().output_topic("t"),
            "start sequence with outputTopic",
            (0, 20, 0),
        ),
        (
            options().limits(InstanceLimits::new()),
            "start sequence with limits",
            (0, 20, 0),
        ),
        (
            options().arg(1).member("inputTopic", "t"),
            "start sequence with inputTopic",
            (0, 20, 0),
        ),
    ] {
        check(
            &StartSequence {
                id,
                options: &options,
            },
            name,
            since,
        );
    }
}

#[test]
fn request_needs_no_dialect_for_operations_of_every_hub() {
    let id = &SequenceId::new("s").expect("an id");
    let instance = &InstanceId::new("i").expect("an id");
    let options = &StartOptions::new()
        .app_config(json!({}))
        .arg(1)
        .member("system", 1);
    let start = StartSequence { id, options };
    assert_eq!(unsupported(&old_hub(), &start), None);
    hub().request(&start).expect("a start");
    let delete = DeleteSequence { id, force: false };
    hub().request(&delete).expect("a delete");
    let kill = KillInstance {
        id: instance,
        options: &KillOptions::new(),
    };
    hub().request(&kill).expect("a kill");
}

#[test]
fn request_fails_if_the_operation_needs_an_unknown_dialect() {
    fn check<O: Operation<Payload: std::fmt::Debug>>(operation: &O) {
        match hub().request(operation) {
            Err(RequestError::DialectUnknown { operation, .. }) => assert_eq!(operation, O::NAME),
            other => panic!("{}: {other:?}", O::NAME),
        }
        for endpoint in [old_hub(), hub().with_dialect(Dialect::LATEST)] {
            let request = endpoint.request(operation).expect("a request");
            let uri = hub().uri(operation).expect("a URL");
            assert_eq!(*request.uri(), uri, "the URL does not depend on it");
        }
    }
    // Hubs have two formats for these.
    let id = &InstanceId::new("i").expect("an id");
    let name = &EventName::new("e").expect("a name");
    let options = &StopOptions::default();
    check(&StopInstance { id, options });
    check(&NextEvent { id, name });
    check(&LastEvent { id, name });
    check(&ReadEvents { id, name });
}
