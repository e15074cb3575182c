//! Time measurements that a busy machine cannot falsify.
//!
//! A single call may be late because other programs use the processor, so it only proves that the
//! limit ended it. The fastest of many calls proves that limits are precise, because only the
//! client itself can delay all of them.

use std::time::{Duration, Instant};

/// Maximum delay of a single call after its limit.
const GRACE: Duration = Duration::from_secs(5);

/// Maximum delay of the fastest of many calls after its limit.
const PRECISION: Duration = Duration::from_millis(100);

/// Runs the work. Returns the elapsed time and the result.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let result = work();
    (begin.elapsed(), result)
}

/// Checks that the work took at least `limit`, and not much longer.
pub(crate) fn assert_in_time(what: &str, took: Duration, limit: Duration) {
    assert!(took >= limit, "{what}: it took {took:?}, and not {limit:?}");
    assert_not_late(what, took, limit);
}

/// Checks that the work did not take much longer than `limit`.
pub(crate) fn assert_not_late(what: &str, took: Duration, limit: Duration) {
    assert!(
        took <= limit + GRACE,
        "{what}: it took {took:?}, and not {limit:?}"
    );
}

/// Checks that the fastest of many calls was late by at most [`PRECISION`].
pub(crate) fn assert_precise(what: &str, late: impl IntoIterator<Item = Duration>) {
    let least = late.into_iter().min().expect("a call");
    assert!(
        least <= PRECISION,
        "{what}: each call was at least {least:?} late"
    );
}
