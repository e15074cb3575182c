//! What can go wrong, by whose mistake: [`RequestError`] is ours and comes before anything is sent, [`ReplyError`] is the other side's.

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

/// Why a request was not built. Nothing has been sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The base URL of a hub cannot be used.
    #[error("invalid base URL {url:?}: {problem}")]
    #[non_exhaustive]
    BaseUrl {
        /// The URL as given, without a password that it may hold.
        url: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },

    /// A value that should stand in a path cannot be found there by a hub, or would change the route.
    #[error("invalid {what} {value:?}: {problem}")]
    #[non_exhaustive]
    PathSegment {
        /// What it should have been: `sequence id`.
        what: &'static str,
        /// The value.
        value: String,
        /// Why it cannot.
        problem: &'static str,
    },

    /// A header cannot be sent.
    #[error("invalid header {name:?}: {problem}")]
    #[non_exhaustive]
    Header {
        /// The header's name. Its value may be a secret and is not kept.
        name: String,
        /// What is wrong with it.
        problem: String,
    },

    /// An option of an operation has a value that no hub takes.
    #[error("invalid option {option:?}: {problem}")]
    #[non_exhaustive]
    Option {
        /// The option, in the hub's spelling: `appConfig`.
        option: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A setting of a client cannot be used.
    #[error("invalid setting {setting:?}: {problem}")]
    #[non_exhaustive]
    Setting {
        /// The setting: `ca_certificates`.
        setting: String,
        /// What is wrong with it. Its value may be a secret and is not kept.
        problem: String,
    },

    /// The hub is older than the operation, or than an option of it.
    #[error("the hub is too old (version {hub}); {operation} requires version {since} or later")]
    #[non_exhaustive]
    Unsupported {
        /// The operation, or the option.
        operation: &'static str,
        /// The first version with it.
        since: Version,
        /// The version of this hub.
        hub: Version,
    },

    /// The operation depends on the version of the hub, which is not known yet.
    #[error(
        "{operation} depends on the version of the hub, which is not known yet; \
         request it from the hub, or set it"
    )]
    #[non_exhaustive]
    DialectUnknown {
        /// The operation.
        operation: &'static str,
    },

    /// The request description is not one that HTTP knows, for example because its path is too long.
    #[error("cannot build the request")]
    Http(#[from] http::Error),
}

impl RequestError {
    /// A [`BaseUrl`](Self::BaseUrl) error, for transports that cannot reach every address.
    #[must_use]
    pub fn base_url(url: &str, problem: &str) -> Self {
        Self::BaseUrl {
            url: url.into(),
            problem: problem.into(),
        }
    }

    /// A [`Header`](Self::Header) error, for operations and clients that take header values from their callers.
    #[must_use]
    pub fn header(name: &str, problem: &str) -> Self {
        Self::Header {
            name: name.into(),
            problem: problem.into(),
        }
    }

    /// An [`Option`](Self::Option) error, for operations that check their values.
    #[must_use]
    pub fn option(option: &str, problem: &str) -> Self {
        Self::Option {
            option: option.into(),
            problem: problem.into(),
        }
    }

    /// A [`Setting`](Self::Setting) error, for clients and transports that check what they are given.
    #[must_use]
    pub fn setting(setting: &str, problem: &str) -> Self {
        Self::Setting {
            setting: setting.into(),
            problem: problem.into(),
        }
    }
}

/// So that a value which needs no check can stand where one that does is expected.
impl From<core::convert::Infallible> for RequestError {
    fn from(never: core::convert::Infallible) -> Self {
        match never {}
    }
}

/// Why a reply did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The other side refused, and said so by its status.
    #[error(transparent)]
    Api(#[from] Box<ApiError>),

    /// The status says success, but the body is not what was expected.
    #[error("the response is not the expected JSON; it begins with {start:?}")]
    #[non_exhaustive]
    Body {
        /// The beginning of the body, at most 120 characters.
        start: String,
        /// What the parser says.
        source: serde_json::Error,
    },

    /// The status says success, but the body is not the text that was expected.
    #[error("the response is not UTF-8 text; it begins with {start:?}")]
    #[non_exhaustive]
    Text {
        /// The beginning of the body, or of the line, at most 120 characters.
        start: String,
        /// Where it is wrong.
        source: Utf8Error,
    },

    /// The body is longer than this operation's reply can be.
    #[error(
        "the response is longer than {limit} bytes, more than a hub sends here; \
         the rest was not read"
    )]
    #[non_exhaustive]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },

    /// The body is compressed, although the request did not ask for that. It was not read.
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

    /// The body ended before it was complete.
    #[error("connection lost while reading the response (got {})", progress(*.got, *.expected))]
    #[non_exhaustive]
    Truncated {
        /// How many bytes of the body came.
        got: u64,
        /// How many were announced, where a length was.
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

    /// Whether the same request may succeed if it is repeated: the response was cut off, or is a
    /// refusal that may pass, see [`ApiError::is_transient`].
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

    /// The refusal, if it is one.
    #[must_use]
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            _ => None,
        }
    }
}

/// Removes secrets from an address: what precedes an `@` may be a password, also in a mistyped
/// address (`user:secret@example.com` has the scheme `user`), and what follows a `?` or `#` may be a
/// token. Nothing is left of an address in which the two cannot be told apart.
pub(crate) fn redacted(address: &str) -> Cow<'_, str> {
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let (place, rest) = address.split_at_checked(end).unwrap_or_default();
    match place.rsplit_once('@') {
        _ if rest.contains('@') => "…".into(),
        Some((_, place)) => format!("…@{place}").into(),
        None => place.into(),
    }
}

fn progress(got: u64, expected: Option<u64>) -> String {
    match expected {
        Some(expected) => format!("{got} of {expected} bytes"),
        None => format!("{got} bytes"),
    }
}
