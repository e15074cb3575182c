//! Messages escape text of a hub: they have no line breaks and no bidirectional characters.

use std::error::Error;
use std::fmt::Debug;

use scramjet_client_core::flow::FlowError;
use scramjet_client_core::{
    ApiError, Decode, Ended, ErrorCode, Event, GetInstance, GetVersion, InstanceId, InstanceInfo,
    Json, ListSequences, ReplyError, Step, Timestamp,
};
use serde::Deserialize;
use serde_json::json;

use crate::helpers::{Head, hub, read, refusal};

/// Contains a line break, a terminal escape, and characters that change the text direction.
const ODD: &str = "x\n2026-01-01 INFO all is well\u{202e}\u{2066}\u{200f}\u{61c}\u{1b}[2J\u{2028}y";

fn check(text: &str) {
    let is_safe = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            && !matches!(
                c,
                '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}' | '\u{2029}'
            )
    };
    assert!(text.chars().all(is_safe), "{text:?}");
    assert!(
        text.contains(r"\n2026") && text.contains(r"\u{202e}"),
        "{text}"
    );
}

#[test]
fn api_error_display_escapes_text_of_the_hub() {
    let long = format!("{ODD}{}", "z".repeat(2000));
    for text in [ODD, &long] {
        let bodies = [
            text.to_owned(),
            json!({ "error": text }).to_string(),
            json!({ "error": { "message": text } }).to_string(),
            json!({ "error": { "code": "E", "syscall": "open", "path": text } }).to_string(),
            json!({ "opStatus": text }).to_string(),
            json!({ "message": text }).to_string(),
            json!(text).to_string(),
            format!("415: {text}"),
            format!("<html><title>{text}</title>"),
        ];
        for body in bodies {
            let head = Head::new(500, "Oh");
            let error = read(head.reply(&hub(), &ListSequences), [body.as_bytes()]).unwrap_err();
            check(&error.to_string());
        }
    }
    let mut head = Head::new(500, ODD);
    check(&refusal(&head, b"").to_string());
    head.reason.clear();
    let error = refusal(&head, b"{\"error\":{\"code\":\"\\u202e\"}}");
    assert_eq!(error.to_string(), "500 SERVER_ERROR: Internal Server Error");
}

#[test]
fn reply_error_display_and_source_escape_the_body() {
    let id = InstanceId::new("i").unwrap();
    let get = GetInstance { id: &id };
    for body in [
        json!([ODD]).to_string(),
        json!({ "id": "i", "status": [ODD] }).to_string(),
        json!({ "id": "i", "terminated": ODD }).to_string(),
        ODD.to_owned(),
    ] {
        let error = read(Head::new(200, "").reply(&hub(), &get), [body.as_bytes()]).unwrap_err();
        assert!(matches!(error, ReplyError::Body { .. }), "{error:?}");
        let source = error.source().unwrap().to_string();
        for text in [error.to_string(), source] {
            assert!(!text.contains(['\n', '\u{202e}', '\u{1b}']), "{text:?}");
        }
    }
}

#[test]
fn instance_info_and_ended_display_escape_text_of_the_hub() {
    let info: InstanceInfo = serde_json::from_value(json!({
        "id": ODD, "status": ODD, "ended": ODD, "terminated": { "reason": ODD, "exitcode": 1 },
    }))
    .unwrap();
    let time: Timestamp = serde_json::from_value(json!(ODD)).unwrap();
    let status = info.status.as_ref().unwrap();
    let texts = [info.id.to_string(), status.to_string(), time.to_string()];
    texts.iter().for_each(|text| check(text));
    let ended = Ended::of(info).unwrap();
    check(&ended.to_string());
    assert_eq!(ended.id.as_str(), ODD, "the value itself is unchanged");
    let event = Event::new(ODD, json!({ "a": ODD }));
    let error = FlowError::FailedEvent(event.into()).to_string();
    assert!(!error.contains(['\n', '\u{202e}', '\u{1b}']), "{error:?}");
}

/// Foreign text must not flood a log or control a terminal.
#[test]
fn api_error_messages_are_short_and_escaped() {
    let long = "x".repeat(60_000);
    let escapes = "a\u{1b}[2J\u{9b}31m\r\n\tb\u{8}\u{7}\u{202e}";
    let plain = r"a\u{1b}[2J\u{9b}31m\r\n\tb\u{8}\u{7}\u{202e}";
    for (wild, tame) in [
        (long.as_str(), format!("{}…", &long[..500])),
        (escapes, plain.to_owned()),
    ] {
        let text = format!("{wild}.");
        let tame = if wild == long {
            tame
        } else {
            format!("{tame}.")
        };
        assert_eq!(
            refusal_of(&Head::new(500, "Oh"), text.as_bytes()).message,
            tame,
            "a text"
        );
        let json = serde_json::json!({ "error": text }).to_string();
        assert_eq!(
            refusal_of(&Head::new(500, "Oh"), json.as_bytes()).message,
            tame,
            "JSON"
        );
        assert_eq!(
            refusal_of(&Head::new(500, &text), b"").message,
            tame,
            "a reason"
        );
        let page = format!("<html><title>{text}</title>");
        assert!(
            refusal_of(&Head::new(500, "Oh"), page.as_bytes())
                .message
                .starts_with(&format!("HTML page ({tame})")),
            "a title"
        );
        let code = serde_json::json!({ "error": { "code": text, "message": "m" } }).to_string();
        let error = refusal_of(&Head::new(500, "Oh"), code.as_bytes());
        assert_eq!(
            (error.to_string().as_str(), error.code),
            ("500 SERVER_ERROR: m", ErrorCode::ServerError),
            "no code"
        );
    }
    let error = refusal_of(
        &Head::new(302, "Found").header("location", &format!("http://x/{long}")),
        b"",
    );
    assert!(
        error.message.len() < 700 && error.message.starts_with("redirect to http://x/xxx"),
        "{}",
        error.message.len()
    );
}

/// Like [`refusal`], for a body that is too long to be cut at every position.
fn refusal_of(head: &Head, body: &[u8]) -> ApiError {
    let error = read(head.reply(&hub(), &GetVersion), [body]).expect_err("a refusal");
    error.api().unwrap_or_else(|| panic!("{error:?}")).clone()
}

/// The parser quotes unexpected text of any length.
#[test]
fn reply_error_source_is_short_and_escaped() {
    let source = |body: &str| {
        let error = read(
            Head::new(200, "OK").reply(&hub(), &GetVersion),
            [body.as_bytes()],
        )
        .expect_err("no version");
        error.source().expect("the parser's error").to_string()
    };
    assert_eq!(
        source(r#""xy""#),
        r#"invalid type: string "xy", expected struct HubVersion at line 1 column 4"#
    );
    let long = source(&format!("\n{:?}", "x".repeat(1_000_000)));
    assert!(
        long.starts_with(r#"invalid type: string "xxx"#)
            && long.ends_with("x… at line 2 column 1000002"),
        "{long}"
    );
    assert!(long.len() < 600, "{} bytes", long.len());
}

/// serde quotes the name of an unknown variant unchanged.
#[test]
fn json_errors_escape_quoted_variants() {
    #[derive(Debug, Deserialize)]
    enum Known {
        #[allow(dead_code)]
        Known,
    }
    let mut json = Json::<Known>::default();
    json.feed(
        json!("x\n2026-01-01 INFO all is well\u{202e}")
            .to_string()
            .as_bytes(),
    );
    json.end();
    let error = match json.next_item() {
        Err(error) => error.source().unwrap().to_string(),
        Ok(Step::Item(item)) => panic!("{item:?}"),
        Ok(_) => panic!("nothing"),
    };
    let shown = r"unknown variant `x\n2026-01-01 INFO all is well\u{202e}`, expected `Known`";
    assert!(error.starts_with(shown), "{error}");
}
