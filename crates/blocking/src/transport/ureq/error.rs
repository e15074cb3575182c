//! Errors on their way through ureq.

use std::error::Error as StdError;
use std::{fmt, io};

use crate::in_words::causes;
use crate::{BoxError, Error, StopReason};

/// A connection that was lost during a response.
///
/// If a body has no announced length, ureq treats errors such as `ConnectionReset` as its end. It
/// returns this error instead.
#[derive(Debug)]
pub(super) struct ConnectionLost(pub(super) io::Error);

impl fmt::Display for ConnectionLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for ConnectionLost {}

/// Returns the error inside an error of ureq: a [`StopReason`], the content of a [`ConnectionLost`]
/// or another I/O error.
pub(super) fn source_of(error: ::ureq::Error) -> BoxError {
    match error {
        ::ureq::Error::Io(error) => match error.downcast::<StopReason>() {
            Ok(reason) => reason.into(),
            Err(error) => error
                .downcast::<ConnectionLost>()
                .map_or_else(Into::into, |ConnectionLost(error)| error.into()),
        },
        // Only connecting has a timeout of ureq.
        error @ ::ureq::Error::Timeout(_) => io::Error::new(io::ErrorKind::TimedOut, error).into(),
        error => error.into(),
    }
}

/// Converts an error of a response body. A connection that was closed early becomes an
/// `UnexpectedEof`.
pub(super) fn body_error(error: io::Error) -> io::Error {
    match ::ureq::Error::from(error) {
        // The connection was closed within the length of a chunk.
        error @ ::ureq::Error::BodyStalled => io::Error::new(io::ErrorKind::UnexpectedEof, error),
        error => match error.into_io().downcast::<ConnectionLost>() {
            Ok(ConnectionLost(error)) => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            Err(error) => error,
        },
    }
}

/// Finds the first cause of this type, also inside an I/O error, which its `source` skips.
pub(super) fn find_cause<T: StdError + 'static>(error: &Error) -> Option<&T> {
    causes(error).find_map(|cause| {
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        cause.downcast_ref().or_else(|| inner?.downcast_ref())
    })
}
