//! IDs, event names and options that are errors before anything is sent.

use std::sync::Arc;

use scramjet_client_blocking::{
    Error, HostClient, Input, InstanceClient, SequenceClient, StartOptions, StopOptions, Upload,
};
use scramjet_client_tests::scripted::response;
use serde_json::json;

use crate::helpers::{Mailbox, recording, serving};

const NOT_IDS: [&str; 14] = [
    "",
    ".",
    "..",
    "../topics/x",
    "a/b",
    "a\\b",
    "a?b",
    "a#b",
    "a b",
    "a\tb",
    "a\r\nx-c: d",
    "zażółć",
    "%2e%2e",
    "..%2Ftopics",
];

#[test]
fn invalid_ids_and_event_names_are_errors_before_connecting() {
    let (server, _) = recording(b"{}");
    let host = HostClient::new(server.url()).unwrap();
    let sequence = host.sequence("the-sequence").unwrap();
    let instance = host.instance("the-instance").unwrap();
    for name in NOT_IDS {
        let refused = |what: &str, result: Result<(), Error>| {
            let error = result.expect_err(what);
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("invalid {what} {name:?}: ")),
                "{error}"
            );
        };
        refused("sequence id", host.sequence(name).map(drop));
        refused("sequence id", SequenceClient::new(name, &host).map(drop));
        refused("sequence id", host.sequence_info(name).map(drop));
        refused("sequence id", host.delete_sequence(name));
        refused("sequence id", host.force_delete_sequence(name));
        refused("instance id", host.instance(name).map(drop));
        refused("instance id", InstanceClient::new(name, &host).map(drop));
        refused("instance id", host.instance_info(name).map(drop));
        refused("instance id", sequence.instance(name).map(drop));
        refused("instance id", sequence.instance_on(name, &host).map(drop));
        refused("event name", instance.last_event(name).map(drop));
        refused("event name", instance.next_event(name).map(drop));
    }
    for name in ["__proto__", "constructor", "toString"] {
        let error = host.instance(name).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("hubs never respond to a request for it"),
            "{error}"
        );
    }
    assert_eq!(server.connections(), 0);
}

/// Ids in responses are kept unchanged, and checked when they are used.
#[test]
fn invalid_id_from_a_response_is_an_error_when_it_is_used() {
    let targets = Mailbox::new();
    let server = serving({
        let targets = Arc::clone(&targets);
        move |request| {
            targets.put(request.target.clone());
            response("200 OK", &[], br#"{"id":"../topics/x"}"#)
        }
    });
    let host = HostClient::builder(server.url())
        .hub_version("1.0.1")
        .build()
        .unwrap();
    let sequence = host.send_sequence(vec![0x1f, 0x8b]).unwrap();
    assert_eq!(targets.take(), "/api/v1/sequence");
    assert_eq!(sequence.id(), &"../topics/x");
    let refused = |error: Error| {
        assert!(
            error.to_string().contains(": request not sent: invalid "),
            "{error}"
        );
        assert!(error.operation().is_some() && error.url().is_none());
    };
    refused(sequence.start(&StartOptions::new()).unwrap_err());
    refused(sequence.info().unwrap_err());
    refused(sequence.list_instances().unwrap_err());
    refused(sequence.overwrite(vec![0x1f, 0x8b]).unwrap_err());
    refused(sequence.delete().unwrap_err());
    refused(sequence.force_delete().unwrap_err());

    let instance = host
        .sequence("x")
        .unwrap()
        .start(&StartOptions::new())
        .unwrap();
    assert_eq!(targets.take(), "/api/v1/sequence/x/start");
    refused(instance.info().unwrap_err());
    refused(instance.stdout().map(drop).unwrap_err());
    refused(instance.send_input(Input::text("text")).unwrap_err());
    refused(instance.last_event("ready").unwrap_err());
    refused(instance.stop(&StopOptions::default()).unwrap_err());
    assert!(targets.is_empty(), "something was sent");
}

#[test]
fn invalid_or_unsupported_options_are_errors_before_connecting() {
    let (server, _) = recording(b"{}");
    let old = HostClient::builder(server.url())
        .hub_version("0.18.7")
        .build()
        .unwrap();
    let host = HostClient::new(server.url()).unwrap();
    let sequence = host.sequence("x").unwrap();
    for (error, says) in [
        (
            sequence
                .start(&StartOptions::new().app_config(json!([1])))
                .unwrap_err(),
            "invalid option \"appConfig\"",
        ),
        (
            old.sequence("x")
                .unwrap()
                .start(&StartOptions::new().output_topic("t"))
                .unwrap_err(),
            "requires version 0.20.0 or later",
        ),
        (
            old.sequence("x")
                .unwrap()
                .overwrite(Upload::path("/no/such/file"))
                .unwrap_err(),
            "requires version 0.38.0 or later",
        ),
    ] {
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(server.connections(), 0);
}
