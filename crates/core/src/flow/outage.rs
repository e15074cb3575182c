//! Patience with a hub that does not answer.

use core::time::Duration;

use crate::RetryPolicy;

/// How long a flow that waits goes on if its requests fail in a way that may pass: because of a
/// lost connection, or a gateway that does not reach the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutageTolerance {
    /// When to try again before the hub has answered for the first time. `None`: never.
    pub initial_retry: Option<RetryPolicy>,
    /// How long an outage may last afterwards. `None`: for ever.
    pub max_outage: Option<Duration>,
}

impl OutageTolerance {
    /// Goes on through everything that may pass, without an end.
    pub const ENDLESS: Self = Self {
        initial_retry: None,
        max_outage: None,
    };

    /// Tries three times within about two seconds before the hub has answered for the first time,
    /// and gets over outages of a minute.
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

/// Counts failures in a row.
#[derive(Debug)]
pub(super) struct OutageTracker {
    tolerance: OutageTolerance,
    /// The hub has answered at least once.
    hub_has_answered: bool,
    since: Option<Duration>,
    failures: u32,
}

impl OutageTracker {
    pub(super) fn new(patience: OutageTolerance) -> Self {
        Self {
            tolerance: patience,
            hub_has_answered: false,
            since: None,
            failures: 0,
        }
    }

    /// If the hub has answered at least once.
    pub(super) fn hub_has_answered(&self) -> bool {
        self.hub_has_answered
    }

    /// A request was answered.
    pub(super) fn request_answered(&mut self) {
        self.hub_has_answered = true;
        self.since = None;
        self.failures = 0;
    }

    /// A request failed. Returns the delay before the next attempt; `None` if there is to be none.
    pub(super) fn request_failed(&mut self, now: Duration) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        let lasts = now.saturating_sub(since);
        self.failures = self.failures.saturating_add(1);
        if !self.hub_has_answered && self.tolerance != OutageTolerance::ENDLESS {
            // Nobody needs chance here: a flow has few requests.
            return self.tolerance.initial_retry?.delay(self.failures, lasts, 0);
        }
        if self
            .tolerance
            .max_outage
            .is_some_and(|limit| lasts >= limit)
        {
            return None;
        }
        let doubled = FIRST_DELAY.saturating_mul(2_u32.saturating_pow(self.failures - 1));
        Some(doubled.min(MAX_DELAY))
    }
}
