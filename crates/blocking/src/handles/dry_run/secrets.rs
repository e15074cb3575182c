//! Replaces values that may be secrets.

use std::str::from_utf8;

use scramjet_client_core::http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

/// The replacement of a hidden value.
const HIDDEN: &str = "***";

/// The headers that operations of this library set, except those with secrets.
const SHOWN_HEADERS: [&str; 7] = [
    "accept",
    "content-type",
    "expect",
    "x-end-stream",
    "x-force",
    "x-revoke-all",
    "x-seq-kill-inst",
];

/// The members that operations of this library define, except those with arbitrary values.
const SHOWN_MEMBERS: [&str; 12] = [
    "canCallKeepalive",
    "content-type",
    "eventName",
    "id",
    "inputTopic",
    "instanceId",
    "limit",
    "limits",
    "monitoringRate",
    "outputTopic",
    "removeImmediately",
    "timeout",
];

/// Replaces the values of all headers except [`SHOWN_HEADERS`], and adds their names to `hidden`.
pub(super) fn hide_in_headers(headers: &mut HeaderMap, hidden: &mut Vec<String>) {
    for (name, value) in headers.iter_mut() {
        if value.is_sensitive() || !SHOWN_HEADERS.contains(&name.as_str()) {
            note(name.as_str(), hidden);
            // The scheme `Bearer` is not a secret, and the command needs it.
            let bearer = *name == header::AUTHORIZATION
                && value
                    .as_bytes()
                    .get(..7)
                    .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
            *value = HeaderValue::from_static(if bearer { "Bearer ***" } else { HIDDEN });
        }
    }
}

/// Replaces the values of all members of a JSON body except [`SHOWN_MEMBERS`], and adds their names
/// to `hidden`. Returns the new body; `None` if there is nothing to hide.
pub(super) fn hide_in_body(body: &[u8], hidden: &mut Vec<String>) -> Option<Vec<u8>> {
    if body.is_empty() {
        return None;
    }
    let text = from_utf8(body).unwrap_or_default();
    let mut value = text.parse().unwrap_or(Value::Null);
    let members = match &mut value {
        Value::Object(members) => members,
        // A message to an instance: `[code, { members }]`.
        Value::Array(message) => match message.as_mut_slice() {
            [Value::Number(_), Value::Object(members)] => members,
            _ => return Some(hide_all(hidden)),
        },
        _ => return Some(hide_all(hidden)),
    };
    let count = hidden.len();
    for (name, value) in members {
        if !SHOWN_MEMBERS.contains(&name.as_str()) {
            note(name, hidden);
            *value = HIDDEN.into();
        }
    }
    (hidden.len() > count).then(|| value.to_string().into_bytes())
}

fn hide_all(hidden: &mut Vec<String>) -> Vec<u8> {
    note("body", hidden);
    HIDDEN.into()
}

fn note(name: &str, hidden: &mut Vec<String>) {
    if !hidden.iter().any(|known| known == name) {
        hidden.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hide_in_body_shows_only_members_that_the_library_defines() {
        let hide = |body: &str| {
            let mut hidden = Vec::new();
            let shown = hide_in_body(body.as_bytes(), &mut hidden);
            let shown = shown.unwrap_or_else(|| body.into());
            (
                String::from_utf8(shown).unwrap_or_default(),
                hidden.join(" "),
            )
        };
        for (body, shown, hidden) in [
            ("", "", ""),
            ("{}", "{}", ""),
            (
                r#"{"appConfig":{"url":"postgres://u:pw@h"},"args":["--password=X"],"pin":1234}"#,
                r#"{"appConfig":"***","args":"***","pin":"***"}"#,
                "appConfig args pin",
            ),
            (
                r#"{"accessKey":"K","id":"H","limit":1}"#,
                r#"{"accessKey":"***","id":"H","limit":1}"#,
                "accessKey",
            ),
            (
                r#"[5001,{"eventName":"e","message":{"jwt":"x"}}]"#,
                r#"[5001,{"eventName":"e","message":"***"}]"#,
                "message",
            ),
            (
                r#"[4001, {"timeout": 7000, "canCallKeepalive": false}]"#,
                r#"[4001, {"timeout": 7000, "canCallKeepalive": false}]"#,
                "",
            ),
            (r#"["secret"]"#, "***", "body"),
            (r#"[1234,"secret"]"#, "***", "body"),
            ("1234", "***", "body"),
            (r#"{"token":"x""#, "***", "body"),
        ] {
            assert_eq!(hide(body), (shown.to_owned(), hidden.to_owned()));
        }
    }

    #[test]
    fn hide_in_headers_shows_only_headers_that_the_library_sets() {
        let mut headers = HeaderMap::new();
        let mut marked = HeaderValue::from_static("text/blue");
        marked.set_sensitive(true);
        headers.insert("accept", marked);
        for (name, value) in [
            ("authorization", "bearer abc"),
            ("x-colour", "blue"),
            ("x-revoke", "abc"),
            ("x-revoke-all", "true"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let mut hidden = Vec::new();
        hide_in_headers(&mut headers, &mut hidden);
        let mut shown: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
            .collect();
        shown.sort_unstable();
        let expected = [
            ("accept", "***"),
            ("authorization", "Bearer ***"),
            ("x-colour", "***"),
            ("x-revoke", "***"),
            ("x-revoke-all", "true"),
        ];
        assert_eq!(shown, expected);
        hidden.sort_unstable();
        assert_eq!(hidden, ["accept", "authorization", "x-colour", "x-revoke"]);
    }
}
