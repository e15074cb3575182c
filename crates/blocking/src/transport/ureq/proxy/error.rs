//! The error type for proxies.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, ErrorKind};

use http::StatusCode;

use super::address::ProxyAddress;
use crate::limits::call_limits::StopReason;
use crate::transport::BoxError;

/// A problem with a proxy. Its message names the proxy without user name and password.
/// [`Error::proxy`](crate::Error::proxy) returns it.
///
/// Nothing was sent to the hub, with one exception: a proxy that responds to a request for an
/// `http` hub with `5xx` may have forwarded the request. [`Error::phase`](crate::Error::phase) is
/// then [`Phase::Wait`](crate::transport::Phase::Wait).
#[derive(Debug)]
pub struct ProxyError {
    problem: ProxyProblem,
    message: String,
    source: Option<BoxError>,
}

/// The kind of a [`ProxyError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyProblem {
    /// Connecting to the proxy failed, or it did not open a tunnel in time.
    Unreachable,
    /// The proxy could not reach the hub or refused the request, and responded with this status.
    /// 407 (Tinyproxy: also 401) means that the user name and password are missing or wrong.
    Refused(StatusCode),
    /// The server at the proxy's address closed the connection, or does not respond like a proxy.
    NotAProxy,
    /// The environment variable that names the proxy is invalid.
    Setting,
}

impl ProxyError {
    /// Returns the kind of the problem.
    #[must_use]
    pub fn problem(&self) -> ProxyProblem {
        self.problem
    }

    fn new(problem: ProxyProblem, message: String) -> Self {
        Self {
            problem,
            message,
            source: None,
        }
    }

    /// Converts an error of connecting to the proxy. Returns a [`StopReason`] or a `ProxyError`
    /// unchanged.
    pub(in super::super) fn unreachable(
        proxy: &ProxyAddress,
        error: ::ureq::Error,
    ) -> ::ureq::Error {
        let (kind, problem, source) = match error {
            ::ureq::Error::Timeout(_) => (ErrorKind::TimedOut, "did not respond in time", None),
            ::ureq::Error::Io(error)
                if error
                    .get_ref()
                    .is_some_and(|error| error.is::<StopReason>() || error.is::<Self>()) =>
            {
                return ::ureq::Error::Io(error);
            }
            ::ureq::Error::Io(error) => (error.kind(), "cannot be reached", Some(error.into())),
            error => return error,
        };
        let message = format!("the proxy {proxy} {problem}");
        ::ureq::Error::Io(io::Error::new(
            kind,
            Self {
                source,
                ..Self::new(ProxyProblem::Unreachable, message)
            },
        ))
    }

    pub(super) fn refused(proxy: &ProxyAddress, hub: &str, status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        let message = match (&proxy.authorization, status.as_u16()) {
            (None, 407) => {
                format!(
                    "the proxy {proxy} requires a user name and a password (407); \
                     set them in its URL: http://user:password@..."
                )
            }
            (Some(_), code @ (401 | 407)) => {
                format!(
                    "the proxy {proxy} rejected the user name and password of its URL ({code}), \
                     or does not support Basic authentication"
                )
            }
            _ => format!("the proxy {proxy} refused to connect to {hub}: {status}"),
        };
        Self::new(ProxyProblem::Refused(status), message)
    }

    /// Creates the error for a request that the proxy may have forwarded.
    pub(super) fn no_response(proxy: &ProxyAddress, hub: &str, status: StatusCode) -> Self {
        Self::new(
            ProxyProblem::Refused(status),
            format!("the proxy {proxy} got no response from {hub}: {status}"),
        )
    }

    pub(super) fn closed(proxy: &ProxyAddress) -> Self {
        Self::new(
            ProxyProblem::NotAProxy,
            format!("the proxy {proxy} closed the connection without a response"),
        )
    }

    pub(super) fn invalid_response(proxy: &ProxyAddress) -> Self {
        Self::new(
            ProxyProblem::NotAProxy,
            format!("the server at {proxy} does not respond like a proxy"),
        )
    }

    pub(super) fn invalid_variable(variable: &str, problem: &str) -> Self {
        Self::new(
            ProxyProblem::Setting,
            format!("invalid environment variable {variable}: {problem}"),
        )
    }
}

impl From<ProxyError> for io::Error {
    fn from(error: ProxyError) -> Self {
        let kind = match error.problem {
            ProxyProblem::Unreachable | ProxyProblem::Refused(_) => ErrorKind::ConnectionRefused,
            ProxyProblem::NotAProxy => ErrorKind::InvalidData,
            ProxyProblem::Setting => ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

impl From<ProxyError> for ::ureq::Error {
    fn from(error: ProxyError) -> Self {
        Self::Io(error.into())
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for ProxyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| -> &(dyn StdError + 'static) { source })
    }
}
