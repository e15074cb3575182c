//! The messages of all errors and of their causes.

use std::collections::BTreeSet;
use std::error::Error;

use scramjet_client_core::flow::DeleteByForce;
use scramjet_client_core::http::{HeaderName, HeaderValue, header};
use scramjet_client_core::{
    Decode, Endpoint, GetSequence, GetVersion, OverwriteSequence, ReplyError, RequestError,
    SequenceId, StartOptions, TextLines,
};

use crate::helpers::{Head, hub, old_hub, read};
use crate::sans_io::sources;

/// Returns an error of every variant, with its message and the messages of its causes.
fn request_errors() -> Vec<(RequestError, &'static str, &'static [&'static str])> {
    let mut endpoint = hub();
    let id = SequenceId::new("s").expect("an id");
    let too_long = SequenceId::new("s".repeat(70_000)).expect("an id, but for its length");
    let host = endpoint.set_header(header::HOST, HeaderValue::from_static("other"));
    let long = endpoint.set_header(
        HeaderName::from_static("x-long"),
        HeaderValue::try_from("x".repeat(16 << 10)).expect("a value"),
    );
    let option = StartOptions::new().app_config("text").to_body();
    let unsupported = old_hub().request(&OverwriteSequence { id: &id });
    let http = hub().request(&GetSequence { id: &too_long });
    let unknown = DeleteByForce::new(hub(), id.clone());
    vec![
        (
            Endpoint::new("ftp://hub.example/").expect_err("a scheme"),
            "invalid base URL \"ftp://hub.example/\": its scheme is neither http nor https; \
             a hub's address looks like http://localhost:8000/api/v1",
            &[],
        ),
        (
            SequenceId::new("a/b").expect_err("a slash"),
            "invalid sequence id \"a/b\": it contains a character that ends a path segment (one \
             of / \\ ? #)",
            &[],
        ),
        (
            host.expect_err("the connection's"),
            "invalid header \"host\": it describes the connection or the body; the client sets it",
            &[],
        ),
        (
            long.expect_err("long"),
            "invalid header \"x-long\": with it, the headers are longer than the 16 kB that hubs \
             accept",
            &[],
        ),
        (
            option.expect_err("not an object"),
            "invalid option \"appConfig\": a sequence's configuration must be a JSON object",
            &[],
        ),
        (
            RequestError::setting("ca_certificates", "there is no certificate in it"),
            "invalid setting \"ca_certificates\": there is no certificate in it",
            &[],
        ),
        (
            unsupported.expect_err("old"),
            "the hub is too old (version 0.18.7); overwrite sequence requires version 0.38.0 or \
             later",
            &[],
        ),
        (
            unknown.map(drop).expect_err("no version is set"),
            "delete sequence depends on the version of the hub, which is not known yet; \
             request it from the hub, or set it",
            &[],
        ),
        (
            http.expect_err("long"),
            "cannot build the request",
            &["uri too long"],
        ),
    ]
}

fn reply_errors() -> Vec<(ReplyError, &'static str, &'static [&'static str])> {
    let reply = |status, reason| Head::new(status, reason).reply(&hub(), &GetVersion);
    let refused = |status, reason, body: &str| {
        read(reply(status, reason), [body.as_bytes()]).expect_err("a refusal")
    };
    let large = vec![b' '; (4 << 20) + 1];
    let page = "<!DOCTYPE html>\n".to_owned() + &"é".repeat(200);
    let mut not_text = TextLines::default();
    not_text.feed(b"caf\xe9 au lait\n");
    let encoded = Head::new(200, "OK").header("content-encoding", "gzip");
    let five = Head::new(200, "OK").header("content-length", "5");
    let cut_off = read(five.reply(&hub(), &GetVersion), [&b"abc"[..]]).expect_err("cut off");
    vec![
        (
            refused(419, "x", r#"{"opStatus":"Insufficient Space on Resource"}"#),
            "419 INSUFFICIENT_RESOURCES: Insufficient Space on Resource",
            &[],
        ),
        (
            refused(500, "x", "415: Invalid content-type"),
            "415 REQUEST_ERROR: Invalid content-type (received with status 500)",
            &[],
        ),
        (
            refused(503, "Service Unavailable", ""),
            "503 SERVER_ERROR: Service Unavailable",
            &[],
        ),
        (
            refused(200, "OK", &page),
            "the response is not the expected JSON; it begins with \"<!DOCTYPE \
             html>\\nééééééééééééééééééééééééééééééééé\
             ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé…\"",
            &["expected value at line 1 column 1"],
        ),
        (
            refused(200, "OK", "{}"),
            "the response is not the expected JSON; it begins with \"{}\"",
            &["missing field `version` at line 1 column 2"],
        ),
        (
            not_text.next_item().expect_err("not UTF-8"),
            "the response is not UTF-8 text; it begins with \"caf\u{fffd} au lait\"",
            &["invalid utf-8 sequence of 1 bytes from index 3"],
        ),
        (
            read(reply(200, "OK"), [large.as_slice()]).expect_err("large"),
            "the response or a line of it is longer than 4194304 bytes, more than a hub sends \
                 here; the rest was not read",
            &[],
        ),
        (
            read(encoded.reply(&hub(), &GetVersion), []).expect_err("compressed"),
            "the response is encoded (Content-Encoding: gzip), which the client did not request \
             and cannot decode; turn off compression in the proxy in front of the hub",
            &[],
        ),
        (
            cut_off,
            "connection lost while reading the response (got 3 of 5 bytes)",
            &[],
        ),
        (
            reply(200, "OK").cut_off(),
            "connection lost while reading the response (got 0 bytes)",
            &[],
        ),
    ]
}

#[test]
fn error_display_and_sources_match_the_snapshots() {
    fn check<E: Error>(errors: &[(E, &str, &[&str])]) {
        for (error, says, causes) in errors {
            assert_eq!(error.to_string(), *says);
            let mut texts = vec![error.to_string()];
            let mut source = error.source();
            while let Some(cause) = source {
                texts.push(cause.to_string());
                source = cause.source();
            }
            assert_eq!(&texts[1..], *causes, "{says}");
            for (at, text) in texts.iter().enumerate() {
                let others = texts.iter().enumerate().filter(|(other, _)| *other != at);
                assert!(
                    others
                        .into_iter()
                        .all(|(_, other)| !other.contains(text.as_str())),
                    "a message repeats another: {texts:?}"
                );
            }
        }
    }
    check(&request_errors());
    check(&reply_errors());
}

#[test]
fn snapshots_have_every_variant_of_the_errors() {
    let variants = |errors: Vec<String>| -> BTreeSet<String> {
        errors
            .iter()
            .map(|debug| {
                debug
                    .chars()
                    .take_while(char::is_ascii_alphanumeric)
                    .collect()
            })
            .collect()
    };
    let sources = sources();
    let (_, source) = sources
        .iter()
        .find(|(name, _)| name == "error.rs")
        .expect("error.rs");
    let declared = |name: &str| -> BTreeSet<String> {
        let (_, body) = source
            .split_once(&format!("pub enum {name} {{\n"))
            .expect("the declaration");
        let (body, _) = body.split_once("\n}\n").expect("its end");
        let lines = body
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
        lines
            .map(|line| {
                line.chars()
                    .take_while(char::is_ascii_alphanumeric)
                    .collect()
            })
            .collect()
    };
    let request = request_errors()
        .iter()
        .map(|(error, ..)| format!("{error:?}"))
        .collect();
    assert_eq!(declared("RequestError"), variants(request));
    let reply = reply_errors()
        .iter()
        .map(|(error, ..)| format!("{error:?}"))
        .collect();
    assert_eq!(declared("ReplyError"), variants(reply));
}
