//! Errors and the chains of their causes.

use std::error::Error;
use std::fmt;
use std::iter::successors;

/// The cause of a [`TransportError`](crate::transport::TransportError): any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Upper bound for the number of causes, because an error of user code may be its own cause.
const MAX_CAUSES: usize = 64;

/// Writes the messages of an error and its causes. Errors use it for `Debug`, because `unwrap`, and
/// `main` if it returns an error, print that.
pub(crate) fn fmt_chain(error: &(dyn Error + 'static), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut causes = causes(error);
    causes.try_for_each(|error| write!(f, "\n  caused by: {error}"))
}

/// Returns the causes of an error.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(error.source(), |&cause| cause.source()).take(MAX_CAUSES)
}
