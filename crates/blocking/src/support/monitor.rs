use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use crate::support::sync::{lock, wait};

/// A value that threads share, and on whose changes they can wait.
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

    /// Changes the value, and wakes all waiting threads.
    pub(crate) fn change<U>(&self, change: impl FnOnce(&mut T) -> U) -> U {
        let result = change(&mut self.lock());
        self.notify();
        result
    }

    /// Wakes all waiting threads.
    pub(crate) fn notify(&self) {
        self.changed.notify_all();
    }

    /// Waits for a change, or until a time if there is one. May return earlier.
    pub(crate) fn wait<'a>(
        &self,
        guard: MutexGuard<'a, T>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, T> {
        wait(&self.changed, guard, until)
    }
}
