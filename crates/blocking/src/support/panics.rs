//! Panics in user code, such as observers, transports and readers.

use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// Ignores a panic, because the panic hook has reported it. Leaks the payload, because dropping it
/// may panic.
pub(crate) fn ignore_panic<T>(result: thread::Result<T>) -> Option<T> {
    result.map_err(forget).ok()
}

/// Runs work in a destructor. If the thread is already panicking, catches another panic, because it
/// would abort the process.
pub(crate) fn in_drop(work: impl FnOnce()) {
    if thread::panicking() {
        ignore_panic(catch_unwind(AssertUnwindSafe(work)));
    } else {
        work();
    }
}
