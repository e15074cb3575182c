use std::{fmt, io};

#[cfg(feature = "ureq")]
use super::ureq::{ProxyError, TlsError};
use crate::limits::call_limits::StopReason;
use crate::support::chain::BoxError;
use crate::support::threads::NoThread;

/// The error of an exchange: no response was received, or reading its body failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct TransportError {
    /// Part of the exchange that failed. It says how far the request got.
    pub phase: Phase,
    /// Kind of the failure.
    pub kind: TransportErrorKind,
    /// Cause of the failure.
    pub source: BoxError,
    io_kind: Option<io::ErrorKind>,
}

/// The kind of a [`TransportError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// Reading, writing or connecting failed.
    Io,
    /// The TLS handshake failed.
    Tls,
    /// Connecting through a proxy failed, or the proxy refused the request.
    Proxy,
    /// A limit of the caller ended the exchange.
    Stopped(StopReason),
    /// A thread that the exchange needs could not be created. Nothing was sent.
    Thread,
    /// Any other failure.
    Other,
}

/// The parts of an exchange. Later parts are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Name resolution. Nothing of the request was sent.
    Resolve,
    /// Connecting, or checking an idle connection. Nothing of the request was sent.
    Connect,
    /// TLS handshake. Nothing of the request was sent.
    Tls,
    /// Sending the request. The hub may have received a part of it.
    Send,
    /// Waiting for the head of the response. The hub has the request, and may have processed it.
    Wait,
    /// Reading the body of the response.
    Read,
}

impl TransportError {
    /// Creates an error. The type of `source` determines the kind: a [`StopReason`], this crate's
    /// TLS or proxy error, or an [`io::Error`] that may contain one of these. All other types have
    /// the kind [`Other`](TransportErrorKind::Other).
    pub fn new(phase: Phase, source: impl Into<BoxError>) -> Self {
        let source = source.into();
        let io_error = source.downcast_ref::<io::Error>();
        let (kind, io_kind) = match io_error {
            None => (kind_of(&*source), None),
            Some(error) => {
                let kind = error.get_ref().map(|inner| kind_of(inner));
                let kind = kind.filter(|kind| *kind != TransportErrorKind::Other);
                (kind.unwrap_or(TransportErrorKind::Io), Some(error.kind()))
            }
        };
        Self {
            phase,
            kind,
            source,
            io_kind,
        }
    }

    #[cfg(feature = "ureq")]
    pub(crate) fn connect(source: impl Into<BoxError>) -> Self {
        Self::new(Phase::Connect, source)
    }

    /// Returns the kind of the source, if it is an [`io::Error`].
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        self.io_kind
    }
}

fn kind_of(error: &(dyn std::error::Error + 'static)) -> TransportErrorKind {
    if let Some(stopped) = error.downcast_ref() {
        return TransportErrorKind::Stopped(*stopped);
    }
    if error.is::<NoThread>() {
        return TransportErrorKind::Thread;
    }
    #[cfg(feature = "ureq")]
    if error.is::<TlsError>() {
        return TransportErrorKind::Tls;
    }
    #[cfg(feature = "ureq")]
    if error.is::<ProxyError>() {
        return TransportErrorKind::Proxy;
    }
    TransportErrorKind::Other
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.phase {
            Phase::Resolve => "name resolution failed",
            Phase::Connect => "could not connect",
            Phase::Tls => "TLS handshake failed",
            Phase::Send => "sending the request failed",
            Phase::Wait => "no valid response received",
            Phase::Read => "reading the response failed",
        })
    }
}

impl std::error::Error for TransportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}
