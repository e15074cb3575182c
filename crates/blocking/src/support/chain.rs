use std::error::Error;
use std::fmt;
use std::iter::successors;

const MOST_CAUSES: usize = 64;

/// The sentence and its causes: the `Debug` of errors, which `unwrap` and a `main` that returns one print.
pub(crate) fn in_words(error: &(dyn Error + 'static), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut causes = causes(error);
    causes.try_for_each(|error| write!(f, "\n  caused by: {error}"))
}

/// The causes of an error. One of the user's may be its own cause, so there is a limit.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(error.source(), |&cause| cause.source()).take(MOST_CAUSES)
}
