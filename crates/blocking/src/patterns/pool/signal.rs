use std::time::Instant;

use crate::support::monitor::Monitor;

/// Wakes threads of a pool. Counts notifications, so that a thread does not miss one that comes
/// before it waits.
#[derive(Default)]
pub(super) struct Signal(Monitor<u64>);

impl Signal {
    pub(super) fn notify(&self) {
        self.0.change(|count| *count = count.wrapping_add(1));
    }

    /// Returns the number of notifications so far.
    pub(super) fn count(&self) -> u64 {
        *self.0.lock()
    }

    /// Waits until there is another notification since `count` was read, or until a time.
    pub(super) fn wait(&self, count: u64, until: Instant) {
        let mut current = self.0.lock();
        while *current == count && Instant::now() < until {
            current = self.0.wait(current, Some(until));
        }
    }
}
