//! `start`, and the list of instances.

use std::io::{BufRead, BufReader};
use std::thread;
use std::time::Duration;

use scramjet_client_blocking::transport::{Phase, TransportError};
use scramjet_client_blocking::types::SequenceRef;
use scramjet_client_blocking::{ErrorCode, ErrorKind, HostClient, Input, StartOptions, Version};
use scramjet_client_tests::hub::{Hub, shared};
use scramjet_client_tests::scripted::{refused_url, response};
use scramjet_client_tests::{on_each_hub, package};
use serde_json::json;

use crate::helpers::{client_1x, recording, serving};
use crate::samples::{Uploaded, unknown_sequence};

on_each_hub!(start_passes_app_config_and_args_unchanged);
fn start_passes_app_config_and_args_unchanged(host: HostClient) {
    let sequence = Uploaded::sample(&host, "args");
    #[derive(serde::Serialize)]
    struct Config {
        deep: Vec<Option<f64>>,
    }
    let options = StartOptions::new()
        .app_config(Config {
            deep: vec![Some(1.5), None],
        })
        .arg("x")
        .args([1, 2])
        .arg(json!({ "y": null, "ż": [] }));
    for (options, seen) in [
        (
            StartOptions::new(),
            r#"{"config":null,"args":[]}"#.to_owned(),
        ),
        (
            options,
            r#"{"config":{"deep":[1.5,null]},"args":["x",1,2,{"y":null,"ż":[]}]}"#.to_owned(),
        ),
    ] {
        let instance = sequence.start(&options).unwrap();
        assert_eq!(instance.last_event("started").unwrap().data, json!(seen));
        let mut line = String::new();
        BufReader::new(instance.output().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line.trim_end(), seen);
    }
}

on_each_hub!(list_instances_and_instance_find_started_instances);
fn list_instances_and_instance_find_started_instances(host: HostClient) {
    let sequence = Uploaded::sample(&host, "events");
    let first = sequence.start(&StartOptions::new()).unwrap();
    let second = sequence.start(&StartOptions::new()).unwrap();
    assert!(
        first
            .started()
            .is_some_and(|started| started.id == *first.id())
    );

    let mut listed = sequence.list_instances().unwrap();
    listed.sort();
    let mut started = vec![first.id().clone(), second.id().clone()];
    started.sort();
    assert_eq!(listed, started);
    assert!(
        host.list_instances()
            .unwrap()
            .iter()
            .any(|info| info.id == *first.id())
    );

    let elsewhere = HostClient::new(format!("{}/", host.base_url())).unwrap();
    for instance in [
        sequence.instance(first.id()).unwrap(),
        sequence
            .instance_on(first.id().as_str(), &elsewhere)
            .unwrap(),
    ] {
        let info = instance.info().unwrap();
        assert_eq!(info.id, *first.id());
        assert_eq!(
            info.sequence.as_ref().map(SequenceRef::id),
            Some(sequence.id())
        );
        assert!(info.created.is_some());
        assert!(instance.started().is_none());
        assert!(instance.health().unwrap().healthy);
    }
}

#[test]
fn start_on_an_overloaded_hub_fails_with_is_overloaded() {
    if !shared().is_some_and(|hub| hub.is_local()) {
        return;
    }
    let hub = Hub::start_overloaded().unwrap();
    let host = HostClient::new(hub.url()).unwrap();
    let sequence = Uploaded::sample(&host, "shout");
    let error = sequence.start(&StartOptions::new()).unwrap_err();
    assert!(error.is_overloaded(), "{error:?}");
    assert_eq!(
        error.api().map(|refusal| &refusal.code),
        Some(&ErrorCode::InsufficientResources)
    );
    drop(sequence);
    hub.stop().unwrap();
}

on_each_hub!(overwrite_and_new_start_options_are_unsupported_on_0_18);
fn overwrite_and_new_start_options_are_unsupported_on_0_18(host: HostClient) {
    if host.dialect().unwrap().has(Version::new(0, 19, 0)) {
        return eprintln!(
            "SKIPPED overwrite_and_new_start_options_are_unsupported_on_0_18: \
             this hub is not of 0.18"
        );
    }
    // This client does not know the version yet, so it requests it from the hub.
    let host = HostClient::new(host.base_url()).unwrap();
    let sequence = Uploaded::sample(&host, "shout");
    let chosen = StartOptions::new().instance_id("11111111-2222-4333-8444-555555555555");
    for error in [
        sequence.overwrite(package::sequence("echo")).unwrap_err(),
        sequence.start(&chosen).unwrap_err(),
        sequence
            .start(&StartOptions::new().input_topic("x"))
            .unwrap_err(),
        sequence
            .start(&StartOptions::new().output_topic("x"))
            .unwrap_err(),
    ] {
        assert!(error.is_unsupported(), "{error:?}");
        assert!(error.to_string().contains("0.18.7"), "{error}");
    }
    assert_eq!(sequence.info().unwrap().config.name, "shout");
    assert!(sequence.list_instances().unwrap().is_empty());
}

/// Real hubs announce 5 seconds of keep-alive, and close idle connections after 6. Fake hubs do
/// not.
#[test]
fn start_works_after_the_connection_was_idle() {
    let Some(hub) = shared() else { return };
    let idle = [
        2900, 2990, 3010, 4990, 5000, 5010, 5500, 5980, 5990, 5995, 6000, 6005, 6010, 6020, 6100,
        6500,
    ]
    .map(Duration::from_millis);
    thread::scope(|scope| {
        for idle in idle {
            scope.spawn(move || {
                let host = HostClient::from(hub);
                host.version().unwrap();
                thread::sleep(idle);
                let sequence = unknown_sequence(&host);
                let error = sequence.start(&StartOptions::new()).unwrap_err();
                assert!(error.is_not_found(), "after {idle:?}: {error:?}");
            });
        }
    });
}

#[test]
fn start_reports_why_it_cannot_connect() {
    let host = HostClient::new(refused_url()).unwrap();
    let error = host
        .sequence("x")
        .unwrap()
        .start(&StartOptions::new())
        .unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Transport(TransportError {
                phase: Phase::Connect,
                ..
            })
        ),
        "{error:?}"
    );
    assert!(format!("{error:?}").contains("refused"), "{error:?}");
}

#[test]
fn start_returns_the_error_message_of_the_hub() {
    let page = "<html><head><title>502 Bad Gateway</title></head></html>";
    for (status, body, says) in [
        ("404 Not Found", "Not Found", "404 NOT_FOUND: Not Found"),
        (
            "500 Oh",
            r#"{"error":{"code":"PRERUNNER_ERROR","message":"Bad package"}}"#,
            "500 PRERUNNER_ERROR: Bad package",
        ),
        (
            "502 Bad Gateway",
            page,
            "502 SERVER_ERROR: HTML page (502 Bad Gateway)",
        ),
    ] {
        let server = serving(move |_| response(status, &[], body.as_bytes()));
        let error = HostClient::new(server.url())
            .unwrap()
            .sequence("x")
            .unwrap()
            .start(&StartOptions::new())
            .unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(
            error
                .api()
                .map(|refusal| String::from_utf8_lossy(&refusal.body).into_owned())
                .as_deref(),
            Some(body)
        );
    }
}

#[test]
fn start_and_send_stdin_do_not_affect_the_next_call() {
    let (server, requests) = recording(br#"{"id":"i"}"#);
    let host = client_1x(&server);
    let sequence = host.sequence("x").unwrap();
    let options = StartOptions::new().app_config(json!({ "a": 1 })).arg(2);
    let before = options.clone();
    let instance = sequence.start(&options).unwrap();
    let first = requests.take();
    instance.send_stdin(Input::text("text").end(false)).unwrap();
    assert_eq!(requests.take().header("x-end-stream"), Some("false"));
    assert_eq!(requests.take().target, "/api/v1/instance/i");
    sequence.start(&options).unwrap();
    let second = requests.take();
    assert_eq!((first.headers, first.body), (second.headers, second.body));
    assert_eq!(options, before);
}
