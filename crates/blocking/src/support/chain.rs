//! Chains of causes of errors.

use std::error::Error;
use std::fmt;
use std::iter::successors;

/// The cause of a [`TransportError`](crate::transport::TransportError): any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Upper bound for the length of a chain, because an error of the user's code may be its own cause.
const MAX_CAUSES: usize = 64;

/// Writes the message of an error and its causes. This is the `Debug` output of errors, which
/// `unwrap` and a `main` that returns an error print.
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
