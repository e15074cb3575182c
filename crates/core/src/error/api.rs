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

/// A refusal: a response whose status is not a success (2xx).
///
/// It comes from the hub, or from a proxy in front of it, see [`is_from_hub`](Self::is_from_hub).
/// [`Display`](fmt::Display) writes status, code and message:
/// `419 INSUFFICIENT_RESOURCES: Insufficient Space on Resource`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiError {
    /// The actual status. On instance routes, hubs send some refusals with status 500 and name the
    /// actual status in the text (`415: Invalid content-type`). This is then the status in the
    /// text.
    pub status: StatusCode,
    /// The status of the response.
    pub received_status: StatusCode,
    /// The kind of refusal.
    pub code: ErrorCode,
    /// The text of the refusal: from a JSON body, else a text body, else the reason phrase, else
    /// the meaning of the status.
    pub message: String,
    /// The body as received, at most [`ApiError::BODY_LIMIT`] bytes.
    pub body: Vec<u8>,
    /// The time to wait before a retry, in seconds (`Retry-After`). If that header is a date, the
    /// difference to the `Date` of the response.
    pub retry_after: Option<u64>,
    /// The time of the next attempt, if `Retry-After` is a date.
    pub retry_at: Option<HttpDate>,
    /// The response has the header `Access-Control-Allow-Origin: *`, like every response of a hub.
    pub(crate) allows_origins: bool,
}

impl ApiError {
    /// Upper bound for the part of the body that is read: 64 KiB. The longest refusal of a hub is a
    /// stack trace of a few kB. The error page of a proxy has about 10 kB.
    pub const BODY_LIMIT: usize = 64 << 10;

    /// Reads a refusal. `reason` is the reason phrase of the status line: it is the only text of
    /// some refusals.
    #[must_use]
    pub fn new(status: StatusCode, reason: &str, headers: &HeaderMap, body: Vec<u8>) -> Self {
        let words = match Encoding::of(headers) {
            // The text is compressed.
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
        // Both are times of the sender's clock.
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

    /// Returns the body as JSON, if it is JSON. It may contain members that this type does not
    /// have.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        json::parse_bytes(&self.body)
    }

    /// Replaces status, code and message of a refusal that is known to be misleading.
    #[must_use]
    pub fn with_meaning(mut self, status: StatusCode, message: &str) -> Self {
        self.status = status;
        self.code = ErrorCode::of_status(status);
        self.message = message.into();
        self
    }

    /// Returns `true` if there is no such sequence, instance, topic or route (404).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// Returns `true` if the sequence is in use, or the id or name is already taken (409).
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.status == StatusCode::CONFLICT
    }

    /// Returns `true` if the hub lacks resources for another instance (419). A later start may
    /// succeed. [`is_transient`](Self::is_transient) does not include this.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.code == ErrorCode::InsufficientResources
    }

    /// Returns `true` if a retry may succeed: the hub is busy or restarts (408, 425, 429), or a
    /// proxy in front of it cannot reach it (502 to 504, 520 to 530).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.received_status.as_u16(), 408 | 425 | 429 | 502..=504 | 520..=530)
    }

    /// Returns `true` if the response has the form of a hub's own refusal. A gateway in front of
    /// the hub may respond with the same status, and its `404` does not mean that an instance is
    /// gone.
    #[must_use]
    pub fn is_from_hub(&self) -> bool {
        let own = |name: &str| matches!(name, "error" | "opStatus" | "id");
        match self.json() {
            Some(Value::Object(members)) if members.is_empty() => self.allows_origins,
            Some(Value::Object(members)) => members.keys().all(|name| own(name)),
            Some(_) => false,
            // Refusals of instance routes are empty, or texts with status 500.
            None => {
                let text = !self.body.trim_ascii().is_empty();
                self.allows_origins && (!text || self.received_status == 500)
            }
        }
    }

    /// Returns `true` if the response has `Access-Control-Allow-Origin: *`, like every response of
    /// a hub.
    pub(crate) fn has_cors_header(&self) -> bool {
        self.allows_origins
    }

    /// Returns `true` if the hub cannot use the package or its content (422).
    #[must_use]
    pub fn is_unprocessable(&self) -> bool {
        self.status == StatusCode::UNPROCESSABLE_ENTITY
    }

    /// Returns `true` if the credentials are missing or wrong (401), or do not allow this (403).
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::NeedAuthentication | ErrorCode::NotAuthorized
        )
    }
}

/// Returns the message for a redirect.
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

/// Returns the message for a refusal without a text.
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
