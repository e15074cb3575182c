//! What the tests share: one at a time, and what a process holds.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by a test as long as it must not be disturbed.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}
