//! How long a call takes, measured so that a busy machine changes no verdict.
//!
//! One call may come late because other programs had the processor, so a single measurement only
//! proves that the limit ended the call at all. That limits are precise is proved by the quickest
//! of many calls: nothing but the client itself can make all of them late.

use std::time::{Duration, Instant};

/// By how much a single call may exceed its limit.
const GRACE: Duration = Duration::from_secs(5);

/// By how much the quickest of many calls may exceed its limit.
const PRECISION: Duration = Duration::from_millis(100);

/// Runs the work, and returns the time that it took and its result.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let result = work();
    (begin.elapsed(), result)
}

/// The work took at least the time of the limit, and ended because of it.
pub(crate) fn assert_in_time(what: &str, took: Duration, limit: Duration) {
    assert!(took >= limit, "{what}: it took {took:?}, and not {limit:?}");
    assert_not_late(what, took, limit);
}

/// The work ended because of the limit.
pub(crate) fn assert_not_late(what: &str, took: Duration, limit: Duration) {
    assert!(
        took <= limit + GRACE,
        "{what}: it took {took:?}, and not {limit:?}"
    );
}

/// The quickest of many calls exceeded its limit by next to nothing.
pub(crate) fn assert_precise(what: &str, late: impl IntoIterator<Item = Duration>) {
    let least = late.into_iter().min().expect("a call");
    assert!(
        least <= PRECISION,
        "{what}: each call came at least {least:?} late"
    );
}
