//! Locks and waits that ignore poisoning. The data under these locks is consistent whenever code
//! runs that may panic.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Locks a mutex.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the value of a mutex.
pub(crate) fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a notification, but not longer than `until`. May return earlier.
pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    until: Option<Instant>,
) -> MutexGuard<'a, T> {
    let time_left = until.map_or(Duration::MAX, |until| {
        until.saturating_duration_since(Instant::now())
    });
    let waited = condvar.wait_timeout(guard, time_left);
    waited.unwrap_or_else(PoisonError::into_inner).0
}
