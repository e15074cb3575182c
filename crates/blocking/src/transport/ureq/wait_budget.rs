//! The time that one read or write may wait.

use std::time::{Duration, Instant};

use ::ureq::unversioned::transport::NextTimeout;
use ::ureq::{Error, Timeout};

use crate::limits::call_limits::{CallLimits, StopReason};

/// The time that one read or write may wait. The limits of the call and the timeout of ureq bound
/// it. ureq has timeouts only for connecting and for `100 Continue`.
pub(super) struct WaitBudget {
    limits: CallLimits,
    ureq_end: Option<(Instant, Timeout)>,
    last_progress: Instant,
}

impl WaitBudget {
    /// Starts a wait.
    ///
    /// # Errors
    /// The call was cancelled, or its deadline has passed.
    pub(super) fn new(limits: CallLimits, timeout: NextTimeout) -> Result<Self, Error> {
        limits.check().map_err(stopped)?;
        let now = Instant::now();
        let ureq_end = (!timeout.after.is_not_happening())
            .then(|| now.checked_add(*timeout.after))
            .flatten();
        Ok(Self {
            limits,
            ureq_end: ureq_end.map(|end| (end, timeout.reason)),
            last_progress: now,
        })
    }

    /// Records that data was sent, which restarts the idle timeout.
    pub(super) fn progress(&mut self) {
        self.last_progress = Instant::now();
    }

    /// Returns the time left; `None` if there is no limit.
    ///
    /// # Errors
    /// No time is left.
    pub(super) fn left(&self) -> Result<Option<Duration>, Error> {
        let call_end = self.limits.end_of_wait(self.last_progress);
        let (end, error) = match (call_end, self.ureq_end) {
            (Some((call_end, _)), Some((ureq_end, reason))) if ureq_end < call_end => {
                (ureq_end, Error::Timeout(reason))
            }
            (Some((end, reason)), _) => (end, stopped(reason)),
            (None, Some((end, reason))) => (end, Error::Timeout(reason)),
            (None, None) => return Ok(None),
        };
        match end.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(Some(left)),
            _ => Err(error),
        }
    }
}

/// Wraps a [`StopReason`] in an error of ureq.
pub(super) fn stopped(reason: StopReason) -> Error {
    Error::Io(reason.into())
}
