use alloc::string::{String, ToString};

use http::StatusCode;
use serde_json::Value;

use crate::known_text::known_text;

/// The kind of a refusal: the hub's own code if the response has one, else the code for the status.
///
/// The hub and its TypeScript client use the same names. [`as_str`](Self::as_str) returns them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// `BAD_PARAMETERS`: the hub could not use the request (400).
    BadParameters,
    /// `NEED_AUTHENTICATION`: the credentials are missing or not accepted (401).
    NeedAuthentication,
    /// `NOT_AUTHORIZED`: the credentials do not allow this (403).
    NotAuthorized,
    /// `NOT_FOUND`: there is no such sequence, instance, topic or route (404).
    NotFound,
    /// `CONFLICT`: the sequence is in use, or the id or name is already taken (409). The TypeScript
    /// client calls this `REQUEST_ERROR`.
    Conflict,
    /// `GONE`: the requested object existed and was removed (410).
    Gone,
    /// `INSUFFICIENT_RESOURCES`: the hub has too little memory, processor time or disk space for
    /// another instance (419).
    InsufficientResources,
    /// `UNPROCESSABLE_ENTITY`: the hub cannot use the package or its content (422).
    UnprocessableEntity,
    /// `INVALID_CONFIG`: the configuration does not allow the hub to start the sequence.
    InvalidConfig,
    /// `PRERUNNER_ERROR`: the hub could not unpack the package.
    PrerunnerError,
    /// `SERVER_ERROR`: the hub, or a proxy in front of it, failed (500 and above).
    ServerError,
    /// `REQUEST_ERROR`: any other refusal (400 and above).
    RequestError,
    /// `UNKNOWN_ERROR`: the status is neither a success nor an error, for example a redirect.
    UnknownError,
    /// `CANNOT_CONNECT`: there was no response. Never the code of a refusal.
    CannotConnect,
    /// `INVALID_RESPONSE`: the response cannot be used. Never the code of a refusal.
    InvalidResponse,
    /// `GENERAL_ERROR`: anything else. Never the code of a refusal.
    GeneralError,
    /// Any other code, as the hub sent it, for example `ENOENT`.
    Other(String),
}

known_text! {
    ErrorCode, "the code":
    BadParameters = "BAD_PARAMETERS",
    NeedAuthentication = "NEED_AUTHENTICATION",
    NotAuthorized = "NOT_AUTHORIZED",
    NotFound = "NOT_FOUND",
    Conflict = "CONFLICT",
    Gone = "GONE",
    InsufficientResources = "INSUFFICIENT_RESOURCES",
    UnprocessableEntity = "UNPROCESSABLE_ENTITY",
    InvalidConfig = "INVALID_CONFIG",
    PrerunnerError = "PRERUNNER_ERROR",
    ServerError = "SERVER_ERROR",
    RequestError = "REQUEST_ERROR",
    UnknownError = "UNKNOWN_ERROR",
    CannotConnect = "CANNOT_CONNECT",
    InvalidResponse = "INVALID_RESPONSE",
    GeneralError = "GENERAL_ERROR",
}

impl ErrorCode {
    /// Returns the code for a status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::BadParameters,
            401 => Self::NeedAuthentication,
            403 => Self::NotAuthorized,
            404 => Self::NotFound,
            409 => Self::Conflict,
            410 => Self::Gone,
            419 => Self::InsufficientResources,
            422 => Self::UnprocessableEntity,
            _ if status.is_client_error() => Self::RequestError,
            _ if status.is_server_error() => Self::ServerError,
            _ => Self::UnknownError,
        }
    }

    /// Reads the `code` member of an error body. Hubs also use numbers for three codes. A text of
    /// several words is not a code.
    pub(crate) fn of_member(code: &Value) -> Option<Self> {
        Some(match code {
            Value::String(text) if is_word(text) => Self::from(text.clone()),
            Value::Number(number) => match number.as_u64() {
                Some(1001) => Self::NotAuthorized,
                Some(1002) => Self::InsufficientResources,
                Some(1003) => Self::UnprocessableEntity,
                _ => Self::Other(number.to_string()),
            },
            _ => return None,
        })
    }
}

/// Returns `true` for a text that may be a code. The longest known codes have 24 characters.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
