//! Retries of failed requests within a flow.

use core::time::Duration;

use crate::RetryPolicy;

/// Limits for the retries of a flow whose requests fail with transient errors.
///
/// Transient errors are lost connections, and responses of a gateway that cannot reach the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutageTolerance {
    /// Retry policy until the hub has answered for the first time. `None` means no retry. If
    /// `max_outage` is `None` as well, the flow retries without a limit.
    pub initial_retry: Option<RetryPolicy>,
    /// Upper bound for an outage after the first response of the hub. `None` means no limit. The
    /// delays between the attempts double from 100 milliseconds to 5 seconds.
    pub max_outage: Option<Duration>,
}

impl OutageTolerance {
    /// Retries without a limit, also before the first response of the hub.
    pub const ENDLESS: Self = Self {
        initial_retry: None,
        max_outage: None,
    };

    /// Returns the default: at most three attempts, 50 and 100 milliseconds apart, until the hub
    /// has answered for the first time. After that, outages of up to a minute.
    #[must_use]
    pub fn new() -> Self {
        let first = RetryPolicy::exponential(Duration::from_millis(100));
        Self {
            initial_retry: Some(first),
            max_outage: Some(Duration::from_secs(60)),
        }
    }
}

impl Default for OutageTolerance {
    fn default() -> Self {
        Self::new()
    }
}

const FIRST_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(5);

/// Tracks the current outage: consecutive failures since the last response.
#[derive(Debug)]
pub(super) struct OutageTracker {
    tolerance: OutageTolerance,
    hub_has_answered: bool,
    since: Option<Duration>,
    failures: u32,
}

impl OutageTracker {
    pub(super) fn new(tolerance: OutageTolerance) -> Self {
        Self {
            tolerance,
            hub_has_answered: false,
            since: None,
            failures: 0,
        }
    }

    /// Returns `true` if the hub has answered at least once.
    pub(super) fn hub_has_answered(&self) -> bool {
        self.hub_has_answered
    }

    /// Records a response, which ends the outage.
    pub(super) fn request_answered(&mut self) {
        self.hub_has_answered = true;
        self.since = None;
        self.failures = 0;
    }

    /// Records a transient failure. Returns the delay before the next attempt, or `None` to stop.
    pub(super) fn request_failed(&mut self, now: Duration) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_sub(since);
        self.failures = self.failures.saturating_add(1);
        if !self.hub_has_answered && self.tolerance != OutageTolerance::ENDLESS {
            // The flow has no random numbers. Jitter is not needed for its few requests.
            return self
                .tolerance
                .initial_retry?
                .delay(self.failures, elapsed, 0);
        }
        if self.tolerance.max_outage.is_some_and(|max| elapsed >= max) {
            return None;
        }
        let doubled = FIRST_DELAY.saturating_mul(2_u32.saturating_pow(self.failures - 1));
        Some(doubled.min(MAX_DELAY))
    }
}
