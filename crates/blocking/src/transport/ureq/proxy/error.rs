//! What is wrong with a proxy, for a person.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, ErrorKind};

use http::StatusCode;

use super::Address;
use crate::limits::call_limits::StopReason;
use crate::transport::BoxError;

/// The problem with a proxy, in a sentence that names it without user name and password. Found in
/// an error by [`Error::proxy`](crate::Error::proxy).
///
/// Nothing was sent to the hub, with one exception: if a proxy answers a request to an `http` hub
/// with `5xx`, it may have passed the request on. [`Error::phase`](crate::Error::phase) is [`Phase::Wait`](crate::transport::Phase)
/// then.
#[derive(Debug)]
pub struct ProxyError {
    problem: ProxyProblem,
    words: String,
    source: Option<BoxError>,
}

/// What is wrong with a proxy, for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyProblem {
    /// It cannot be connected to, or does not open a tunnel in time.
    Unreachable,
    /// It does not reach the hub or does not let the request through, and answers with this status:
    /// 407 (Tinyproxy: also 401) if it wants a user name and a password, or others.
    Refused(StatusCode),
    /// What is at its address closes the connection, or does not answer as proxies do.
    NotAProxy,
    /// The variable of the environment that names it cannot be used.
    Setting,
}

impl ProxyError {
    /// What it is, for a program.
    #[must_use]
    pub fn problem(&self) -> ProxyProblem {
        self.problem
    }

    fn new(problem: ProxyProblem, words: String) -> Self {
        Self {
            problem,
            words,
            source: None,
        }
    }

    /// What became of the attempt to connect to it. That the caller has ended it is told as it is.
    pub(in super::super) fn unreachable(proxy: &Address, error: ::ureq::Error) -> ::ureq::Error {
        let (kind, words, source) = match error {
            ::ureq::Error::Timeout(_) => (ErrorKind::TimedOut, "did not answer in time", None),
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
        let words = format!("the proxy {proxy} {words}");
        ::ureq::Error::Io(io::Error::new(
            kind,
            Self {
                source,
                ..Self::new(ProxyProblem::Unreachable, words)
            },
        ))
    }

    pub(super) fn refused(proxy: &Address, hub: &str, status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        let words = match (&proxy.authorization, status.as_u16()) {
            (None, 407) => {
                format!(
                    "the proxy {proxy} wants a user name and a password (407), \
                     which its URL can hold: http://user:password@..."
                )
            }
            (Some(_), code @ (401 | 407)) => {
                format!(
                    "the proxy {proxy} does not accept the user name and the password of its URL \
                     ({code}), or wants them in another way than Basic"
                )
            }
            _ => format!("the proxy {proxy} refused to connect to {hub}: {status}"),
        };
        Self::new(ProxyProblem::Refused(status), words)
    }

    /// A request that it may have passed on.
    pub(super) fn unanswered(proxy: &Address, hub: &str, status: StatusCode) -> Self {
        Self::new(
            ProxyProblem::Refused(status),
            format!("the proxy {proxy} got no response from {hub}: {status}"),
        )
    }

    pub(super) fn closed(proxy: &Address) -> Self {
        Self::new(
            ProxyProblem::NotAProxy,
            format!("the proxy {proxy} closed the connection instead of answering"),
        )
    }

    pub(super) fn nonsense(proxy: &Address) -> Self {
        Self::new(
            ProxyProblem::NotAProxy,
            format!("what is at {proxy} does not answer as a proxy does"),
        )
    }

    pub(super) fn unusable(variable: &str, problem: &str) -> Self {
        Self::new(
            ProxyProblem::Setting,
            format!("the environment's {variable} cannot be used: {problem}"),
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
        f.write_str(&self.words)
    }
}

impl StdError for ProxyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| -> &(dyn StdError + 'static) { source })
    }
}
