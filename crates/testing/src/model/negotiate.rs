//! Checks content types, `Accept`, and the bodies of operations.

use http::{HeaderMap, header};
use serde_json::Value;

use super::reply::{BYTES, JSON, Reply};
use super::{Generation, javascript};

/// A family of routes. Each has its own format of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The reason phrase is the error message, and the body is empty.
    Host,
    /// The status is 500, and the body is the real status with its phrase.
    Instance,
}

/// Returns an error response in the format of a family.
pub(super) fn refuse(scope: Scope, status: u16, phrase: &'static str) -> Reply {
    match scope {
        Scope::Host => Reply::reason(status, phrase),
        Scope::Instance => Reply::sized(500, &format!("{status}: {phrase}")),
    }
}

fn value(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers
        .get(name)?
        .to_str()
        .ok()
        .filter(|value| !value.is_empty())
}

pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    value(headers, header::CONTENT_TYPE)
}

/// The content types of JSON.
pub(super) const JSON_TYPES: &[&str] = &[JSON, "text/json"];

/// Returns `true` if a header allows one of these types. Hubs split it at commas without trimming,
/// ignore parameters, and compare only the part before a `*`.
fn allows(header: &str, types: &[&str]) -> bool {
    header.split(',').any(|entry| {
        let entry = entry.split(';').next().unwrap_or_default();
        match entry.split_once('*') {
            Some((beginning, _)) => types.iter().any(|one| one.starts_with(beginning)),
            None => types.contains(&entry),
        }
    })
}

// Rule 2.5
/// Checks `Accept` against the content types of the response.
pub(super) fn check_accept(
    generation: Generation,
    scope: Scope,
    headers: &HeaderMap,
    offered: &[&str],
) -> Result<(), Reply> {
    match value(headers, header::ACCEPT) {
        Some(accept) if !allows(accept, offered) => Err(not_accepted(generation, scope)),
        _ => Ok(()),
    }
}

/// Checks the content type of an upload of bytes. It may be absent.
pub(super) fn check_bytes(
    generation: Generation,
    scope: Scope,
    headers: &HeaderMap,
) -> Result<(), Reply> {
    match content_type(headers) {
        Some(given) if !allows(given, &[BYTES]) => Err(not_accepted(generation, scope)),
        _ => Ok(()),
    }
}

fn not_accepted(generation: Generation, scope: Scope) -> Reply {
    let status = if generation.is_v1() { 415 } else { 400 };
    refuse(scope, status, "Invalid content-type")
}

// Rule 2.5
/// Checks the content type of a JSON operation, before its body has arrived.
pub(super) fn check_json_type(
    generation: Generation,
    scope: Scope,
    headers: &HeaderMap,
) -> Result<(), Reply> {
    let given = content_type(headers).unwrap_or_default();
    let phrase = if !allows(given, JSON_TYPES) {
        "Invalid content-type"
    } else if charset(given).is_some_and(|charset| charset != "utf-8") {
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

/// Returns the charset of a content type. Hubs ignore a quoted one.
fn charset(content_type: &str) -> Option<&str> {
    let (_, rest) = content_type.split_once("charset=")?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    rest.get(..end).filter(|charset| !charset.is_empty())
}

/// Parses the body of an operation. Returns `None` if the body is empty.
pub(super) fn parse_json(scope: Scope, body: &[u8]) -> Result<Option<Value>, Reply> {
    if body.is_empty() {
        return Ok(None);
    }
    let malformed = || refuse(scope, 400, "Could not parse content");
    javascript::parse(body).map(Some).ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_compares_types_without_trimming_or_quality() {
        assert!(allows("text/html,application/json", JSON_TYPES));
        assert!(!allows("text/html, application/json", JSON_TYPES));
        assert!(allows("*/*", &[BYTES]) && allows("*", &[BYTES]) && allows("app*", &[BYTES]));
        assert!(!allows("text/html, */*", JSON_TYPES));
        assert!(allows("application/*;q=0", &[BYTES]));
        assert!(!allows("text/plain", &[BYTES]) && !allows("Application/json", JSON_TYPES));
    }

    #[test]
    fn charset_ends_at_the_first_other_character() {
        assert_eq!(charset("application/json; charset=utf-8; x"), Some("utf-8"));
        assert_eq!(charset("application/json;charset=UTF-8"), Some("UTF-8"));
        assert_eq!(charset("application/json; charset=\"utf-8\""), None);
        assert_eq!(charset("application/json"), None);
    }
}
