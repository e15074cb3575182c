//! What is not shown.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use crate::json;

/// Takes the place of a secret.
const HIDDEN: &str = "***";

/// How names of secrets end, in small letters and without what joins words: `x-api-key`, `accessKey`, `client_secret`.
const ENDINGS: [&str; 17] = [
    "authorization",
    "auth",
    "cookie",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "pwd",
    "bearer",
    "apikey",
    "accesskey",
    "authkey",
    "privatekey",
    "secretkey",
    "xrevoke",
];

fn is_secret(name: &str) -> bool {
    if ["Pass", "_pass", "-pass"]
        .iter()
        .any(|ending| name.ends_with(ending))
    {
        return true;
    }
    let name: String = name
        .chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    // `maxTokens` is a number of what is no secret; of the other words, several are secrets as well.
    let one = name
        .strip_suffix('s')
        .filter(|_| name == "tokens" || !name.ends_with("tokens"));
    [Some(name.as_str()), one]
        .into_iter()
        .flatten()
        .any(|name| name == "pass" || ENDINGS.iter().any(|ending| name.ends_with(ending)))
}

pub(super) fn hide_in_headers(headers: &mut HeaderMap, hidden: &mut Vec<String>) {
    for (name, value) in headers.iter_mut() {
        if value.is_sensitive() || is_secret(name.as_str()) {
            note(name.as_str(), hidden);
            // That it is a bearer token is no secret, and belongs there.
            let bearer = *name == header::AUTHORIZATION
                && value
                    .as_bytes()
                    .get(..7)
                    .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
            *value = HeaderValue::from_static(if bearer { "Bearer ***" } else { HIDDEN });
        }
    }
}

/// A body that holds nothing secret, or is not JSON, stays as it is to the byte.
pub(super) fn hide_in_json(body: &mut Vec<u8>, hidden: &mut Vec<String>) {
    let Some(mut value) = json::parse_bytes::<Value>(body) else {
        return;
    };
    if hide(&mut value, hidden) {
        // A value that was read can be written.
        *body = serde_json::to_vec(&value).unwrap_or_default();
    }
}

/// Whether there was something to hide.
fn hide(value: &mut Value, hidden: &mut Vec<String>) -> bool {
    let mut found = false;
    match value {
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| found |= hide(value, hidden)),
        Value::Object(members) => {
            for (name, value) in members {
                // As `maxTokens`, they may be a number of them.
                let tokens = name.to_ascii_lowercase().ends_with("tokens") && !value.is_number();
                if (is_secret(name) || tokens) && !matches!(value, Value::Null | Value::Bool(_)) {
                    note(name, hidden);
                    *value = HIDDEN.into();
                    found = true;
                } else {
                    found |= hide(value, hidden);
                }
            }
        }
        _ => {}
    }
    found
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
    fn names_tell_what_is_secret() {
        for name in [
            "authorization",
            "Proxy-Authorization",
            "cookie",
            "x-api-key",
            "x-auth-token",
            "x-revoke",
            "accessKey",
            "db_password",
            "secrets",
            "tokens",
            "apiKeys",
            "passwords",
            "credentials",
            "aws_credential",
            "pwd",
            "pass",
            "dbPass",
            "smtp_pass",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "accept",
            "x-revoke-all",
            "x-end-stream",
            "tokenizer",
            "maxTokens",
            "max_tokens",
            "compass",
            "bypass",
            "keys",
            "key",
            "author",
            "id",
            "",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn members_are_hidden_at_any_depth_and_the_rest_stays_as_it_was() {
        let hide = |body: &str| {
            let (mut bytes, mut hidden) = (body.as_bytes().to_vec(), Vec::new());
            hide_in_json(&mut bytes, &mut hidden);
            (
                String::from_utf8(bytes).unwrap_or_default(),
                hidden.join(" "),
            )
        };
        for (body, shown, hidden) in [
            (
                r#"{"accessKey":"K","id":"H"}"#,
                r#"{"accessKey":"***","id":"H"}"#,
                "accessKey",
            ),
            (
                r#"{"args":[{"token":1},{"token":"x"}]}"#,
                r#"{"args":[{"token":"***"},{"token":"***"}]}"#,
                "token",
            ),
            (
                r#"{"appConfig":{"password":{"a":"b"}}}"#,
                r#"{"appConfig":{"password":"***"}}"#,
                "password",
            ),
            (
                r#"{"refreshTokens":["x"],"maxTokens":7}"#,
                r#"{"maxTokens":7,"refreshTokens":"***"}"#,
                "refreshTokens",
            ),
            (
                r#"{"z":1.50, "auth":null, "token":true}"#,
                r#"{"z":1.50, "auth":null, "token":true}"#,
                "",
            ),
            (r#"{"token":"x""#, r#"{"token":"x""#, ""),
        ] {
            assert_eq!(hide(body), (shown.to_owned(), hidden.to_owned()));
        }
    }

    #[test]
    fn headers_are_hidden_by_their_mark_or_their_name() {
        let mut headers = HeaderMap::new();
        let mut marked = HeaderValue::from_static("blue");
        marked.set_sensitive(true);
        headers.insert("x-colour", marked);
        for (name, value) in [
            ("authorization", "bearer abc"),
            ("x-auth-token", "abc"),
            ("x-revoke-all", "true"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.append("x-colour", HeaderValue::from_static("red"));
        let mut hidden = Vec::new();
        hide_in_headers(&mut headers, &mut hidden);
        let mut shown: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
            .collect();
        shown.sort_unstable();
        let expected = [
            ("authorization", "Bearer ***"),
            ("x-auth-token", "***"),
            ("x-colour", "***"),
            ("x-colour", "red"),
            ("x-revoke-all", "true"),
        ];
        assert_eq!(shown, expected);
        hidden.sort_unstable();
        assert_eq!(hidden, ["authorization", "x-auth-token", "x-colour"]);
    }
}
