//! Exchanges recorded with a hub of 0.18.7.

use scramjet_client_core::ErrorCode::{
    BadParameters, InsufficientResources, NotFound, Other, PrerunnerError, ServerError,
    UnprocessableEntity,
};
use scramjet_client_core::{Dialect, SequenceId, SequenceRef, StopReply, Version};
use serde_json::{Value, json};

use super::operations::*;
use super::table::Table;
use super::{NEVER_ANSWERED, NEVER_ENDS, NO_ROUTE};

#[test]
fn replies_recorded_from_0_18_7_are_decoded() {
    let t = Table::new("0.18.7", Some(Dialect::of(Version::new(0, 18, 7))));
    any_request(&t);
    sequences(&t);
    starts(&t);
    instances(&t);
    streams(&t);
    events(&t);
    hub(&t);
    topics(&t);
    t.finish();
}

fn any_request(t: &Table) {
    t.decodes("version", version, |hub| {
        hub.dialect() == Dialect::of(Version::new(0, 18, 7)) && hub.service.is_none()
    });
    t.fails(
        "accept-list-with-space",
        version,
        400,
        BadParameters,
        "Invalid content-type",
    );
    t.fails(
        "accept-not-acceptable",
        version,
        400,
        BadParameters,
        "Invalid content-type",
    );
    t.not_sent_by_core("malformed-request", "core has no malformed requests");
    t.not_sent_by_core("non-ascii-path", "core refuses such an id");
    t.not_sent_by_core("unknown-route", NO_ROUTE);
    t.not_sent_by_core("wrong-method", NO_ROUTE);
    t.not_sent_by_core("instance-unknown-subroute", NO_ROUTE);
}

fn sequences(t: &Table) {
    t.fails(
        "sequence-get-unknown",
        get_sequence,
        404,
        NotFound,
        "Not Found",
    );
    t.decodes("sequence-instances", instances_of, |ids| {
        *ids == ["946d707f-53cd-4a87-9b10-258897d1e67d"]
    });
    t.decodes("sequence-upload", upload, |sent| {
        sent.id == "2d1cb1f0-81ea-4e33-a94d-ba8fe578a025" && sent.extra.is_empty()
    });
    t.decodes("sequence-upload-chunked", upload, |sent| {
        sent.id == "7d9f222e-8332-4d66-84d9-84562215bb71"
    });
    t.decodes("sequence-upload-expect-continue", upload, |sent| {
        sent.id == "fb6da5a0-369b-42e7-914f-f1eb113a38eb"
    });
    t.decodes("sequence-upload-no-content-type", upload, |sent| {
        sent.id == "16dd9a5c-3ba3-4361-9b5b-4f2ac2147b34"
    });
    t.fails(
        "sequence-upload-bad-package-json",
        upload,
        422,
        UnprocessableEntity,
        "Unprocessable Entity",
    );
    t.fails(
        "sequence-upload-empty",
        upload,
        422,
        PrerunnerError,
        "Invalid pkg tar.gz archive",
    );
    let garbage = t.fails(
        "sequence-upload-garbage",
        upload,
        422,
        PrerunnerError,
        "Invalid pkg tar.gz archive",
    );
    assert!(garbage.is_unprocessable());
    let missing = "<SequencePackageJSON> decoder failed at key \"main\" with error: undefined \
         is not a valid string";
    t.fails(
        "sequence-upload-no-main",
        upload,
        422,
        UnprocessableEntity,
        missing,
    );
    let missing = "ENOENT: open /srv/sequences/37689062-4bc4-4979-9202-e11babacd834/package.json";
    t.fails(
        "sequence-upload-no-package-json",
        upload,
        422,
        Other("ENOENT".into()),
        missing,
    );
    t.fails(
        "sequence-upload-wrong-content-type",
        upload,
        400,
        BadParameters,
        "Invalid content-type",
    );
    t.fails("sequence-overwrite", overwrite, 404, NotFound, "Not Found");
    t.fails(
        "sequence-overwrite-garbage",
        overwrite,
        404,
        NotFound,
        "Not Found",
    );
    t.fails(
        "sequence-delete-bad-charset",
        delete,
        400,
        BadParameters,
        "Invalid encoding in content-type",
    );
    t.fails(
        "sequence-delete-no-content-type",
        delete,
        400,
        BadParameters,
        "Invalid content-type",
    );
    t.fails(
        "sequence-delete-unknown",
        delete,
        404,
        NotFound,
        "Not Found",
    );
}

fn starts(t: &Table) {
    t.decodes("start-with-config-and-args", start, |started| {
        started.id == "e2762c1a-64f0-4d1b-9228-d6d8c8ca80dd"
            && started.extra["opStatus"] == "OK"
            && started.status.is_none()
    });
    t.decodes("start-throws-at-load", start, |started| {
        started.id == "f183e85c-11d9-497d-8883-3c1d8e752aa1"
    });
    t.unanswered("start-bad-main", NEVER_ANSWERED);
    t.unanswered("start-two-engines", NEVER_ANSWERED);
    t.fails(
        "start-invalid-json",
        start,
        400,
        BadParameters,
        "Could not parse content",
    );
    t.fails(
        "start-no-content-type",
        start,
        400,
        BadParameters,
        "Invalid content-type",
    );
    let overloaded = t.fails(
        "start-overloaded",
        start,
        419,
        InsufficientResources,
        "Insufficient Space on Resource",
    );
    assert!(overloaded.is_overloaded());
    t.fails("start-unknown-sequence", start, 404, NotFound, "Not Found");
}

fn instances(t: &Table) {
    t.decodes("instances-empty", list_instances, Vec::is_empty);
    t.decodes("instances-list", list_instances, |instances| {
        let sequence = SequenceId::new("dbb02e3a-59cd-4010-ac62-3a25da8fbc40")
            .ok()
            .map(SequenceRef::Id);
        instances.len() == 4 && instances[0].sequence == sequence && instances[0].created.is_none()
    });
    t.decodes("instance-info-running", get_instance, |info| {
        let sequence = info.sequence.as_ref().map(SequenceRef::id);
        sequence.is_some_and(|id| *id == "dbb02e3a-59cd-4010-ac62-3a25da8fbc40")
            && info
                .started
                .as_ref()
                .is_some_and(|time| time.as_str() == "2026-11-23T19:29:56.678Z")
            && (&info.status, &info.ended, &info.args) == (&None, &None, &None)
    });
    t.decodes("instance-info-running-with-args", get_instance, |info| {
        info.args == Some(vec![json!("x"), json!(1), json!({ "o": 2 }), Value::Null])
            && info.app_config == Some(json!({ "a": 1 }))
    });
    for gone in [
        "instance-info-completed",
        "instance-info-failed-at-load",
        "instance-info-killed",
        "instance-info-stopped",
    ] {
        t.fails(gone, get_instance, 404, NotFound, "Not Found");
    }
    assert!(
        t.fails("instance-unknown", get_instance, 404, NotFound, "Not Found")
            .is_not_found()
    );
    t.fails(
        "instance-accept-not-acceptable",
        get_instance,
        (400, 500),
        BadParameters,
        "Invalid content-type",
    );
    t.fails("health-ended", health, 404, NotFound, "Not Found");
    t.decodes("kill-again", kill, |answer| {
        *answer == StopReply::Bare(json!({ "opStatus": "Accepted" })) && answer.info().is_none()
    });
    t.fails("kill-ended", kill, 404, NotFound, "Not Found");
    t.fails(
        "kill-invalid-json",
        kill,
        (400, 500),
        BadParameters,
        "Could not parse content",
    );
    t.fails("instance-unknown-post", kill, 404, NotFound, "Not Found");
    t.decodes("stop-timeout-zero", stop, |answer| {
        *answer == StopReply::Bare(json!({ "opStatus": "OK" }))
    });
    t.decodes("stop-with-keepalive", stop, |answer| {
        *answer == StopReply::Bare(json!({ "opStatus": "OK" }))
    });
    let spread = "Spread syntax requires ...iterable[Symbol.iterator] to be a function";
    t.fails("stop-object-body", stop, 500, ServerError, spread);
}

fn streams(t: &Table) {
    t.streams(
        "stream-output",
        "{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n{\"i\":3}\n{\"i\":4}\n",
    );
    t.streams("stream-stdout", "out 0\nout 1\nout 2\nout 3\nout 4\n");
    let text = "{\"t\":\"object\",\"v\":{\"a\":1}}\n{\"t\":\"object\",\"v\":{\"a\":2}}\n{\"t\":\"object\",\"v\":{\"a\":3}}\n{\"t\":\"END\"}\n";
    t.streams("input-output", text);
    t.fails("stream-output-ended", stream, 404, NotFound, "Not Found");
    t.succeeds("input-chunked-keep-open", input);
    t.succeeds("input-end", input);
    t.fails("input-ended", input, 404, NotFound, "Not Found");
    t.fails(
        "input-no-content-type",
        input,
        500,
        ServerError,
        "Internal error occurred",
    );
    let row = t.row("input-after-end");
    assert_eq!(
        row.exchange.response.status.map(|status| status.as_u16()),
        Some(200),
        "the refusal is in the body alone"
    );
    let error = row
        .outcome(&t.hub, &input(&row), |items| items)
        .expect_err("a refusal");
    let error = error.api().unwrap_or_else(|| panic!("{error:?}"));
    let seen = (error.status.as_u16(), &error.code, error.message.as_str());
    assert_eq!(
        seen,
        (
            500,
            &ServerError,
            "Internal error occurred; has this input ended already?"
        )
    );
    t.succeeds("stdin-end", stdin);
    t.succeeds("stdin-keep-open", stdin);
    t.succeeds("stdin-expect-continue", stdin);
    t.fails("stdin-ended", stdin, 404, NotFound, "Not Found");
    t.fails(
        "stdin-wrong-content-type",
        stdin,
        (400, 500),
        BadParameters,
        "Invalid content-type",
    );
}

fn events(t: &Table) {
    t.event("event-last-empty-object", last, json!({}));
    t.event("event-last-empty-string", last, json!(""));
    t.event("event-last-false", last, json!(false));
    t.event(
        "event-last-op-status-bogus",
        last,
        json!({ "opStatus": "Bogus", "x": 1 }),
    );
    t.event(
        "event-last-op-status-ok",
        last,
        json!({ "opStatus": "OK", "x": 1 }),
    );
    t.event("event-last-string", last, json!("s"));
    t.event("event-last-undefined", last, Value::Null);
    t.event("event-last-with-error", last, json!({ "error": "e" }));
    t.event(
        "event-last-with-event-name",
        last,
        json!({ "eventName": "zzz", "message": "inner" }),
    );
    t.event("event-last-zero", last, json!(0));
    t.unanswered(
        "event-name-encoded",
        "no event has this name, and the hub waits for one",
    );
    t.event("event-once-array", once, json!([1, 2]));
    t.event("event-once-empty-object", once, json!({}));
    t.event("event-once-false", once, json!(false));
    t.unanswered(
        "event-once-never",
        "the event was never emitted, and the hub waits for it",
    );
    t.event("event-once-null", once, Value::Null);
    t.event("event-once-number", once, json!(5));
    t.event("event-once-object", once, json!({ "a": 1 }));
    t.event(
        "event-once-op-status-bogus",
        once,
        json!({ "opStatus": "Bogus", "x": 1 }),
    );
    t.event(
        "event-once-op-status-not-found",
        once,
        json!({ "opStatus": "Not Found", "x": 1 }),
    );
    t.event(
        "event-once-op-status-ok",
        once,
        json!({ "opStatus": "OK", "x": 1 }),
    );
    t.event("event-once-string", once, json!("s"));
    t.event("event-once-true", once, json!(true));
    t.event("event-once-with-error", once, json!({ "error": "e" }));
    t.event(
        "event-once-with-event-name",
        once,
        json!({ "eventName": "zzz", "message": "inner" }),
    );
    t.event(
        "event-once-with-message",
        once,
        json!({ "message": "inner" }),
    );
    t.succeeds("event-send-string", send_event);
    t.fails("event-send-ended", send_event, 404, NotFound, "Not Found");
    t.fails(
        "event-send-empty-body",
        send_event,
        500,
        ServerError,
        "Cannot read properties of undefined (reading '1')",
    );
    t.fails(
        "event-send-object-body",
        send_event,
        500,
        ServerError,
        "Cannot read properties of undefined (reading 'eventName')",
    );
    t.fails(
        "event-send-no-content-type",
        send_event,
        (400, 500),
        BadParameters,
        "Invalid content-type",
    );
    t.fails(
        "event-send-no-message",
        send_event,
        500,
        ServerError,
        "Bad message of type 5001",
    );
    t.fails(
        "event-send-object",
        send_event,
        500,
        ServerError,
        "Bad message of type 5001",
    );
    let events = t.partial("event-stream", read_events);
    assert!(events.iter().all(|event| event.name == "ev-stream"));
    let data: Vec<_> = events.into_iter().map(|event| event.data).collect();
    let nested = [
        json!({ "eventName": "zzz", "message": "inner" }),
        json!({ "message": "inner" }),
        json!({ "opStatus": "OK", "x": 1 }),
        json!({ "opStatus": "Not Found", "x": 1 }),
        json!({ "opStatus": "Bogus", "x": 1 }),
        json!({ "error": "e" }),
    ];
    let plain = [
        json!({ "a": 1 }),
        json!([1, 2]),
        json!("s"),
        json!(""),
        json!(5),
        json!(0),
        json!(true),
        json!(false),
        json!(null),
        json!(null),
        json!({}),
    ];
    assert_eq!(data, [plain.as_slice(), &nested].concat());
    t.fails(
        "event-stream-ended",
        read_events,
        404,
        NotFound,
        "Not Found",
    );
    t.succeeds("monitoring-rate", monitoring_rate);
    t.fails(
        "monitoring-rate-bad",
        monitoring_rate,
        500,
        ServerError,
        "Bad message of type 4003",
    );
}

fn hub(t: &Table) {
    t.fails("config", get_config, 404, NotFound, "Not Found");
    t.fails("audit", read_audit, 404, NotFound, "Not Found");
    t.fails("entities", entities, 404, NotFound, "Not Found");
    t.fails("entities-empty", entities, 404, NotFound, "Not Found");
    t.not_sent_by_core(
        "cpm-not-connected",
        "a Manager's version, which core does not request from a hub",
    );
    t.decodes("load-check", load_check, |load| {
        load.fs_size[0].usage == 17.9
            && load.fs_size[0].extra["mount"] == "/"
            && load.cpu_percent.is_some_and(|percent| percent > 99.0)
            && load.load_average.is_none()
    });
    t.incomplete("hub-log", read_log, NEVER_ENDS);
}

fn topics(t: &Table) {
    t.decodes("topics-empty", list_topics, Vec::is_empty);
    t.decodes("topics-list", list_topics, Vec::is_empty);
    t.fails("topic-create", create_topic, 404, NotFound, "Not Found");
    t.fails("topic-delete", delete_topic, 404, NotFound, "Not Found");
    t.fails(
        "topic-delete-unknown",
        delete_topic,
        404,
        NotFound,
        "Not Found",
    );
    for written in [
        "",
        "-bad-content-type",
        "-bad-name",
        "-chunked",
        "-content-type-mismatch",
        "-content-type-params",
        "-empty-body",
        "-end-stream",
        "-no-content-type",
        "-no-newline",
    ] {
        t.succeeds(&format!("topic-send{written}"), send_topic);
    }
    t.fails(
        "topic-read-bad-accept",
        read_topic,
        400,
        BadParameters,
        "Invalid content-type",
    );
    for read in [
        "",
        "-bad-content-type",
        "-bad-name",
        "-content-type-mismatch",
    ] {
        t.incomplete(&format!("topic-read{read}"), read_topic, NEVER_ENDS);
    }
}
