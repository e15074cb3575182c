//! Finds in an error what this transport has put into it.

use std::error::Error as StdError;
use std::io;

use crate::error::Error;
use crate::support::chain::causes;

/// The first of this type among the causes. One within an IO error is not among them by itself: such an error speaks for it.
pub(super) fn find<T: StdError + 'static>(error: &Error) -> Option<&T> {
    causes(error).find_map(|cause| {
        let within = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        cause.downcast_ref().or_else(|| within?.downcast_ref())
    })
}
