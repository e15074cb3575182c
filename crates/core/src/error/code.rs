use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

use http::StatusCode;

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

impl ErrorCode {
    /// The code as text, in the spelling of the hub.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::BadParameters => "BAD_PARAMETERS",
            Self::NeedAuthentication => "NEED_AUTHENTICATION",
            Self::NotAuthorized => "NOT_AUTHORIZED",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::Gone => "GONE",
            Self::InsufficientResources => "INSUFFICIENT_RESOURCES",
            Self::UnprocessableEntity => "UNPROCESSABLE_ENTITY",
            Self::InvalidConfig => "INVALID_CONFIG",
            Self::PrerunnerError => "PRERUNNER_ERROR",
            Self::ServerError => "SERVER_ERROR",
            Self::RequestError => "REQUEST_ERROR",
            Self::UnknownError => "UNKNOWN_ERROR",
            Self::CannotConnect => "CANNOT_CONNECT",
            Self::InvalidResponse => "INVALID_RESPONSE",
            Self::GeneralError => "GENERAL_ERROR",
            Self::Other(code) => code,
        }
    }

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

    /// Reads the `code` member of an error body; three codes are also declared as numbers.
    pub(crate) fn of_member(code: &serde_json::Value) -> Option<Self> {
        let text = match code {
            serde_json::Value::String(text) => Cow::from(text.as_str()),
            serde_json::Value::Number(number) => match number.as_u64() {
                Some(1001) => return Some(Self::NotAuthorized),
                Some(1002) => return Some(Self::InsufficientResources),
                Some(1003) => return Some(Self::UnprocessableEntity),
                _ => Cow::from(alloc::string::ToString::to_string(number)),
            },
            _ => return None,
        };
        Some(match text.as_ref() {
            "BAD_PARAMETERS" => Self::BadParameters,
            "NEED_AUTHENTICATION" => Self::NeedAuthentication,
            "NOT_AUTHORIZED" => Self::NotAuthorized,
            "NOT_FOUND" => Self::NotFound,
            "CONFLICT" => Self::Conflict,
            "GONE" => Self::Gone,
            "INSUFFICIENT_RESOURCES" => Self::InsufficientResources,
            "UNPROCESSABLE_ENTITY" => Self::UnprocessableEntity,
            "INVALID_CONFIG" => Self::InvalidConfig,
            "PRERUNNER_ERROR" => Self::PrerunnerError,
            "SERVER_ERROR" => Self::ServerError,
            "REQUEST_ERROR" => Self::RequestError,
            "UNKNOWN_ERROR" => Self::UnknownError,
            "CANNOT_CONNECT" => Self::CannotConnect,
            "INVALID_RESPONSE" => Self::InvalidResponse,
            "GENERAL_ERROR" => Self::GeneralError,
            _ => Self::Other(text.into_owned()),
        })
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
