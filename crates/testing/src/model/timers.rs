//! A queue of things to do at their times.

use std::collections::BTreeMap;
use std::time::Duration;

/// Things to do at their times, in the order in which they were added if the times are equal.
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
    pub(super) fn add(&mut self, at: Duration, what: T) {
        self.next += 1;
        self.due.insert((at, self.next), what);
    }

    /// The time of the next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Takes out the next, if its time has come.
    pub(super) fn take(&mut self, now: Duration) -> Option<(Duration, T)> {
        if self.next()? > now {
            return None;
        }
        self.due.pop_first().map(|((at, _), what)| (at, what))
    }
}
