use core::time::Duration;

/// When to try again what has failed, and when to stop: a pure rule, which neither waits nor knows the time.
///
/// ```
/// use core::time::Duration;
/// use scramjet_client_core::RetryPolicy;
///
/// let policy = RetryPolicy::linear(Duration::from_secs(1)).max_attempts(3);
/// let elapsed = Duration::ZERO;
/// assert_eq!(policy.delay(1, elapsed, 0), Some(Duration::from_secs(1)));
/// assert_eq!(policy.delay(2, elapsed, 0), Some(Duration::from_secs(2)));
/// assert_eq!(policy.delay(3, elapsed, 0), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct RetryPolicy {
    first: Duration,
    doubles: bool,
    jitter: bool,
    longest: Duration,
    attempts: u32,
    within: Option<Duration>,
}

impl RetryPolicy {
    /// Waits `step` after the first attempt, twice as long after the second, three times as long after the third.
    pub const fn linear(step: Duration) -> Self {
        Self {
            first: step,
            doubles: false,
            jitter: false,
            longest: Duration::from_secs(30),
            attempts: 3,
            within: None,
        }
    }

    /// Waits `first` after the first attempt, twice as long after the second, four times as long after the third. Between half of that and
    /// all of it, by chance: so that many that have failed together do not try again together.
    pub const fn exponential(first: Duration) -> Self {
        Self {
            doubles: true,
            jitter: true,
            ..Self::linear(first)
        }
    }

    /// How many attempts are made in all: 3 where it is not said, and at least one.
    pub const fn max_attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// The longest wait: 30 seconds where it is not said.
    pub const fn max_delay(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// Begins no attempt later than this after the beginning of the first.
    pub const fn max_elapsed(self, time: Duration) -> Self {
        Self {
            within: Some(time),
            ..self
        }
    }

    /// Whether the waits are shortened by chance.
    pub const fn jitter(self, jitter: bool) -> Self {
        Self { jitter, ..self }
    }

    /// How long to wait before the next attempt; `None` to stop. `attempt` is the number of the one that has failed, from 1; `elapsed` the
    /// time since the beginning of the first; `random` any number, another each time.
    #[must_use]
    pub fn delay(&self, attempt: u32, elapsed: Duration, random: u64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let factor = if self.doubles {
            2_u32.saturating_pow(attempt.saturating_sub(1))
        } else {
            attempt
        };
        let mut delay = self.first.saturating_mul(factor).min(self.longest);
        if self.jitter {
            let half = delay / 2;
            // A 1024th is fine enough.
            let part = u32::try_from(random % 1025).unwrap_or_default();
            delay = half + half.saturating_mul(part) / 1024;
        }
        match self.within {
            Some(within) if elapsed.saturating_add(delay) > within => None,
            _ => Some(delay),
        }
    }
}

impl Default for RetryPolicy {
    /// Three attempts, one and two seconds apart.
    fn default() -> Self {
        Self::linear(Duration::from_secs(1))
    }
}
