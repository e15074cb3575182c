//! A queue of timers.

use std::collections::BTreeMap;
use std::time::Duration;

/// A queue of values, each with a time. Equal times keep the order in which they were added.
#[derive(Debug)]
pub(super) struct Timers<T> {
    due: BTreeMap<(Duration, u64), T>,
    next: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            due: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<T> Timers<T> {
    pub(super) fn add(&mut self, at: Duration, value: T) {
        self.next += 1;
        self.due.insert((at, self.next), value);
    }

    /// Returns the earliest time.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Takes the earliest value, if its time has come.
    pub(super) fn take(&mut self, now: Duration) -> Option<(Duration, T)> {
        if self.next()? > now {
            return None;
        }
        self.due.pop_first().map(|((at, _), value)| (at, value))
    }
}
