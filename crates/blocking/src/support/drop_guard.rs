//! Clean-up when a value is dropped.

use std::fmt;

use crate::support::panics::in_drop;

/// A value with a function that cleans up when the guard is dropped, unless it was disarmed.
pub(crate) struct DropGuard<T> {
    pub(crate) value: T,
    clean_up: Option<fn(&T)>,
}

impl<T> DropGuard<T> {
    pub(crate) fn new(value: T, clean_up: fn(&T)) -> Self {
        Self {
            value,
            clean_up: Some(clean_up),
        }
    }

    /// Prevents the clean-up.
    pub(crate) fn disarm(&mut self) {
        self.clean_up = None;
    }
}

impl<T> Drop for DropGuard<T> {
    fn drop(&mut self) {
        if let Some(clean_up) = self.clean_up {
            in_drop(|| clean_up(&self.value));
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for DropGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
