//! Locks that ignore poisoning, and waits for changes of a locked value.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks a mutex, even if a thread has panicked while it held the lock.
///
/// Callers must leave no value half changed when they panic. No code of a test runs under these
/// locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A mutex together with the condition variable that signals changes of its value.
#[derive(Default)]
pub(crate) struct Monitor<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Monitor<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        lock(&self.value)
    }

    /// Wakes all threads that wait for a change.
    pub(crate) fn notify_all(&self) {
        self.changed.notify_all();
    }

    /// Waits for a change, at most for the timeout. It may also return early.
    pub(crate) fn wait<'a>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, T> {
        match timeout {
            None => self
                .changed
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = self.changed.wait_timeout(guard, timeout);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}
