//! Errors: a [`RequestError`] before the request is sent, and a [`ReplyError`] for the response.

mod api;
mod code;
mod message;

pub use api::ApiError;
pub use code::ErrorCode;
pub(crate) use message::{refusal_in_words, said};

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::str::Utf8Error;

use crate::Version;
use crate::headers::Encoding;

/// The error of a request that cannot be built. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The base URL of the hub is invalid.
    #[error("invalid base URL {url:?}: {problem}")]
    #[non_exhaustive]
    BaseUrl {
        /// The URL without passwords and other secrets.
        url: String,
        /// The reason, and the correct form.
        problem: String,
    },

    /// A value cannot be a segment of a path: hubs would not find it, or it would change the path.
    #[error("invalid {what} {value:?}: {problem}")]
    #[non_exhaustive]
    PathSegment {
        /// The kind of value, for example `sequence id`.
        what: &'static str,
        /// The value.
        value: String,
        /// The reason.
        problem: &'static str,
    },

    /// A header is invalid.
    #[error("invalid header {name:?}: {problem}")]
    #[non_exhaustive]
    Header {
        /// Name of the header. The error does not contain the value, which may be a secret.
        name: String,
        /// The reason.
        problem: String,
    },

    /// An option of an operation has a value that no hub accepts.
    #[error("invalid option {option:?}: {problem}")]
    #[non_exhaustive]
    Option {
        /// The option as hubs spell it, for example `appConfig`.
        option: String,
        /// The reason.
        problem: String,
    },

    /// A setting of the client or of its transport is invalid.
    #[error("invalid setting {setting:?}: {problem}")]
    #[non_exhaustive]
    Setting {
        /// The setting, for example `ca_certificates`.
        setting: String,
        /// The reason. The error does not contain the value, which may be a secret.
        problem: String,
    },

    /// The hub is too old for the operation, or for one of its options.
    #[error("the hub is too old (version {hub}); {operation} requires version {since} or later")]
    #[non_exhaustive]
    Unsupported {
        /// The operation, or the operation with the option.
        operation: &'static str,
        /// The first hub version that supports it.
        since: Version,
        /// The version of this hub.
        hub: Version,
    },

    /// The operation depends on the version of the hub, which is not known yet. Request it with
    /// [`GetVersion`](crate::GetVersion), or set it with [`Endpoint::set_dialect`].
    ///
    /// [`Endpoint::set_dialect`]: crate::Endpoint::set_dialect
    #[error(
        "{operation} depends on the version of the hub, which is not known yet; \
         request it from the hub, or set it"
    )]
    #[non_exhaustive]
    DialectUnknown {
        /// The operation.
        operation: &'static str,
    },

    /// The request is not valid HTTP, for example because its path is too long.
    #[error("cannot build the request")]
    Http(#[from] http::Error),
}

impl RequestError {
    /// Makes a [`BaseUrl`](Self::BaseUrl) error, for transports that cannot reach every address.
    #[must_use]
    pub fn base_url(url: &str, problem: &str) -> Self {
        Self::BaseUrl {
            url: url.into(),
            problem: problem.into(),
        }
    }

    /// Makes a [`Header`](Self::Header) error, for operations and clients whose callers set
    /// headers.
    #[must_use]
    pub fn header(name: &str, problem: &str) -> Self {
        Self::Header {
            name: name.into(),
            problem: problem.into(),
        }
    }

    /// Makes an [`Option`](Self::Option) error, for operations that check their values.
    #[must_use]
    pub fn option(option: &str, problem: &str) -> Self {
        Self::Option {
            option: option.into(),
            problem: problem.into(),
        }
    }

    /// Makes a [`Setting`](Self::Setting) error, for clients and transports that check their
    /// settings.
    #[must_use]
    pub fn setting(setting: &str, problem: &str) -> Self {
        Self::Setting {
            setting: setting.into(),
            problem: problem.into(),
        }
    }
}

/// Lets generic code accept values whose conversion cannot fail.
impl From<core::convert::Infallible> for RequestError {
    fn from(never: core::convert::Infallible) -> Self {
        match never {}
    }
}

/// The error of a response: a refusal, or a body that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The hub, or a proxy in front of it, refused the request: the status is not a success (2xx).
    #[error(transparent)]
    Api(#[from] Box<ApiError>),

    /// The status is a success, but the body or a line of it is not the expected JSON. Also the
    /// error of [`Event::data_as`](crate::Event::data_as).
    #[error("the response is not the expected JSON; it begins with {start:?}")]
    #[non_exhaustive]
    Body {
        /// The beginning of the body or of the line, at most 120 characters.
        start: String,
        /// The error of the parser.
        source: serde_json::Error,
    },

    /// The status is a success, but the body or a line of it is not UTF-8 text.
    #[error("the response is not UTF-8 text; it begins with {start:?}")]
    #[non_exhaustive]
    Text {
        /// The beginning of the body or of the line, at most 120 characters.
        start: String,
        /// The position of the first invalid byte.
        source: Utf8Error,
    },

    /// The body, or a line of it, is longer than hubs send. The rest of it was not read. A decoder
    /// of lines then continues with the next line.
    #[error(
        "the response or a line of it is longer than {limit} bytes, more than a hub sends here; \
         the rest was not read"
    )]
    #[non_exhaustive]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },

    /// The body is compressed, although the client did not request that. It was not read. Turn off
    /// compression in the proxy in front of the hub.
    #[error(
        "the response is encoded ({header}: {}), \
         which the client did not request and cannot decode; \
         turn off compression in the proxy in front of the hub",
        said(.encoding).unwrap_or_default()
    )]
    #[non_exhaustive]
    Encoded {
        /// `Content-Encoding` or `Transfer-Encoding`.
        header: &'static str,
        /// The value of this header, for example `gzip`.
        encoding: String,
    },

    /// The connection was lost before the body was complete.
    #[error("connection lost while reading the response (got {})", progress(*.got, *.expected))]
    #[non_exhaustive]
    Truncated {
        /// Number of bytes received.
        got: u64,
        /// Length of the complete body, if the response announced it.
        expected: Option<u64>,
    },
}

impl From<Encoding> for ReplyError {
    fn from(Encoding { header, value }: Encoding) -> Self {
        Self::Encoded {
            header,
            encoding: value,
        }
    }
}

impl ReplyError {
    pub(crate) fn body(source: serde_json::Error, body: &[u8]) -> Self {
        Self::Body {
            start: message::start_of(body),
            source: message::in_short(source),
        }
    }

    pub(crate) fn text(source: Utf8Error, text: &[u8]) -> Self {
        Self::Text {
            start: message::start_of(text),
            source,
        }
    }

    /// Returns `true` if a retry may succeed: the connection was lost while reading the response,
    /// or the refusal is temporary, see [`ApiError::is_transient`].
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api(refusal) => refusal.is_transient(),
            Self::Truncated { .. } => true,
            Self::Body { .. }
            | Self::Text { .. }
            | Self::TooLarge { .. }
            | Self::Encoded { .. } => false,
        }
    }

    /// Returns the refusal, if the error is one.
    #[must_use]
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            _ => None,
        }
    }
}

/// Removes secrets from an address. The text before an `@` may contain a password, also in a
/// mistyped address (`user:secret@example.com` has the scheme `user`). The text after a `?` or `#`
/// may be a token. If an `@` follows a `?` or `#`, the whole address is replaced.
pub(crate) fn redacted(address: &str) -> Cow<'_, str> {
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let (place, rest) = address.split_at_checked(end).unwrap_or_default();
    match place.rsplit_once('@') {
        _ if rest.contains('@') => "…".into(),
        Some((_, place)) => format!("…@{place}").into(),
        None => place.into(),
    }
}

/// Formats the number of bytes received.
fn progress(got: u64, expected: Option<u64>) -> String {
    match expected {
        Some(expected) => format!("{got} of {expected} bytes"),
        None => format!("{got} bytes"),
    }
}
