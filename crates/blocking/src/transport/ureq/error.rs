//! Conversion of ureq's errors.

use std::error::Error as StdError;
use std::{fmt, io};

use crate::limits::call_limits::StopReason;
use crate::transport::BoxError;

/// A connection that was lost during a response.
///
/// If a body has no announced length, ureq treats errors such as `ConnectionReset` as its end. So
/// `ExchangeMonitor` returns this error instead, which ureq passes on.
#[derive(Debug)]
pub(super) struct ConnectionLost(pub(super) io::Error);

impl fmt::Display for ConnectionLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for ConnectionLost {}

/// Returns the cause inside an error of ureq, for example a [`StopReason`] or an I/O error. A
/// [`ConnectionLost`] becomes the I/O error that it wraps, and a timeout becomes `TimedOut`.
pub(super) fn source_of(error: ::ureq::Error) -> BoxError {
    match error {
        ::ureq::Error::Io(error) => match error.downcast::<StopReason>() {
            Ok(reason) => reason.into(),
            Err(error) => error
                .downcast::<ConnectionLost>()
                .map_or_else(Into::into, |ConnectionLost(error)| error.into()),
        },
        // ureq has only the connect timeout.
        error @ ::ureq::Error::Timeout(_) => io::Error::new(io::ErrorKind::TimedOut, error).into(),
        error => error.into(),
    }
}

/// Converts an error of a response body. It becomes an `UnexpectedEof` if the connection was closed
/// before the end of the body.
pub(super) fn body_error(error: io::Error) -> io::Error {
    match ::ureq::Error::from(error) {
        // The connection was closed inside the size line of a chunk.
        error @ ::ureq::Error::BodyStalled => io::Error::new(io::ErrorKind::UnexpectedEof, error),
        error => match error.into_io().downcast::<ConnectionLost>() {
            Ok(ConnectionLost(error)) => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            Err(error) => error,
        },
    }
}
