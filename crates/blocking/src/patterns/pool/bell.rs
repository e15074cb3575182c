//! Wakes threads of a pool.

use std::sync::{Condvar, Mutex};
use std::time::Instant;

use crate::support::sync::lock;

/// Wakes those who wait for something to change.
#[derive(Default)]
pub(super) struct Bell {
    count: Mutex<u64>,
    rung: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        let mut count = lock(&self.count);
        *count = count.wrapping_add(1);
        drop(count);
        self.rung.notify_all();
    }

    /// Counts how often it was rung.
    pub(super) fn count(&self) -> u64 {
        *lock(&self.count)
    }

    /// Waits until it was rung since it was counted, or until this time.
    pub(super) fn wait(&self, before: u64, until: Instant) {
        let count = lock(&self.count);
        let left = until.saturating_duration_since(Instant::now());
        let waited = self
            .rung
            .wait_timeout_while(count, left, |count| *count == before);
        drop(waited);
    }
}
