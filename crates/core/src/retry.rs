use core::time::Duration;

/// The delays between the attempts of a failing operation, and the limits for them.
///
/// A policy only computes delays. It does not wait, and has no clock or random numbers.
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
    max_delay: Duration,
    max_attempts: u32,
    max_elapsed: Option<Duration>,
}

impl RetryPolicy {
    /// Creates a policy with growing delays: `step` after the first attempt, then twice and three
    /// times as long.
    pub const fn linear(step: Duration) -> Self {
        Self {
            first: step,
            doubles: false,
            jitter: false,
            max_delay: Duration::from_secs(30),
            max_attempts: 3,
            max_elapsed: None,
        }
    }

    /// Creates a policy with delays that double: `first` after the first attempt, then twice and
    /// four times as long.
    ///
    /// Jitter is on, so that clients that failed together do not retry together.
    pub const fn exponential(first: Duration) -> Self {
        Self {
            doubles: true,
            jitter: true,
            ..Self::linear(first)
        }
    }

    /// Sets the maximum number of attempts, including the first. The default is 3, the minimum 1.
    pub const fn max_attempts(self, max_attempts: u32) -> Self {
        Self {
            max_attempts,
            ..self
        }
    }

    /// Sets the upper bound for one delay. The default is 30 seconds.
    pub const fn max_delay(self, max_delay: Duration) -> Self {
        Self { max_delay, ..self }
    }

    /// Sets the latest start of an attempt, measured from the start of the first. No limit by
    /// default.
    pub const fn max_elapsed(self, time: Duration) -> Self {
        Self {
            max_elapsed: Some(time),
            ..self
        }
    }

    /// Turns jitter on or off. With jitter, each delay is a random time between half of it and all
    /// of it.
    pub const fn jitter(self, jitter: bool) -> Self {
        Self { jitter, ..self }
    }

    /// Returns the delay before the next attempt, or `None` to stop.
    ///
    /// `attempt` is the number of the attempt that has failed, starting at 1. `elapsed` is the time
    /// since the start of the first attempt. `random` is a random number for the jitter.
    #[must_use]
    pub fn delay(&self, attempt: u32, elapsed: Duration, random: u64) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let factor = if self.doubles {
            2_u32.saturating_pow(attempt.saturating_sub(1))
        } else {
            attempt
        };
        let mut delay = self.first.saturating_mul(factor).min(self.max_delay);
        if self.jitter {
            let half = delay / 2;
            let part = u32::try_from(random % 1025).unwrap_or_default();
            delay = half + half.saturating_mul(part) / 1024;
        }
        match self.max_elapsed {
            Some(max) if elapsed.saturating_add(delay) > max => None,
            _ => Some(delay),
        }
    }
}

impl Default for RetryPolicy {
    /// Returns a policy of three attempts, one and two seconds apart.
    fn default() -> Self {
        Self::linear(Duration::from_secs(1))
    }
}
