//! How long something takes, and how much of that is the machine's doing.
//!
//! A limit may come a little late, and no later on any machine that has time for who waits for it. So a thread naps all the while, and does
//! nothing else: as much as it wakes too late, a busy machine has kept threads from going on, and may have kept the call. On a machine
//! that is not busy that is next to nothing, and a client that is late by itself is found out.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How much later than asked for a limit may come, on a machine that has nothing else to do.
const GRACE: Duration = Duration::from_millis(100);

/// Much shorter than what is measured.
const NAP: Duration = Duration::from_millis(2);

/// When the one that naps is to wake, and how much too late it woke in all.
static NAPS: Mutex<Option<(Instant, Duration)>> = Mutex::new(None);

fn nap() {
    loop {
        thread::sleep(NAP);
        let mut naps = NAPS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((due, late)) = naps.as_mut() {
            let now = Instant::now();
            *late += now.saturating_duration_since(*due);
            *due = now + NAP;
        }
    }
}

/// A moment, and for how long the machine has kept threads waiting until then.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Moment {
    at: Instant,
    waited: Duration,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let mut naps = NAPS.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now();
        let (due, late) = *naps.get_or_insert_with(|| {
            thread::spawn(nap);
            (at + NAP, Duration::ZERO)
        });
        // It may be late just now.
        Self {
            at,
            waited: late + at.saturating_duration_since(due),
        }
    }

    /// What lies between this and another, which came later if it is to be more than nothing.
    pub(crate) fn until(self, end: Self) -> Span {
        Span {
            length: end.at.saturating_duration_since(self.at),
            waited: end.waited.saturating_sub(self.waited),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) length: Duration,
    /// For how much of it the machine has kept threads waiting.
    waited: Duration,
}

/// How long the work takes, and what comes of it.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Span, T) {
    let begin = Moment::now();
    let result = work();
    (begin.until(Moment::now()), result)
}

/// It took as long as it was allowed to, and not much longer.
pub(crate) fn assert_in_time(what: &str, took: Span, limit: Duration) {
    assert!(
        took.length >= limit,
        "{what}: it took {took:?}, and not {limit:?}"
    );
    assert_not_late(what, took, limit);
}

/// It took no longer than this, or not much.
pub(crate) fn assert_not_late(what: &str, took: Span, limit: Duration) {
    assert!(
        took.length <= limit + GRACE + took.waited,
        "{what}: it took {took:?}, and not {limit:?}"
    );
}
