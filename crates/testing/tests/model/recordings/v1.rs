//! The exchanges that were recorded from a hub of 1.0.1.

use serde_json::{Value, json};

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

pub(crate) const EXCLUDED_COMPOSED: Excluded = &[
    (
        "config",
        "the members depend on the configuration of the hub",
    ),
    (
        "start-failed-object",
        "only hubs from 0.24.0 to 0.36.1 send this response",
    ),
];

const EVENTS: [&str; 2] = [
    "61b8b342-9165-445b-bca3-acc8156045ea",
    "f2641c38-a286-4e9e-84ae-1d9fc7bef8a6",
];
const KEEPALIVE: [&str; 2] = [
    "11111111-2222-4333-8444-555555555555",
    "7b4696d6-e450-417a-a3aa-099cf4200454",
];
const KILLED: [&str; 2] = ["c34b9a11-82ba-442a-9bca-dcff8c1871d1", KEEPALIVE[1]];
/// An instance from a later session of the recorder.
const LATER: [&str; 2] = [
    "7fcac5d9-e316-4445-99e3-c7c7e5536bbc",
    "c9826fd5-ea4f-4aac-8de2-99eb65e2f5c1",
];
const INPUT: [&str; 2] = ["57af4ab1-6d4e-4132-90b6-d24b3a4de609", "the-input-sequence"];
const INOUT: [&str; 2] = ["c2d97667-1af5-4416-b114-fbb050538b29", "the-inout-sequence"];
const STREAMS: [&str; 2] = [
    "108ffa66-5a0a-46ad-a008-71f1a2702150",
    "8b8a08ec-ac94-41f8-b9a3-8bbdfd9a50a1",
];
const THROWS: [&str; 2] = [
    "d99dfeff-92dc-4f76-8647-933c9e14074c",
    "9a9e650d-5354-4f22-8048-2744e587b374",
];
const TWO_ENGINES: &str = "8225e393-5237-465f-b85d-43a2be76fff2";
const OVERWRITTEN: &str = "e5cde247-8e90-4b04-acb8-e64d1532128f";
const FULL_META: &str = "2b5a1aa9-b673-4626-8b67-eb08f1be64fd";

pub(crate) fn recorded() -> Vec<Comparisons> {
    vec![
        rows(
            empty,
            "accept-list-with-space accept-not-acceptable cpm-not-connected entities-empty
             instance-unknown-post instances-empty load-check sequence-get-by-name
             sequence-get-unknown sequence-overwrite-unknown sequence-upload-bad-package-json
             sequence-upload-empty sequence-upload-no-main sequence-upload-wrong-content-type
             sequences-empty start-unknown-sequence status stream-accept-not-acceptable
             topic-create-bad-id topic-create-invalid-json topic-create-no-content-type
             topic-create-no-id topic-create-numeric-id topic-delete-no-content-type
             topic-read-bad-name topic-send-empty-body topics-list-after-start wrong-method",
        ),
        rows(
            empty,
            "sequence-upload-chunked sequence-upload-expect-continue
             sequence-upload-no-package-json",
        )
        .compare(BodyComparison::FreshIds),
        rows(session, "audit").compare(BodyComparison::Lines),
        // Events.
        rows(
            emitted,
            "event-last-array event-last-empty-string event-last-false event-last-null
             event-last-number event-last-object event-last-op-status-not-found
             event-last-op-status-ok event-last-string event-last-true event-last-undefined
             event-last-with-error event-last-with-event-name event-last-with-message
             event-last-zero event-name-encoded event-name-plus-raw",
        ),
        rows(emitted_and_read, "event-last-op-status-not-found-again"),
        rows(
            events,
            "event-once-array event-once-empty-object event-once-empty-string event-once-null
             event-once-number event-once-object event-once-op-status-bogus
             event-once-op-status-not-found event-once-op-status-ok event-once-string
             event-once-true event-once-with-error event-once-with-message event-once-zero
             event-stream",
        )
        .then(|setup| {
            setup.emit_all(EVENTS[0]);
        }),
        rows(
            events,
            "event-send-empty-body event-send-no-content-type event-send-no-message
             event-send-no-name event-send-object event-send-string monitoring-rate
             monitoring-rate-bad",
        ),
        rows(stopped, "event-once-ended"),
        // Instances.
        rows(
            events,
            "instance-accept-not-acceptable instance-health instance-unknown-subroute",
        ),
        rows(events_started, "instance-info-just-started"),
        rows(keepalive_started, "kill-while-starting"),
        rows(
            completed,
            "instance-info-completed stream-output-ended stream-stdout-ended",
        ),
        rows(failed, "instance-info-failed-at-load instances-list"),
        rows(everything, "entities"),
        rows(
            killed,
            "instance-info-killed kill-ended kill-invalid-json kill-invalid-remove-immediately
             kill-no-content-type",
        ),
        rows(keepalive_stopped, "instance-info-stopped"),
        rows(
            keepalive,
            "stop stop-invalid-keepalive stop-invalid-timeout",
        ),
        rows(later, "stop-with-keepalive"),
        rows(later_kept_alive, "stop-timeout-zero"),
        rows(
            stopped,
            "health-ended input-ended stop-array-body stop-ended",
        ),
        rows(streams, "stream-output stream-stderr stream-stdout"),
        rows(streams_started, "stream-log").compare(BodyComparison::Lines),
        rows(
            input,
            "input-chunked-keep-open stdin-end stdin-expect-continue stdin-keep-open
             stdin-wrong-content-type",
        ),
        rows(input_ended, "input-after-end input-output stdin-after-end"),
        rows(inout, "inout"),
        // Sequences.
        rows(
            overwritten,
            "sequence-delete sequence-delete-bad-charset sequence-delete-no-content-type
             sequence-overwrite",
        ),
        rows(
            events,
            "sequence-delete-force sequence-instances sequence-overwrite-in-use
             start-invalid-json start-no-content-type start-text-plain",
        ),
        rows(four_sequences, "sequences-list"),
        rows(
            keepalive,
            "start-duplicate-instance-id start-instance-id-bad-appconfig
             start-short-instance-id",
        ),
        rows(two_engines, "start-two-engines"),
        // Topics.
        rows(topic_cars, "topic-create-duplicate topic-delete"),
        rows(
            topic_birds,
            "topic-read-bad-content-type topic-read-content-type-mismatch topic-send
             topic-send-chunked topic-send-content-type-mismatch
             topic-send-content-type-params topic-send-end-stream topic-send-expect-continue
             topic-send-no-content-type topic-send-no-newline",
        ),
        rows(topic_birds, "topic-read").then(|setup| {
            setup.send_all(&[
                "topic-send",
                "topic-send-expect-continue",
                "topic-send-no-newline",
                "topic-send-chunked",
            ]);
        }),
        rows(three_topics, "topics-list"),
    ]
}

pub(crate) fn composed() -> Vec<Comparisons> {
    vec![
        rows(
            empty,
            "sequence-delete-unknown sequence-instances-unknown topic-create
             topic-delete-unknown version",
        ),
        rows(two_instances, "kill sequence-delete-in-use"),
        rows(keepalive, "start").compare(BodyComparison::FreshIds),
        rows(full_meta, "sequence-get"),
        rows(missing_main, "start-bad-main"),
        rows(overloaded, "start-overloaded"),
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

fn emitted_and_read(setup: &mut Setup) {
    emitted(setup);
    setup.send("event-last-op-status-not-found");
}

fn keepalive_payload() -> Value {
    json!({ "appConfig": { "a": 1 }, "args": ["x", 1, { "o": 2 }, null] })
}

fn keepalive(setup: &mut Setup) {
    setup.sequence(KEEPALIVE[1], "keepalive", json!({}));
    setup.instance(KEEPALIVE[0], KEEPALIVE[1], keepalive_payload());
}

fn keepalive_stopped(setup: &mut Setup) {
    keepalive(setup);
    setup.send("stop");
    setup.wait_millis(2000);
}

fn two_instances(setup: &mut Setup) {
    keepalive(setup);
    setup.instance(KILLED[0], KILLED[1], json!({}));
}

fn killed(setup: &mut Setup) {
    two_instances(setup);
    let path = format!("instance/{}/_kill", KILLED[0]);
    setup.operation(&path, json!({})).wait_millis(1000);
}

fn later(setup: &mut Setup) {
    setup.sequence(LATER[1], "keepalive", json!({}));
    setup.instance(LATER[0], LATER[1], json!({}));
}

fn later_kept_alive(setup: &mut Setup) {
    later(setup);
    setup.wait_millis(1000);
    setup.send("stop-with-keepalive");
    setup.wait_millis(300);
}

fn stopped(setup: &mut Setup) {
    later_kept_alive(setup);
    setup.send("stop-timeout-zero");
    setup.wait_millis(1500);
}

/// Repeats the session in which the audit was recorded.
fn session(setup: &mut Setup) {
    stopped(setup);
    let path = format!("instance/{}/_event", LATER[0]);
    setup.operation(&path, json!([5001, { "eventName": "x" }]));
}

/// Starts an instance with a request, and waits for the response.
fn start(setup: &mut Setup, [instance, sequence]: [&str; 2], name: &str) {
    setup.sequence(sequence, name, json!({}));
    let payload = json!({ "instanceId": instance });
    setup.operation(&format!("sequence/{sequence}/start"), payload);
}

fn events_started(setup: &mut Setup) {
    start(setup, EVENTS, "events");
}

fn keepalive_started(setup: &mut Setup) {
    start(setup, KEEPALIVE, "keepalive");
}

fn failed(setup: &mut Setup) {
    events(setup);
    keepalive(setup);
    setup.sequence(THROWS[1], "throwload", json!({}));
    setup
        .instance(THROWS[0], THROWS[1], json!({}))
        .wait_millis(500);
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
    for stream in ["output", "stdout"] {
        let path = format!("instance/{}/{stream}", STREAMS[0]);
        let mut open = setup.driver.send("GET", &path, &[], b"");
        setup.wait_millis(13_000).driver.read(&mut open);
    }
}

fn input(setup: &mut Setup) {
    setup.sequence(INPUT[1], "input", json!({}));
    setup.instance(INPUT[0], INPUT[1], json!({}));
}

fn input_ended(setup: &mut Setup) {
    input(setup);
    setup.send_all(&["input-chunked-keep-open", "stdin-keep-open", "stdin-end"]);
    let headers = [("content-type", "application/x-ndjson")];
    let path = format!("instance/{}/input", INPUT[0]);
    setup.driver.call("POST", &path, &headers, b"{\"a\":3}\n");
}

fn inout(setup: &mut Setup) {
    setup.sequence(INOUT[1], "inout", json!({}));
    setup.instance(INOUT[0], INOUT[1], json!({}));
}

fn overwritten(setup: &mut Setup) {
    setup.sequence(OVERWRITTEN, "primitive", json!({}));
}

fn full_meta(setup: &mut Setup) {
    let manifest = json!({
        "version": "2.1.0", "description": "desc", "author": "Jane Doe",
        "keywords": ["a", "b"], "args": [{ "type": "string" }],
        "repository": { "type": "git", "url": "https://example.com/x.git" },
    });
    setup.sequence(FULL_META, "fullmeta", manifest);
}

fn two_primitives(setup: &mut Setup) {
    for id in [
        "8a121471-a27e-4a64-8d74-e1b45761d161",
        "d706bf50-fc62-4fd0-aede-f3ee182e067b",
    ] {
        setup.sequence(id, "primitive", json!({}));
    }
}

fn four_sequences(setup: &mut Setup) {
    overwritten(setup);
    full_meta(setup);
    two_primitives(setup);
}

fn two_engines(setup: &mut Setup) {
    let engines = json!({ "node": ">=16", "python3": "3.8" });
    let manifest = json!({ "engines": engines, "version": "" });
    setup.sequence(TWO_ENGINES, "twoengines", manifest);
}

fn everything(setup: &mut Setup) {
    full_meta(setup);
    two_primitives(setup);
    events(setup);
    keepalive(setup);
    let bad_main = "25c248b5-cabe-4041-a74d-211956849a8a";
    setup.sequence(bad_main, "badmain", json!({ "main": "nope.js" }));
    two_engines(setup);
    setup.sequence(THROWS[1], "throwload", json!({}));
    setup
        .instance(THROWS[0], THROWS[1], json!({}))
        .wait_millis(500);
}

fn missing_main(setup: &mut Setup) {
    setup.sequence(KEEPALIVE[1], "keepalive", json!({ "main": "missing.js" }));
}

fn overloaded(setup: &mut Setup) {
    keepalive(setup);
    setup.driver.hub.set_overloaded(true);
}

fn topic(setup: &mut Setup, name: &str, content_type: &str) {
    let body = json!({ "id": name, "content-type": content_type });
    setup.operation("topics", body);
}

fn topic_cars(setup: &mut Setup) {
    topic(setup, "cars", "application/x-ndjson");
}

fn topic_birds(setup: &mut Setup) {
    topic(setup, "birds", "application/x-ndjson");
}

fn three_topics(setup: &mut Setup) {
    topic(setup, "in", "text/plain");
    topic_birds(setup);
    setup.send("topic-send-empty-body");
}
