use std::error::Error;
use std::fmt;

/// The sentence and its causes: the `Debug` of errors, which `unwrap` and a `main` that returns one print.
pub(crate) fn in_words(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, "\n  caused by: {error}")?;
        cause = error.source();
    }
    Ok(())
}
