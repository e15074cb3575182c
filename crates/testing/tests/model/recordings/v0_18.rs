//! The exchanges that were recorded from a hub of 0.18.7.

use serde_json::json;

use super::compare::BodyComparison;
use super::setup::Setup;
use super::{Comparisons, Excluded, rows};

/// Recordings that are not compared, and the reasons.
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

pub(crate) fn recorded() -> Vec<Comparisons> {
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
        .compare(BodyComparison::FreshIds),
        rows(streams_started, "hub-log").compare(BodyComparison::Lines),
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
        .then(|setup| {
            setup.emit_all(EVENTS[0]);
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
        rows(throws, "start-throws-at-load").compare(BodyComparison::FreshIds),
        rows(keepalive, "start-with-config-and-args").compare(BodyComparison::FreshIds),
        // Topics.
        rows(empty, "topic-read").then(|setup| {
            setup.send_all(&["topic-send"]);
            let ndjson = [("content-type", "application/x-ndjson")];
            setup
                .driver
                .call("POST", "topic/birds", &ndjson, b"{\"b\":2}\n");
            setup.send_all(&[
                "topic-send-no-newline",
                "topic-send-chunked",
                "topic-send-content-type-mismatch",
                "topic-send-bad-content-type",
                "topic-send-no-content-type",
                "topic-send-content-type-params",
            ]);
        }),
        rows(empty, "topic-read-bad-name").then(|setup| {
            setup.send("topic-send-bad-name");
        }),
        rows(topic_birds, "topics-list"),
    ]
}

pub(crate) fn composed() -> Vec<Comparisons> {
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

fn empty(_: &mut Setup) {}

fn events(setup: &mut Setup) {
    setup.sequence(EVENTS[1], "events", json!({}));
    setup.instance(EVENTS[0], EVENTS[1], json!({}));
}

fn emitted(setup: &mut Setup) {
    events(setup);
    setup.emit_all(EVENTS[0]);
}

fn keepalive_sequence(setup: &mut Setup) {
    setup.sequence(WITH_ARGS[1], "keepalive", json!({}));
}

fn with_args(setup: &mut Setup) {
    keepalive_sequence(setup);
    let payload = json!({ "appConfig": { "a": 1 }, "args": ["x", 1, { "o": 2 }, null] });
    setup.instance(WITH_ARGS[0], WITH_ARGS[1], payload);
}

fn stop(setup: &mut Setup, id: &str) {
    let body = json!([4001, { "timeout": 700, "canCallKeepalive": false }]);
    setup
        .operation(&format!("instance/{id}/_stop"), body)
        .wait_millis(15_000);
}

fn with_args_stopped(setup: &mut Setup) {
    with_args(setup);
    stop(setup, WITH_ARGS[0]);
}

fn keepalive(setup: &mut Setup) {
    keepalive_sequence(setup);
    setup.instance(KEEPALIVE[0], KEEPALIVE[1], json!({}));
}

fn kept_alive(setup: &mut Setup) {
    keepalive(setup);
    setup.send("stop-with-keepalive");
    setup.wait_millis(300);
}

fn stopped(setup: &mut Setup) {
    kept_alive(setup);
    setup.send("stop-timeout-zero");
    setup.wait_millis(1500);
}

fn kill_sent(setup: &mut Setup) {
    keepalive_sequence(setup);
    setup.instance(KILLED[0], KILLED[1], json!({}));
    setup.operation(&format!("instance/{}/_kill", KILLED[0]), json!({}));
}

fn killed(setup: &mut Setup) {
    kill_sent(setup);
    setup.wait_millis(1500);
}

fn throws(setup: &mut Setup) {
    setup.sequence(THROWS[1], "throwload", json!({}));
}

fn failed(setup: &mut Setup) {
    throws(setup);
    setup
        .instance(THROWS[0], THROWS[1], json!({}))
        .wait_millis(500);
}

fn bad_main(setup: &mut Setup) {
    setup.sequence(BAD_MAIN[1], "badmain", json!({ "main": "nope.js" }));
}

fn two_engines(setup: &mut Setup) {
    let engines = json!({ "node": ">=16", "python3": "3.8" });
    setup.sequence(TWO_ENGINES[1], "twoengines", json!({ "engines": engines }));
}

fn four_instances(setup: &mut Setup) {
    events(setup);
    with_args(setup);
    bad_main(setup);
    two_engines(setup);
    for [instance, sequence] in [BAD_MAIN, TWO_ENGINES] {
        setup.instance(instance, sequence, json!({}));
    }
}

fn streams(setup: &mut Setup) {
    setup.sequence(STREAMS[1], "streams", json!({}));
    setup.instance(STREAMS[0], STREAMS[1], json!({ "args": [5, 300] }));
}

fn streams_started(setup: &mut Setup) {
    streams(setup);
    setup.wait_millis(1000);
}

fn completed(setup: &mut Setup) {
    streams(setup);
    setup.wait_millis(13_000);
}

fn input(setup: &mut Setup) {
    setup.sequence(INPUT[1], "input", json!({}));
    setup.instance(INPUT[0], INPUT[1], json!({}));
}

fn input_ended(setup: &mut Setup) {
    input(setup);
    setup.send_all(&["input-chunked-keep-open", "input-end"]);
}

fn uploaded(setup: &mut Setup) {
    setup.sequence(UPLOADED, "primitive", json!({}));
}

fn three_sequences(setup: &mut Setup) {
    events(setup);
    setup.sequence(ANOTHER, "primitive", json!({}));
    let bare = json!({ "name": "", "version": "", "engines": {} });
    setup.sequence(UPLOADED, "primitive", bare);
}

fn overloaded(setup: &mut Setup) {
    setup.sequence(NOT_STARTED, "keepalive", json!({}));
    setup.driver.hub.set_overloaded(true);
}

fn topic_birds(setup: &mut Setup) {
    setup.send("topic-send");
}
