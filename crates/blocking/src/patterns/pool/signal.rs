use std::sync::{Condvar, Mutex};
use std::time::Instant;

use crate::support::sync::lock;

/// Wakes threads of a pool. Counts notifications, so that a thread does not miss one that comes
/// before it waits.
#[derive(Default)]
pub(super) struct Signal {
    count: Mutex<u64>,
    notified: Condvar,
}

impl Signal {
    pub(super) fn notify(&self) {
        let mut count = lock(&self.count);
        *count = count.wrapping_add(1);
        drop(count);
        self.notified.notify_all();
    }

    /// Returns the number of notifications so far.
    pub(super) fn count(&self) -> u64 {
        *lock(&self.count)
    }

    /// Waits for a notification after `count` was read, or until a time.
    pub(super) fn wait(&self, count: u64, until: Instant) {
        let current = lock(&self.count);
        let time_left = until.saturating_duration_since(Instant::now());
        let unchanged = |current: &mut u64| *current == count;
        let waited = self
            .notified
            .wait_timeout_while(current, time_left, unchanged);
        drop(waited);
    }
}
