//! A lock for tests that must run alone.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks out other tests that must run alone.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}
