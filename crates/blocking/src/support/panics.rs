//! Handles panics in the caller's code.

use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// Ignores a panic, which the panic hook has reported. Its value is leaked: dropping it may panic.
pub(crate) fn ignore_panic<T>(result: thread::Result<T>) -> Option<T> {
    result.map_err(forget).ok()
}

/// Runs a function in a destructor. If the thread already unwinds, catches a panic of the function,
/// because a second panic would abort the process.
pub(crate) fn in_drop(work: impl FnOnce()) {
    if thread::panicking() {
        ignore_panic(catch_unwind(AssertUnwindSafe(work)));
    } else {
        work();
    }
}
