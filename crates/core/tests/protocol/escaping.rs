//! Error messages escape text of a hub: no line breaks, no bidirectional characters, no
//! credentials.

use std::error::Error;

use scramjet_client_core::flow::FlowError;
use scramjet_client_core::{
    Ended, Event, GetInstance, InstanceId, InstanceInfo, ListSequences, ReplyError, Timestamp,
};
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

#[test]
fn redirect_error_hides_credentials_and_query() {
    for (target, shown) in [
        ("https://hub.example/api/v1", "https://hub.example/api/v1"),
        ("/login", "/login"),
        ("https://h/a?token=secret", "https://h/a"),
        ("https://h/a#secret", "https://h/a"),
        ("https://user:secret@h/a?secret", "…@h/a"),
        ("//user:secret@h/a", "…@h/a"),
        ("user:secret@h/a", "…@h/a"),
        ("https://secret@h", "…@h"),
        ("https://user:#secret@h/a", "…"),
        ("?secret", ""),
    ] {
        let error = refusal(&Head::new(302, "Found").header("location", target), b"");
        let text = error.to_string();
        assert!(!text.contains("secret"), "{text}");
        let message = format!("redirect to {shown}, which");
        assert!(text.contains(&message) || shown.is_empty(), "{text}");
    }
}
