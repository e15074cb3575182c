//! Wakes threads of a pool.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Wakes those who wait for something to change.
#[derive(Default)]
pub(super) struct Bell {
    count: Mutex<u64>,
    rung: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = count.wrapping_add(1);
        drop(count);
        self.rung.notify_all();
    }

    /// Counts how often it was rung.
    pub(super) fn count(&self) -> u64 {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it was rung since it was counted, or until this time.
    pub(super) fn wait(&self, before: u64, until: Instant) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.saturating_duration_since(Instant::now());
        let waited = self
            .rung
            .wait_timeout_while(count, left, |count| *count == before);
        drop(waited);
    }
}
