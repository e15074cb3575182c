//! Patience with a hub that does not answer.

use core::time::Duration;

use crate::RetryPolicy;

/// How long a flow that waits goes on if its requests fail in a way that may pass: because of a
/// lost connection, or a gateway that does not reach the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutageTolerance {
    /// When to try again before the hub has answered for the first time. `None`: never.
    pub first: Option<RetryPolicy>,
    /// How long an outage may last afterwards. `None`: for ever.
    pub outage: Option<Duration>,
}

impl OutageTolerance {
    /// Goes on through everything that may pass, without an end.
    pub const ENDLESS: Self = Self {
        first: None,
        outage: None,
    };

    /// Tries three times within about two seconds before the hub has answered for the first time,
    /// and gets over outages of a minute.
    #[must_use]
    pub fn new() -> Self {
        let first = RetryPolicy::exponential(Duration::from_millis(100));
        Self {
            first: Some(first),
            outage: Some(Duration::from_secs(60)),
        }
    }
}

impl Default for OutageTolerance {
    fn default() -> Self {
        Self::new()
    }
}

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// Counts failures in a row.
#[derive(Debug)]
pub(super) struct Outage {
    patience: OutageTolerance,
    /// The hub has answered at least once.
    established: bool,
    since: Option<Duration>,
    failures: u32,
}

impl Outage {
    pub(super) fn new(patience: OutageTolerance) -> Self {
        Self {
            patience,
            established: false,
            since: None,
            failures: 0,
        }
    }

    /// If the hub has answered at least once.
    pub(super) fn is_established(&self) -> bool {
        self.established
    }

    /// A request was answered.
    pub(super) fn is_over(&mut self) {
        self.established = true;
        self.since = None;
        self.failures = 0;
    }

    /// A request failed. Returns the delay before the next attempt; `None` if there is to be none.
    pub(super) fn goes_on(&mut self, now: Duration) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        let lasts = now.saturating_sub(since);
        self.failures = self.failures.saturating_add(1);
        if !self.established && self.patience != OutageTolerance::ENDLESS {
            // Nobody needs chance here: a flow has few requests.
            return self.patience.first?.delay(self.failures, lasts, 0);
        }
        if self.patience.outage.is_some_and(|limit| lasts >= limit) {
            return None;
        }
        let doubled = FIRST_DELAY.saturating_mul(2_u32.saturating_pow(self.failures - 1));
        Some(doubled.min(LONGEST_DELAY))
    }
}
