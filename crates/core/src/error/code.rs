use alloc::string::{String, ToString};

use http::StatusCode;
use serde_json::Value;

use crate::known_text::known_text;

/// What kind of refusal it is: the hub's own code where it sends one, else the one that the status stands for.
///
/// The names are those of the hub and of its TypeScript client; [`as_str`](Self::as_str) gives them back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// `BAD_PARAMETERS`: the hub could not use the request (400).
    BadParameters,
    /// `NEED_AUTHENTICATION`: no credentials, or not accepted (401).
    NeedAuthentication,
    /// `NOT_AUTHORIZED`: the credentials do not allow this (403).
    NotAuthorized,
    /// `NOT_FOUND`: no such sequence, instance, topic or route (404).
    NotFound,
    /// `CONFLICT`: in use, or already there (409). The TypeScript client calls this `REQUEST_ERROR`.
    Conflict,
    /// `GONE`: was there and is no more (410).
    Gone,
    /// `INSUFFICIENT_RESOURCES`: the hub has too little memory, processor time or disk space for another instance (419).
    InsufficientResources,
    /// `UNPROCESSABLE_ENTITY`: the package, or what it holds, cannot be used (422).
    UnprocessableEntity,
    /// `INVALID_CONFIG`: the sequence cannot be started as it is configured.
    InvalidConfig,
    /// `PRERUNNER_ERROR`: the package could not be unpacked.
    PrerunnerError,
    /// `SERVER_ERROR`: the other side failed (500 and above).
    ServerError,
    /// `REQUEST_ERROR`: any other refusal (400 and above).
    RequestError,
    /// `UNKNOWN_ERROR`: an answer that is neither success nor refusal, such as a redirect.
    UnknownError,
    /// `CANNOT_CONNECT`: there was no answer at all. Never the code of a refusal.
    CannotConnect,
    /// `INVALID_RESPONSE`: there was an answer, and it was not what it should be. Never the code of a refusal.
    InvalidResponse,
    /// `GENERAL_ERROR`: anything else. Never the code of a refusal.
    GeneralError,
    /// Any other code that the hub sent, as it sent it, for example `ENOENT`.
    Other(String),
}

known_text! {
    ErrorCode, "The code":
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

    /// Reads the `code` member of an error body; three codes are also declared as numbers. What is no single word is no code.
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

/// The longest codes that are known have 24 characters.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
