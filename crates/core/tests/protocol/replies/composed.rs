//! Exchanges written by hand, because there is no recording.

use scramjet_client_core::{
    Adapter, Dialect, ErrorCode, GetVersion, InstanceStatus, ReplyError, Version,
};
use serde_json::json;

use super::operations::*;
use super::table::Table;

#[test]
fn composed_replies_of_0_18_7_are_decoded() {
    let t = Table::new("composed/0.18.7", Some(Dialect::of(Version::new(0, 18, 7))));
    t.decodes("instance-health", health, |health| {
        health.healthy && health.process_id == Some(18898)
    });
    t.succeeds("sequence-delete", delete);
    t.fails(
        "sequence-delete-in-use",
        delete,
        409,
        ErrorCode::Conflict,
        "Can't remove sequence in use.",
    );
    t.decodes("sequence-get", get_sequence, |sequence| {
        let config = &sequence.config;
        (
            config.name.as_str(),
            config.version.as_str(),
            config.main.as_deref(),
        ) == ("events", "1.0.0", Some("index.js"))
            && config.engines["node"] == ">=16"
            && config.adapter == Some(Adapter::Process)
            && config.extra["sequenceDir"] == "/srv/sequences/dbb02e3a-59cd-4010-ac62-3a25da8fbc40"
            && sequence.instances == ["946d707f-53cd-4a87-9b10-258897d1e67d"]
            && (&sequence.location, &config.language, &config.description) == (&None, &None, &None)
    });
    let unknown = "the hub has no such sequence";
    let unknown = t.fails(
        "sequence-instances-unknown",
        instances_of,
        (404, 500),
        ErrorCode::NotFound,
        unknown,
    );
    assert!(unknown.is_not_found());
    t.decodes("sequences-list", list_sequences, |sequences| {
        let bare = &sequences[2].config;
        sequences.len() == 3
            && bare.name.is_empty()
            && bare.version.is_empty()
            && bare.engines.is_empty()
    });
    t.finish();
}

#[test]
fn composed_replies_of_1_0_1_are_decoded() {
    use ErrorCode::{BadParameters, Conflict, InsufficientResources, NotFound};
    let t = Table::new("composed/1.0.1", Some(Dialect::LATEST));
    t.decodes("version", version, |hub| {
        hub.dialect() == Dialect::LATEST
            && (
                hub.service.as_deref(),
                hub.api_version.as_deref(),
                hub.build.as_deref(),
            ) == (Some("@scramjet/host"), Some("v1"), Some("source"))
    });
    t.decodes("kill", kill, |answer| {
        answer
            .info()
            .is_some_and(|info| info.status == Some(InstanceStatus::Killing))
    });
    t.fails(
        "sequence-delete-in-use",
        delete,
        409,
        Conflict,
        "Can't remove- Sequence in use",
    );
    let unknown = "The sequence 00000000-0000-4000-8000-000000000000 does not exist.";
    t.fails("sequence-delete-unknown", delete, 404, NotFound, unknown);
    t.decodes("sequence-get", get_sequence, |sequence| {
        let config = &sequence.config;
        (
            config.name.as_str(),
            config.version.as_str(),
            config.main.as_deref(),
        ) == ("fullmeta", "2.1.0", Some("index.js"))
            && config.description.as_deref() == Some("desc")
            && config.engines["node"] == ">=16"
            && config.language.as_deref() == Some("js")
            && config.extra["author"] == "Jane Doe"
            && config.extra["keywords"] == json!(["a", "b"])
            && config.extra["args"] == json!([{ "type": "string" }])
            && config.extra["packageSize"] == 582
            && sequence.location.as_deref() == Some("STH")
    });
    let unknown = "Sequence 00000000-0000-4000-8000-000000000000 not found";
    t.fails(
        "sequence-instances-unknown",
        instances_of,
        404,
        NotFound,
        unknown,
    );
    t.decodes("start", start, |started| {
        started.id == "c34b9a11-82ba-442a-9bca-dcff8c1871d1"
            && started.extra["message"] == "Sequence c34b9a11-82ba-442a-9bca-dcff8c1871d1 starting"
    });
    let main = "Sequence entrypoint path missing.js is invalid. Check `main` field in Sequence \
         package.json";
    t.fails("start-bad-main", start, 400, BadParameters, main);
    let error = t.fails("start-failed-object", start, 400, BadParameters, main);
    assert_eq!(
        error.json().map(|json| json["error"]["exitcode"].clone()),
        Some(json!(21))
    );
    let overloaded = t.fails(
        "start-overloaded",
        start,
        419,
        InsufficientResources,
        "Insufficient Space on Resource",
    );
    assert!(overloaded.is_overloaded());
    t.decodes("config", get_config, |config| {
        let host = config.host.as_ref();
        config.runtime_adapter == Some(Adapter::Process)
            && host.and_then(|host| host.port()) == Some(8300)
            && host.is_some_and(|host| host.api_base.as_deref() == Some("/api/v1"))
            && config.extra["timings"]["heartBeatInterval"] == 10000
    });
    t.decodes("topic-create", create_topic, |topic| {
        topic.id == "cars"
            && topic.content_type == "application/x-ndjson"
            && topic.state.as_deref() == Some("pause")
            && topic.extra.contains_key("origin")
    });
    t.fails(
        "topic-delete-unknown",
        delete_topic,
        404,
        NotFound,
        "Topic cars not found",
    );
    t.finish();
}

#[test]
fn composed_replies_of_a_proxy_are_errors() {
    use ErrorCode::{ServerError, UnknownError};
    let t = Table::new("composed/proxy", None);
    t.fails(
        "bad-gateway-empty",
        version,
        502,
        ServerError,
        "Bad Gateway",
    );
    let page = "HTML page (502 Bad Gateway) from a proxy or another web server, which \
         responded instead of the hub";
    t.fails("bad-gateway-html", version, 502, ServerError, page);
    t.fails(
        "server-error-text",
        version,
        500,
        ServerError,
        "something broke",
    );
    let target = "redirect to https://login.example.com/, which the client does not follow; \
                  if the hub is there, use that address as the base URL";
    t.fails("redirect", version, 302, UnknownError, target);

    let row = t.row("ok-html");
    let error = row
        .outcome(&t.hub, &GetVersion, |items| items)
        .expect_err("a page is no version");
    let ReplyError::Body { start, .. } = &error else {
        panic!("{error:?}")
    };
    let page = "<!DOCTYPE html>\n<html>\n<head><title>Sign in</title></head>\n<body><form \
         method=\"post\" action=\"/login\">";
    assert!(
        start.starts_with(page) && start.chars().count() <= 121,
        "{start}"
    );
    t.finish();
}
