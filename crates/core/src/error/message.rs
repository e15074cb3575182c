//! Reads messages from the bodies of refusals. Hubs and proxies use eight formats.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{self, Write};

use http::StatusCode;
use serde::de;
use serde_json::Value;

use super::ErrorCode;
use crate::escape::{Escaped, is_unsafe, shortened};

/// The message, code and status that the body of a refusal contains.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) message: Option<String>,
    pub(super) code: Option<ErrorCode>,
    /// The status in the text, if a hub wraps one refusal in another.
    pub(super) status: Option<StatusCode>,
}

impl Words {
    pub(super) fn of(received: StatusCode, json: Option<&Value>, body: &[u8]) -> Self {
        let words = match json {
            Some(json) => Self::of_json(json),
            None => Self::of_text(received, &String::from_utf8_lossy(body)),
        };
        words.with_known_text()
    }

    /// Reads `{"error":"…"}`, `{"error":{…}}`, `{"opStatus":"…"}`, and a bare JSON string.
    fn of_json(json: &Value) -> Self {
        let error = json.get("error");
        match error {
            Some(Value::String(text)) => Self {
                message: said(text),
                ..Self::default()
            },
            Some(Value::Object(error)) => {
                let code = error.get("code").and_then(ErrorCode::of_member);
                let text = ["message", "data", "reason"]
                    .iter()
                    .find_map(|name| error.get(*name)?.as_str().and_then(said));
                let system_call = || {
                    let (code, call) = (
                        error.get("code")?.as_str()?,
                        error.get("syscall")?.as_str()?,
                    );
                    let path = error
                        .get("path")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    said(format!("{code}: {call} {path}").trim_end())
                };
                let message = text
                    .or_else(system_call)
                    .or_else(|| code.as_ref().map(ToString::to_string));
                let message = message.or_else(|| Self::op_status(json));
                Self {
                    message,
                    code,
                    status: None,
                }
            }
            _ => {
                let text = json
                    .get("message")
                    .or(Some(json))
                    .and_then(Value::as_str)
                    .and_then(said);
                Self {
                    message: Self::op_status(json).or(text),
                    ..Self::default()
                }
            }
        }
    }

    fn op_status(json: &Value) -> Option<String> {
        json.get("opStatus").and_then(Value::as_str).and_then(said)
    }

    /// Reads `415: Invalid content-type`, an HTML page, or any other text.
    fn of_text(received: StatusCode, text: &str) -> Self {
        let text = text.trim();
        // Quirk (0.18.7, 1.0.1): instance routes respond with 500 and name the actual status in the
        // text.
        if let Some((status, rest)) =
            refusal_in_words(text).filter(|_| received == StatusCode::INTERNAL_SERVER_ERROR)
        {
            return Self {
                message: said(rest),
                status: Some(status),
                code: None,
            };
        }
        let lower = text.get(..512).unwrap_or(text).to_ascii_lowercase();
        if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
            let title = lower
                .find("<title>")
                .and_then(|at| said(text.get(at + 7..)?.split('<').next()?));
            let title = title.as_deref().unwrap_or("without a title");
            let message = format!(
                "HTML page ({title}) from a proxy or another web server, \
                 which responded instead of the hub"
            );
            return Self {
                message: Some(message),
                ..Self::default()
            };
        }
        Self {
            message: said(text),
            ..Self::default()
        }
    }

    /// Sets the code of texts that hubs send without one.
    ///
    /// Quirk (1.0.1): only the text shows that an invalid configuration prevented a start.
    fn with_known_text(mut self) -> Self {
        let configuration = |text: &String| {
            text.starts_with("Incorrect config passed to")
                || text.starts_with("Runner was started with invalid configuration")
        };
        if self.code.is_none() && self.message.as_ref().is_some_and(configuration) {
            self.code = Some(ErrorCode::InvalidConfig);
        }
        self
    }
}

/// Reads `415: Invalid content-type`.
pub(crate) fn refusal_in_words(text: &str) -> Option<(StatusCode, &str)> {
    let (status, rest) = text.split_once(": ")?;
    let status = status
        .parse::<StatusCode>()
        .ok()
        .filter(|status| status.is_client_error() || status.is_server_error())?;
    Some((status, rest))
}

/// Upper bound for the number of characters of a hub's or proxy's text in a message.
const MAX_MESSAGE: usize = 500;

/// Returns the beginning of a hub's or proxy's text, escaped, for a message. `None` if it is blank.
pub(crate) fn said(text: &str) -> Option<String> {
    shortened(text, MAX_MESSAGE)
}

/// Shortens and escapes the parser's error, which quotes its input.
pub(super) fn in_short(error: serde_json::Error) -> serde_json::Error {
    let mut beginning = Beginning(String::new());
    let is_short = write!(beginning, "{error}").is_ok();
    // `Error::custom` parses the line and the column from the end of the text.
    match beginning.0 {
        text if !is_short => de::Error::custom(format_args!(
            "{}… at line {} column {}",
            Escaped(text),
            error.line(),
            error.column()
        )),
        text if text.contains(is_unsafe) => de::Error::custom(Escaped(text)),
        _ => error,
    }
}

/// A buffer for at most [`MAX_MESSAGE`] bytes.
struct Beginning(String);

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.0.len() >= MAX_MESSAGE {
                return Err(fmt::Error);
            }
            self.0.push(c);
        }
        Ok(())
    }
}

/// Returns the beginning of a body, for a message that quotes it.
pub(super) fn start_of(body: &[u8]) -> String {
    let head = String::from_utf8_lossy(body.get(..480).unwrap_or(body));
    let head = head.trim();
    match head.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", head.get(..at).unwrap_or(head)),
        None => head.into(),
    }
}
