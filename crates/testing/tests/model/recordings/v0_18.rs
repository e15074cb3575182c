//! The exchanges that were recorded from a hub of 0.18.7.

use serde_json::json;

use super::compare::Body;
use super::scenes::Stage;
use super::{Excluded, Rows, rows};

/// Exchanges that the model does not answer.
pub(crate) const EXCLUDED: Excluded = &[
    (
        "malformed-request",
        "the server around the model answers it, see tests/fake_hub/wire.rs",
    ),
    (
        "non-ascii-path",
        "the server around the model answers it, see tests/fake_hub/wire.rs",
    ),
];

const EVENTS: [&str; 2] = [
    "946d707f-53cd-4a87-9b10-258897d1e67d",
    "dbb02e3a-59cd-4010-ac62-3a25da8fbc40",
];
const WITH_ARGS: [&str; 2] = [
    "e2762c1a-64f0-4d1b-9228-d6d8c8ca80dd",
    "031206e7-35f2-4929-8716-da4deec8efdf",
];
const KEEPALIVE: [&str; 2] = ["4fe12335-312c-4c68-af25-98f72aead248", WITH_ARGS[1]];
const KILLED: [&str; 2] = ["e67eeb68-6985-45aa-ae2f-2685e69a685a", WITH_ARGS[1]];
const INPUT: [&str; 2] = ["64c851b6-a3c1-4329-bbaa-1e4de28e3fc8", "the-input-sequence"];
const STREAMS: [&str; 2] = [
    "9a95c4f3-f3d9-48c8-9abf-6fd43bae699e",
    "the-streams-sequence",
];
const THROWS: [&str; 2] = [
    "f183e85c-11d9-497d-8883-3c1d8e752aa1",
    "34ae2bad-8d10-40e5-8a5f-d159859f530e",
];
const BAD_MAIN: [&str; 2] = [
    "b75992cc-dd3a-41eb-a536-677d22bee5b1",
    "94b59079-8a23-4403-8d10-b07e92352279",
];
const TWO_ENGINES: [&str; 2] = [
    "fb72dfcf-c204-479a-9045-7d956ceaa770",
    "18c6fca9-c9e1-4557-a80f-9c53b27f2d01",
];
const UPLOADED: &str = "2d1cb1f0-81ea-4e33-a94d-ba8fe578a025";
const ANOTHER: &str = "fb6da5a0-369b-42e7-914f-f1eb113a38eb";
const NOT_STARTED: &str = "4e8771b0-bea4-4b70-9f94-aa7e446ccea8";

pub(crate) fn recorded() -> Vec<Rows> {
    vec![
        rows(
            empty,
            "accept-list-with-space accept-not-acceptable audit config cpm-not-connected entities
             entities-empty instance-unknown instance-unknown-post instances-empty load-check
             sequence-delete-unknown sequence-get-unknown sequence-overwrite
             sequence-overwrite-garbage sequence-upload-bad-package-json sequence-upload-empty
             sequence-upload-garbage sequence-upload-no-main sequence-upload-wrong-content-type
             start-unknown-sequence topic-create topic-delete topic-delete-unknown
             topic-read-bad-accept topic-read-bad-content-type
             topic-read-content-type-mismatch topic-send topic-send-bad-content-type
             topic-send-bad-name topic-send-chunked topic-send-content-type-mismatch
             topic-send-content-type-params topic-send-empty-body topic-send-end-stream
             topic-send-no-content-type topic-send-no-newline topics-empty unknown-route version
             wrong-method",
        ),
        rows(
            empty,
            "sequence-upload sequence-upload-chunked sequence-upload-expect-continue
             sequence-upload-no-content-type sequence-upload-no-package-json",
        )
        .compare(Body::FreshIds),
        rows(streams_started, "hub-log").compare(Body::Lines),
        // Events.
        rows(
            emitted,
            "event-last-empty-object event-last-empty-string event-last-false
             event-last-op-status-bogus event-last-op-status-ok event-last-string
             event-last-undefined event-last-with-error event-last-with-event-name
             event-last-zero event-name-encoded event-once-never",
        ),
        rows(
            events,
            "event-once-array event-once-empty-object event-once-false event-once-null
             event-once-number event-once-object event-once-op-status-bogus
             event-once-op-status-not-found event-once-op-status-ok event-once-string
             event-once-true event-once-with-error event-once-with-event-name
             event-once-with-message event-stream",
        )
        .then(|stage| {
            stage.emit_all(EVENTS[0]);
        }),
        rows(
            events,
            "event-send-empty-body event-send-no-content-type event-send-no-message
             event-send-object event-send-object-body event-send-string monitoring-rate
             monitoring-rate-bad",
        ),
        // Instances.
        rows(
            events,
            "instance-accept-not-acceptable instance-info-running instance-unknown-subroute",
        ),
        rows(
            with_args,
            "instance-info-running-with-args stop-object-body",
        ),
        rows(with_args_stopped, "instance-info-stopped"),
        rows(completed, "instance-info-completed stream-output-ended"),
        rows(failed, "instance-info-failed-at-load"),
        rows(kill_sent, "kill-again kill-invalid-json"),
        rows(killed, "instance-info-killed kill-ended"),
        rows(four_instances, "instances-list"),
        rows(keepalive, "stop-with-keepalive"),
        rows(kept_alive, "stop-timeout-zero"),
        rows(
            stopped,
            "event-send-ended event-stream-ended health-ended input-ended stdin-ended",
        ),
        rows(streams, "stream-output stream-stdout"),
        rows(
            input,
            "input-chunked-keep-open input-end input-no-content-type stdin-end
             stdin-expect-continue stdin-keep-open stdin-wrong-content-type",
        ),
        rows(input_ended, "input-after-end input-output"),
        // Sequences.
        rows(
            uploaded,
            "sequence-delete-bad-charset sequence-delete-no-content-type",
        ),
        rows(
            events,
            "sequence-instances start-invalid-json start-no-content-type",
        ),
        rows(bad_main, "start-bad-main"),
        rows(two_engines, "start-two-engines"),
        rows(overloaded, "start-overloaded"),
        rows(throws, "start-throws-at-load").compare(Body::FreshIds),
        rows(keepalive, "start-with-config-and-args").compare(Body::FreshIds),
        // Topics.
        rows(empty, "topic-read").then(|stage| {
            stage.send_all(&["topic-send"]);
            let ndjson = [("content-type", "application/x-ndjson")];
            stage
                .driver
                .call("POST", "topic/birds", &ndjson, b"{\"b\":2}\n");
            stage.send_all(&[
                "topic-send-no-newline",
                "topic-send-chunked",
                "topic-send-content-type-mismatch",
                "topic-send-bad-content-type",
                "topic-send-no-content-type",
                "topic-send-content-type-params",
            ]);
        }),
        rows(empty, "topic-read-bad-name").then(|stage| {
            stage.send("topic-send-bad-name");
        }),
        rows(topic_birds, "topics-list"),
    ]
}

pub(crate) fn composed() -> Vec<Rows> {
    vec![
        rows(empty, "sequence-instances-unknown"),
        rows(
            events,
            "instance-health sequence-delete-in-use sequence-get",
        ),
        rows(uploaded, "sequence-delete"),
        rows(three_sequences, "sequences-list"),
    ]
}

fn empty(_: &mut Stage) {}

fn events(stage: &mut Stage) {
    stage.sequence(EVENTS[1], "events", json!({}));
    stage.instance(EVENTS[0], EVENTS[1], json!({}));
}

fn emitted(stage: &mut Stage) {
    events(stage);
    stage.emit_all(EVENTS[0]);
}

fn keepalive_sequence(stage: &mut Stage) {
    stage.sequence(WITH_ARGS[1], "keepalive", json!({}));
}

fn with_args(stage: &mut Stage) {
    keepalive_sequence(stage);
    let payload = json!({ "appConfig": { "a": 1 }, "args": ["x", 1, { "o": 2 }, null] });
    stage.instance(WITH_ARGS[0], WITH_ARGS[1], payload);
}

fn stop(stage: &mut Stage, id: &str) {
    let body = json!([4001, { "timeout": 700, "canCallKeepalive": false }]);
    stage
        .operation(&format!("instance/{id}/_stop"), body)
        .wait_millis(15_000);
}

fn with_args_stopped(stage: &mut Stage) {
    with_args(stage);
    stop(stage, WITH_ARGS[0]);
}

fn keepalive(stage: &mut Stage) {
    keepalive_sequence(stage);
    stage.instance(KEEPALIVE[0], KEEPALIVE[1], json!({}));
}

fn kept_alive(stage: &mut Stage) {
    keepalive(stage);
    stage.send("stop-with-keepalive");
    stage.wait_millis(300);
}

fn stopped(stage: &mut Stage) {
    kept_alive(stage);
    stage.send("stop-timeout-zero");
    stage.wait_millis(1500);
}

fn kill_sent(stage: &mut Stage) {
    keepalive_sequence(stage);
    stage.instance(KILLED[0], KILLED[1], json!({}));
    stage.operation(&format!("instance/{}/_kill", KILLED[0]), json!({}));
}

fn killed(stage: &mut Stage) {
    kill_sent(stage);
    stage.wait_millis(1500);
}

fn throws(stage: &mut Stage) {
    stage.sequence(THROWS[1], "throwload", json!({}));
}

fn failed(stage: &mut Stage) {
    throws(stage);
    stage
        .instance(THROWS[0], THROWS[1], json!({}))
        .wait_millis(500);
}

fn bad_main(stage: &mut Stage) {
    stage.sequence(BAD_MAIN[1], "badmain", json!({ "main": "nope.js" }));
}

fn two_engines(stage: &mut Stage) {
    let engines = json!({ "node": ">=16", "python3": "3.8" });
    stage.sequence(TWO_ENGINES[1], "twoengines", json!({ "engines": engines }));
}

fn four_instances(stage: &mut Stage) {
    events(stage);
    with_args(stage);
    bad_main(stage);
    two_engines(stage);
    for [instance, sequence] in [BAD_MAIN, TWO_ENGINES] {
        stage.instance(instance, sequence, json!({}));
    }
}

fn streams(stage: &mut Stage) {
    stage.sequence(STREAMS[1], "streams", json!({}));
    stage.instance(STREAMS[0], STREAMS[1], json!({ "args": [5, 300] }));
}

fn streams_started(stage: &mut Stage) {
    streams(stage);
    stage.wait_millis(1000);
}

fn completed(stage: &mut Stage) {
    streams(stage);
    stage.wait_millis(13_000);
}

fn input(stage: &mut Stage) {
    stage.sequence(INPUT[1], "input", json!({}));
    stage.instance(INPUT[0], INPUT[1], json!({}));
}

fn input_ended(stage: &mut Stage) {
    input(stage);
    stage.send_all(&["input-chunked-keep-open", "input-end"]);
}

fn uploaded(stage: &mut Stage) {
    stage.sequence(UPLOADED, "primitive", json!({}));
}

fn three_sequences(stage: &mut Stage) {
    events(stage);
    stage.sequence(ANOTHER, "primitive", json!({}));
    let bare = json!({ "name": "", "version": "", "engines": {} });
    stage.sequence(UPLOADED, "primitive", bare);
}

fn overloaded(stage: &mut Stage) {
    stage.sequence(NOT_STARTED, "keepalive", json!({}));
    stage.driver.hub.set_overloaded(true);
}

fn topic_birds(stage: &mut Stage) {
    stage.send("topic-send");
}
