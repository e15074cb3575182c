//! Panics in code of the program that uses the client.

use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// Ignores a panic, which the panic hook has reported. Its value is leaked: dropping it may panic.
pub(crate) fn ignore_panic<T>(result: thread::Result<T>) -> Option<T> {
    result.map_err(forget).ok()
}

/// Runs something in a destructor. A second panic on a thread that unwinds already would abort the
/// process, so it is caught.
pub(crate) fn in_drop(work: impl FnOnce()) {
    if thread::panicking() {
        ignore_panic(catch_unwind(AssertUnwindSafe(work)));
    } else {
        work();
    }
}
