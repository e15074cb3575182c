//! Content types, `Accept`, and JSON bodies: how hubs read them, and refuse them.

use http::{HeaderMap, header};
use serde_json::Value;

use super::Generation;
use super::reply::Reply;

/// The two families of routes, which word the same refusal differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Status and reason phrase say it; the body is empty.
    Host,
    /// A `500`, whose text is the status and the phrase.
    Instance,
}

/// A refusal with one of the hub's own phrases.
pub(super) fn refuse(scope: Scope, status: u16, phrase: &'static str) -> Reply {
    match scope {
        Scope::Host => Reply::reason(status, phrase),
        Scope::Instance => Reply::sized(500, &format!("{status}: {phrase}")),
    }
}

fn value(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    value(headers, header::CONTENT_TYPE)
}

/// The part of a content type before its parameters.
fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Whether a glob like `*/*` or `text/*` covers a content type. Case matters.
fn covers(glob: &str, content_type: &str) -> bool {
    let parts = |text: &str| {
        text.split_once('/')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
    };
    let same = |glob: &str, part: &str| glob == "*" || glob == part;
    match (parts(glob), parts(content_type)) {
        (Some((a, b)), Some((x, y))) => same(&a, &x) && same(&b, &y),
        _ => false,
    }
}

/// Checks `Accept`: split at commas, not trimmed, without regard to `q`.
pub(super) fn check_accept(
    generation: Generation,
    scope: Scope,
    headers: &HeaderMap,
    offered: &[&str],
) -> Result<(), Reply> {
    let Some(accept) = value(headers, header::ACCEPT) else {
        return Ok(());
    };
    let acceptable = accept.split(',').any(|entry| {
        let glob = entry.split(';').next().unwrap_or_default();
        offered
            .iter()
            .any(|content_type| covers(glob, content_type))
    });
    if acceptable {
        Ok(())
    } else {
        Err(not_accepted(generation, scope))
    }
}

/// Checks the content type of an upload of bytes, which may be absent, have parameters, or be a
/// glob.
pub(super) fn check_bytes(
    generation: Generation,
    scope: Scope,
    headers: &HeaderMap,
) -> Result<(), Reply> {
    match content_type(headers) {
        Some(given) if !covers(essence(given), super::reply::BYTES) => {
            Err(not_accepted(generation, scope))
        }
        _ => Ok(()),
    }
}

fn not_accepted(generation: Generation, scope: Scope) -> Reply {
    let status = if generation.is_v1() { 415 } else { 400 };
    refuse(scope, status, "Invalid content-type")
}

/// Checks the content type of an operation in JSON, before its body has come.
pub(super) fn check_json_type(
    generation: Generation,
    scope: Scope,
    headers: &HeaderMap,
) -> Result<(), Reply> {
    let given = content_type(headers).unwrap_or_default();
    let mut parameters = given.split(';').skip(1);
    let charset = parameters.find_map(|one| one.trim().strip_prefix("charset="));
    let phrase = if !matches!(essence(given), "application/json" | "text/json") {
        "Invalid content-type"
    } else if charset.is_some_and(|charset| charset != "utf-8") {
        "Invalid encoding in content-type"
    } else {
        return Ok(());
    };
    let phrase = if generation.is_v1() {
        "Could not parse content"
    } else {
        phrase
    };
    Err(refuse(scope, 400, phrase))
}

/// Parses the body of an operation. No body is no payload.
pub(super) fn parse_json(scope: Scope, body: &[u8]) -> Result<Option<Value>, Reply> {
    if body.is_empty() {
        return Ok(None);
    }
    let malformed = |_| refuse(scope, 400, "Could not parse content");
    serde_json::from_slice(&escape_lone_surrogates(body))
        .map(Some)
        .map_err(malformed)
}

/// Replaces half of a surrogate pair, which JavaScript reads and `serde_json` refuses, by a text
/// that [`restore_lone_surrogates`] recognizes in what is sent.
fn escape_lone_surrogates(body: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if !body
        .windows(3)
        .any(|three| matches!(three, [b'\\', b'u', b'd' | b'D']))
    {
        return body.into();
    }
    let code = |at: usize| {
        let escape = body.get(at..at + 6)?.strip_prefix(br"\u")?;
        u16::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()
    };
    let mut escaped = Vec::with_capacity(body.len());
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        let step = match (byte, code(at)) {
            (b'\\', Some(0xd800..=0xdbff)) if matches!(code(at + 6), Some(0xdc00..=0xdfff)) => 12,
            (b'\\', Some(lone @ 0xd800..=0xdfff)) => {
                escaped.extend_from_slice(format!(r"\uffff{MARK}{lone:04x}").as_bytes());
                at += 6;
                continue;
            }
            (b'\\', _) => 2,
            _ => 1,
        };
        escaped.extend_from_slice(body.get(at..at + step).unwrap_or_default());
        at += step;
    }
    escaped.into()
}

/// What follows U+FFFF where half of a surrogate pair was.
const MARK: &str = "lone-surrogate-";

/// Writes the halves of surrogate pairs as JavaScript does: `"\ud83d"`.
pub(super) fn restore_lone_surrogates(json: String) -> String {
    let mark = format!("\u{ffff}{MARK}");
    if json.contains(&mark) {
        json.replace(&mark, r"\u")
    } else {
        json
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        [(name, header::HeaderValue::from_static(value))]
            .into_iter()
            .collect()
    }

    #[test]
    fn accept_is_read_naively() {
        let check = |accept, offered: &[&str]| {
            let headers = headers(header::ACCEPT, accept);
            check_accept(Generation::V1, Scope::Host, &headers, offered).is_ok()
        };
        assert!(check("text/html,application/json", &["application/json"]));
        assert!(!check("text/html, application/json", &["application/json"]));
        assert!(check("*/*", &["application/octet-stream"]));
        assert!(check("application/*;q=0", &["application/octet-stream"]));
        assert!(!check("text/plain", &["application/octet-stream"]));
    }

    #[test]
    fn json_operations_need_a_content_type_in_lower_case() {
        let check = |given| {
            let headers = headers(header::CONTENT_TYPE, given);
            check_json_type(Generation::V0_18, Scope::Host, &headers).is_ok()
        };
        assert!(check("application/json") && check("text/json; charset=utf-8"));
        assert!(!check("application/json; charset=UTF-8") && !check("Application/json"));
    }

    #[test]
    fn halves_of_surrogate_pairs_go_through() {
        let body = br#"{"a":["x\ud83d","\ud83d\udc22","\\ud83d","\udc22\ud83dy"]}"#;
        let value = parse_json(Scope::Host, body)
            .ok()
            .flatten()
            .unwrap_or_default();
        assert_eq!(value["a"][1], json!("\u{1f422}"));
        let written = restore_lone_surrogates(value.to_string());
        assert_eq!(
            written,
            r#"{"a":["x\ud83d","🐢","\\ud83d","\udc22\ud83dy"]}"#
        );
    }
}
