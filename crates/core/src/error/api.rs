use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::message::{Words, said};
use super::{ErrorCode, redacted};
use crate::headers::Encoding;
use crate::{HttpDate, json};

/// The other side received the request and refused it.
///
/// Its [`Display`](fmt::Display) is the status and the hub's own words: `419 INSUFFICIENT_RESOURCES: Insufficient Space on Resource`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiError {
    /// The status that is meant. Hubs answer some refusals on instance routes with a `500` whose text names the real status
    /// (`415: Invalid content-type`); this is then the named one.
    pub status: StatusCode,
    /// The status line's code, as received.
    pub received_status: StatusCode,
    /// What kind of refusal it is.
    pub code: ErrorCode,
    /// What the other side says: from the JSON body, else a text body, else the reason phrase, else what the status means.
    pub message: String,
    /// The body as it came, at most [`ApiError::BODY_LIMIT`] bytes of it.
    pub body: Vec<u8>,
    /// The time to wait before the next attempt, in seconds (`Retry-After`). If the response names
    /// a time instead, the difference to its `Date`.
    pub retry_after: Option<u64>,
    /// The time of the next attempt, if `Retry-After` names one.
    pub retry_at: Option<HttpDate>,
    /// It has the header `Access-Control-Allow-Origin: *`, which a hub puts into every response.
    pub(crate) allows_origins: bool,
}

impl ApiError {
    /// How much of a refusal's body is read: 64 KiB. The longest that a hub writes is a stack trace of a few kB, a proxy's page some ten.
    pub const BODY_LIMIT: usize = 64 << 10;

    /// Makes sense of a refusal; `reason` is the reason phrase of the status line, which holds the only text of some refusals.
    #[must_use]
    pub fn new(status: StatusCode, reason: &str, headers: &HeaderMap, body: Vec<u8>) -> Self {
        let words = match Encoding::of(headers) {
            // The words are compressed.
            Some(_) => Words::default(),
            None => Words::of(status, json::parse_bytes(&body).as_ref(), &body),
        };
        let meant = words.status.unwrap_or(status);
        let message = redirection(status, headers)
            .or(words.message)
            .or_else(|| said(reason));
        let message = message.unwrap_or_else(|| describe(status).to_string());
        let date = |name| HttpDate::of(headers.get(name)?.to_str().ok()?.trim());
        let retry_after = headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let retry_at = date(header::RETRY_AFTER);
        // By the clock that wrote both.
        let until = || Some(retry_at?.since(date(header::DATE)?).as_secs());
        Self {
            status: meant,
            received_status: status,
            code: words.code.unwrap_or_else(|| ErrorCode::of_status(meant)),
            message,
            body,
            retry_after: retry_after.or_else(until),
            retry_at,
            allows_origins: headers
                .get(header::ACCESS_CONTROL_ALLOW_ORIGIN)
                .is_some_and(|value| value == "*"),
        }
    }

    /// The body as JSON, where it is JSON: all that the hub sent, for members that are not modelled here.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        json::parse_bytes(&self.body)
    }

    /// Gives the refusal another meaning, where it is known to be a misleading one.
    #[must_use]
    pub fn meaning(mut self, status: StatusCode, message: &str) -> Self {
        self.status = status;
        self.code = ErrorCode::of_status(status);
        self.message = message.into();
        self
    }

    /// No such sequence, instance, topic or route (404).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// In use, or already there (409).
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.status == StatusCode::CONFLICT
    }

    /// The hub has no room for another instance at the moment (419); it may have later.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.code == ErrorCode::InsufficientResources
    }

    /// Whether the same request may succeed if it is repeated: the hub is busy or restarts (408, 425,
    /// 429), or something in front of it does not reach it (502 to 504, 520 to 530).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.received_status.as_u16(), 408 | 425 | 429 | 502..=504 | 520..=530)
    }

    /// Checks if the response has the shape of a hub's own refusal. A gateway in front of the hub may
    /// answer for it with the same status; a `404` of a gateway does not mean that an instance is
    /// gone.
    #[must_use]
    pub fn is_from_hub(&self) -> bool {
        let own = |name: &str| matches!(name, "error" | "opStatus" | "id");
        match self.json() {
            Some(Value::Object(members)) if members.is_empty() => self.allows_origins,
            Some(Value::Object(members)) => members.keys().all(|name| own(name)),
            Some(_) => false,
            // Empty, or the text of an instance route that failed.
            None => {
                let text = !self.body.trim_ascii().is_empty();
                self.allows_origins && (!text || self.received_status == 500)
            }
        }
    }

    /// Whether the response has the header that a hub puts into every one.
    pub(crate) fn has_cors_header(&self) -> bool {
        self.allows_origins
    }

    /// The package, or what it holds, cannot be used (422).
    #[must_use]
    pub fn is_unprocessable(&self) -> bool {
        self.status == StatusCode::UNPROCESSABLE_ENTITY
    }

    /// Credentials are missing, wrong, or not enough (401, 403).
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::NeedAuthentication | ErrorCode::NotAuthorized
        )
    }
}

fn redirection(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let target = headers
        .get(header::LOCATION)
        .filter(|_| status.is_redirection())?;
    let target = said(&redacted(&String::from_utf8_lossy(target.as_bytes())))?;
    Some(format!(
        "redirect to {target}, which the client does not follow; \
         if the hub is there, use that address as the base URL"
    ))
}

fn describe(status: StatusCode) -> &'static str {
    match status.as_u16() {
        419 => "Insufficient Space on Resource",
        _ => status.canonical_reason().unwrap_or("no reason given"),
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.status.as_u16(),
            self.code,
            self.message
        )?;
        if self.received_status != self.status {
            write!(
                f,
                " (received with status {})",
                self.received_status.as_u16()
            )?;
        }
        Ok(())
    }
}

impl core::error::Error for ApiError {}
