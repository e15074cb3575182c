//! Exchanges recorded with a hub of 1.0.1.

use scramjet_client_core::ErrorCode::{
    BadParameters, Conflict, InvalidConfig, NotFound, Other, PrerunnerError, RequestError,
    ServerError, UnprocessableEntity,
};
use scramjet_client_core::{Dialect, InstanceStatus, SequenceRef, StopReply};
use serde_json::{Value, json};

use super::operations::*;
use super::table::Table;
use super::{FALSY, NEVER_ENDS, NO_ROUTE};

#[test]
fn replies_recorded_from_1_0_1_are_decoded() {
    let t = Table::new("1.0.1", Some(Dialect::LATEST));
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
    t.fails(
        "accept-list-with-space",
        version,
        415,
        RequestError,
        "Invalid content-type",
    );
    t.fails(
        "accept-not-acceptable",
        version,
        415,
        RequestError,
        "Invalid content-type",
    );
    t.not_sent_by_core("malformed-request", "core has no malformed requests");
    t.not_sent_by_core("non-ascii-path", "core refuses such an id");
    t.not_sent_by_core("wrong-method", NO_ROUTE);
    t.not_sent_by_core("instance-unknown-subroute", NO_ROUTE);
}

fn sequences(t: &Table) {
    t.decodes("sequences-empty", list_sequences, Vec::is_empty);
    t.decodes("sequences-list", list_sequences, |sequences| {
        let full = &sequences[1];
        sequences.len() == 4
            && (full.config.name.as_str(), full.config.version.as_str()) == ("fullmeta", "2.1.0")
            && full.config.description.as_deref() == Some("desc")
            && full.config.extra["repository"]
                == json!({ "type": "git", "url": "https://example.com/x.git" })
            && sequences.iter().all(|sequence| {
                sequence.location.as_deref() == Some("STH") && sequence.instances.is_empty()
            })
    });
    t.fails(
        "sequence-get-by-name",
        get_sequence,
        404,
        NotFound,
        "Sequence fullmeta not found",
    );
    let unknown = "Sequence 00000000-0000-4000-8000-000000000000 not found";
    t.fails("sequence-get-unknown", get_sequence, 404, NotFound, unknown);
    t.decodes("sequence-instances", instances_of, |ids| {
        *ids == ["61b8b342-9165-445b-bca3-acc8156045ea"]
    });
    t.decodes("sequence-upload-chunked", upload, |sent| {
        sent.id == "2b5a1aa9-b673-4626-8b67-eb08f1be64fd"
    });
    t.decodes("sequence-upload-expect-continue", upload, |sent| {
        sent.id == "d706bf50-fc62-4fd0-aede-f3ee182e067b"
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
    let missing = "<SequencePackageJSON> decoder failed at key \"main\" with error: undefined \
         is not a valid string";
    t.fails(
        "sequence-upload-no-main",
        upload,
        422,
        UnprocessableEntity,
        missing,
    );
    let missing = "ENOENT: open /srv/sequences/a4d3bc8d-e1d8-4278-a9c5-7185050d4db2/package.json";
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
        415,
        RequestError,
        "Invalid content-type",
    );
    t.decodes("sequence-overwrite", overwrite, |sent| {
        sent.id == "e5cde247-8e90-4b04-acb8-e64d1532128f"
    });
    let in_use = t.fails(
        "sequence-overwrite-in-use",
        overwrite,
        409,
        Conflict,
        "Can't update sequence with instances",
    );
    assert!(in_use.is_conflict());
    let unknown = "Sequence with id: 00000000-0000-4000-8000-000000000000 not found";
    t.fails(
        "sequence-overwrite-unknown",
        overwrite,
        404,
        NotFound,
        unknown,
    );
    t.succeeds("sequence-delete", delete);
    t.succeeds("sequence-delete-force", delete_by_force);
    t.fails(
        "sequence-delete-bad-charset",
        delete,
        400,
        BadParameters,
        "Could not parse content",
    );
    t.fails(
        "sequence-delete-no-content-type",
        delete,
        400,
        BadParameters,
        "Could not parse content",
    );
}

fn starts(t: &Table) {
    t.fails(
        "start-duplicate-instance-id",
        start,
        409,
        Conflict,
        "Instance with a given ID already exists",
    );
    t.fails(
        "start-instance-id-bad-appconfig",
        start,
        500,
        ServerError,
        "Internal Server Error",
    );
    t.fails(
        "start-short-instance-id",
        start,
        500,
        ServerError,
        "Internal Server Error",
    );
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
        "Could not parse content",
    );
    t.fails(
        "start-text-plain",
        start,
        400,
        BadParameters,
        "Could not parse content",
    );
    let engines = "Incorrect config passed to SequenceConfig,'engines' field can't contain \
         more than one element";
    t.fails("start-two-engines", start, 400, InvalidConfig, engines);
    t.fails("start-unknown-sequence", start, 404, NotFound, "Not Found");
}

fn instances(t: &Table) {
    t.decodes("instances-empty", list_instances, Vec::is_empty);
    t.decodes("instances-list", list_instances, |instances| {
        let status: Vec<_> = instances
            .iter()
            .map(|info| {
                info.status
                    .as_ref()
                    .map(InstanceStatus::as_str)
                    .unwrap_or_default()
            })
            .collect();
        let sequence = instances[0].sequence.as_ref().map(|of| of.id().as_str());
        status == ["running", "running", "errored"]
            && sequence == Some("f2641c38-a286-4e9e-84ae-1d9fc7bef8a6")
            && matches!(&instances[0].sequence, Some(SequenceRef::Info(info))
                if info.config.main.as_deref() == Some("index.js"))
            && instances[0].extra["provides"] == ""
            && instances[1]
                .args
                .as_ref()
                .is_some_and(|args| args.len() == 4)
    });
    t.decodes("instance-info-just-started", get_instance, |info| {
        info.status == Some(InstanceStatus::Starting) && info.terminated.is_none()
    });
    let ended = |exitcode, reason: &'static str| {
        move |info: &scramjet_client_core::InstanceInfo| {
            let terminated = info
                .terminated
                .as_ref()
                .map(|how| (how.exitcode, how.reason.as_deref()));
            terminated == Some((Some(exitcode), Some(reason)))
        }
    };
    t.decodes("instance-info-completed", get_instance, |info| {
        ended(-1, "Instance completed")(info)
            && info
                .ended
                .as_ref()
                .is_some_and(|time| time.as_str() == "2026-11-23T19:32:24.624Z")
    });
    t.decodes("instance-info-failed-at-load", get_instance, |info| {
        ended(22, "Sequence failed on start")(info)
            && info.status == Some(InstanceStatus::Errored)
            && info.ended.is_none()
    });
    t.decodes("instance-info-killed", get_instance, |info| {
        ended(137, "Instance killed")(info) && info.status == Some(InstanceStatus::Completed)
    });
    t.decodes("instance-info-stopped", get_instance, |info| {
        ended(138, "Instance stopped")(info)
            && info.app_config == Some(json!({ "a": 1 }))
            && info.id == "11111111-2222-4333-8444-555555555555"
    });
    t.fails(
        "instance-accept-not-acceptable",
        get_instance,
        (415, 500),
        RequestError,
        "Invalid content-type",
    );
    let unknown = "Instance 00000000-0000-4000-8000-000000000000 not found";
    t.fails("instance-unknown-post", kill, 404, NotFound, unknown);
    t.decodes("instance-health", health, |health| {
        health.healthy && health.process_id == Some(18898) && health.extra.is_empty()
    });
    t.decodes("health-ended", health, |health| {
        health.healthy && health.process_id == Some(29528)
    });
    t.fails(
        "kill-ended",
        kill,
        400,
        BadParameters,
        "Instance not running",
    );
    t.fails(
        "kill-while-starting",
        kill,
        400,
        BadParameters,
        "Instance not running",
    );
    t.fails(
        "kill-invalid-remove-immediately",
        kill,
        400,
        BadParameters,
        "Invalid removeImmediately format",
    );
    t.fails(
        "kill-invalid-json",
        kill,
        (400, 500),
        BadParameters,
        "Could not parse content",
    );
    t.fails(
        "kill-no-content-type",
        kill,
        (400, 500),
        BadParameters,
        "Could not parse content",
    );
    let stopping = |answer: &StopReply| {
        answer
            .info()
            .is_some_and(|info| info.status == Some(InstanceStatus::Stopping))
    };
    t.decodes("stop", stop, stopping);
    t.decodes("stop-array-body", stop, stopping);
    t.decodes("stop-timeout-zero", stop, stopping);
    t.decodes("stop-with-keepalive", stop, stopping);
    t.decodes("stop-ended", stop, |answer| {
        stopping(answer) && answer.info().is_some_and(|info| info.ended.is_some())
    });
    t.fails(
        "stop-invalid-keepalive",
        stop,
        400,
        BadParameters,
        "Invalid canCallKeepalive format",
    );
    t.fails(
        "stop-invalid-timeout",
        stop,
        400,
        BadParameters,
        "Invalid timeout format",
    );
}

fn streams(t: &Table) {
    t.streams(
        "stream-output",
        "{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n{\"i\":3}\n{\"i\":4}\n",
    );
    t.streams("stream-stdout", "out 0\nout 1\nout 2\nout 3\nout 4\n");
    t.streams("stream-stderr", "err 0\nerr 1\nerr 2\nerr 3\nerr 4\n");
    t.streams("stream-output-ended", "");
    t.streams("stream-stdout-ended", "");
    t.incomplete("stream-log", stream, "a log never ends");
    let text = "{\"t\":\"object\",\"v\":{\"a\":1}}\n{\"t\":\"object\",\"v\":{\"a\":2}}\n{\"t\":\"object\",\"v\":{\"a\":3}}\n{\"t\":\"END\"}\n";
    t.streams("input-output", text);
    t.succeeds("input-chunked-keep-open", input);
    t.incomplete("input-after-end", input, NEVER_ENDS);
    t.incomplete("input-ended", input, NEVER_ENDS);
    t.incomplete("inout", in_out, "it never ends, not even with the output");
    t.succeeds("stdin-end", stdin);
    t.succeeds("stdin-keep-open", stdin);
    t.succeeds("stdin-expect-continue", stdin);
    t.incomplete("stdin-after-end", stdin, NEVER_ENDS);
    t.fails(
        "stdin-wrong-content-type",
        stdin,
        (415, 500),
        RequestError,
        "Invalid content-type",
    );
}

fn events(t: &Table) {
    t.event("event-last-array", last, json!([1, 2]));
    t.unanswered("event-last-empty-string", FALSY);
    t.unanswered("event-last-false", FALSY);
    t.unanswered("event-last-null", FALSY);
    t.event("event-last-number", last, Value::Null);
    t.event("event-last-object", last, json!({ "a": 1 }));
    let looks_refused = t.fails(
        "event-last-op-status-not-found",
        last,
        404,
        NotFound,
        "Not Found",
    );
    assert_eq!(
        looks_refused.json(),
        Some(json!({ "x": 1, "error": "Not Found" })),
        "the event's data can be had"
    );
    t.event(
        "event-last-op-status-not-found-again",
        last,
        json!({ "x": 1, "error": "Not Found" }),
    );
    t.event("event-last-op-status-ok", last, json!({ "x": 1 }));
    t.event("event-last-string", last, json!("s"));
    t.event("event-last-true", last, Value::Null);
    t.unanswered("event-last-undefined", FALSY);
    t.event("event-last-with-error", last, json!({ "error": "e" }));
    t.event(
        "event-last-with-event-name",
        last,
        json!({ "eventName": "zzz", "message": "inner" }),
    );
    t.event(
        "event-last-with-message",
        last,
        json!({ "message": "inner" }),
    );
    t.unanswered("event-last-zero", FALSY);
    t.unanswered(
        "event-name-encoded",
        "no event has this name, and the hub waits for one",
    );
    t.event("event-name-plus-raw", last, json!({ "plus": true }));
    t.event("event-once-array", once, json!([1, 2]));
    t.event("event-once-empty-object", once, Value::Null);
    t.event("event-once-empty-string", once, Value::Null);
    t.unanswered(
        "event-once-ended",
        "the instance has ended, and the hub waits for an event of it",
    );
    t.event("event-once-null", once, Value::Null);
    t.event("event-once-number", once, Value::Null);
    t.event("event-once-object", once, json!({ "a": 1 }));
    t.fails(
        "event-once-op-status-bogus",
        once,
        500,
        ServerError,
        "Failed to serialize data",
    );
    t.fails(
        "event-once-op-status-not-found",
        once,
        404,
        NotFound,
        "Not Found",
    );
    t.event("event-once-op-status-ok", once, json!({ "x": 1 }));
    t.event("event-once-string", once, json!("s"));
    t.event("event-once-true", once, Value::Null);
    t.event("event-once-with-error", once, json!({ "error": "e" }));
    t.event(
        "event-once-with-message",
        once,
        json!({ "message": "inner" }),
    );
    t.event("event-once-zero", once, Value::Null);
    t.succeeds("event-send-string", send_event);
    t.succeeds("event-send-object", send_event);
    t.succeeds("event-send-no-message", send_event);
    t.fails(
        "event-send-no-name",
        send_event,
        400,
        BadParameters,
        "Invalid format, eventName missing.",
    );
    let script = "undefined is not iterable (cannot read property Symbol(Symbol.iterator))";
    t.fails(
        "event-send-empty-body",
        send_event,
        500,
        ServerError,
        script,
    );
    t.fails(
        "event-send-no-content-type",
        send_event,
        (400, 500),
        BadParameters,
        "Could not parse content",
    );
    let events = t.partial("event-stream", read_events);
    assert!(events.iter().all(|event| event.name == "ev-stream"));
    assert_eq!(events.len(), 17);
    assert_eq!(
        (&events[1].data, &events[3].data, &events[4].data),
        (&json!([1, 2]), &json!({}), &json!(5))
    );
    assert_eq!(
        events[11].data,
        json!({ "eventName": "zzz", "message": "inner" }),
        "data that looks like an envelope is data"
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
    t.decodes("status", get_status, |status| {
        status.cpm.connected.is_none() && status.extra.is_empty()
    });
    t.decodes("entities", entities, |all| {
        all.sequences.len() > 1 && all.topics.is_none()
    });
    t.decodes("entities-empty", entities, |all| {
        all.sequences.is_empty() && all.instances.is_empty()
    });
    t.decodes("load-check", load_check, |load| {
        load.fs_size.len() == 4
            && load.fs_size[0].fs == "/"
            && load.fs_size[0].usage < 1.0
            && load.load_average == Some(5.05)
            && load.cpu_percent.is_none()
    });
    t.incomplete("audit", read_audit, NEVER_ENDS);
    t.fails(
        "stream-accept-not-acceptable",
        read_log,
        415,
        RequestError,
        "Invalid content-type",
    );
    t.not_sent_by_core(
        "cpm-not-connected",
        "a Manager's version, which core does not request from a hub",
    );
}

fn topics(t: &Table) {
    t.decodes("topics-list", list_topics, |topics| {
        topics
            .iter()
            .map(|topic| (topic.name.as_str(), topic.content_type.as_str()))
            .collect::<Vec<_>>()
            == [
                ("in", "text/plain"),
                ("birds", "application/x-ndjson"),
                ("empty", "application/x-ndjson"),
            ]
    });
    t.decodes("topics-list-after-start", list_topics, Vec::is_empty);
    t.fails(
        "topic-create-bad-id",
        create_topic,
        400,
        BadParameters,
        "Topic id incorrect format",
    );
    t.fails(
        "topic-create-duplicate",
        create_topic,
        400,
        BadParameters,
        "Topic with given id already exist",
    );
    t.fails(
        "topic-create-invalid-json",
        create_topic,
        400,
        BadParameters,
        "Could not parse content",
    );
    t.fails(
        "topic-create-no-content-type",
        create_topic,
        400,
        BadParameters,
        "Missing body param: content-type",
    );
    t.fails(
        "topic-create-no-id",
        create_topic,
        400,
        BadParameters,
        "Missing body param: id",
    );
    t.fails(
        "topic-create-numeric-id",
        create_topic,
        500,
        ServerError,
        "Internal Server Error",
    );
    t.succeeds("topic-delete", delete_topic);
    t.fails(
        "topic-delete-no-content-type",
        delete_topic,
        400,
        BadParameters,
        "Could not parse content",
    );
    for written in [
        "",
        "-chunked",
        "-end-stream",
        "-expect-continue",
        "-no-newline",
    ] {
        t.succeeds(&format!("topic-send{written}"), send_topic);
    }
    t.fails(
        "topic-send-content-type-mismatch",
        send_topic,
        500,
        ServerError,
        "Internal error occurred",
    );
    t.fails(
        "topic-send-content-type-params",
        send_topic,
        400,
        BadParameters,
        "Unsupported content-type",
    );
    t.fails(
        "topic-send-no-content-type",
        send_topic,
        400,
        BadParameters,
        "Unsupported content-type",
    );
    t.unanswered(
        "topic-send-empty-body",
        "1.x never answers an empty topic upload",
    );
    t.incomplete("topic-read", read_topic, NEVER_ENDS);
    t.fails(
        "topic-read-bad-content-type",
        read_topic,
        415,
        RequestError,
        "Unsupported content-type",
    );
    t.fails(
        "topic-read-content-type-mismatch",
        read_topic,
        415,
        RequestError,
        "Unsupported content-type",
    );
    t.fails(
        "topic-read-bad-name",
        read_topic,
        400,
        BadParameters,
        "Topic id incorrect format",
    );
}
