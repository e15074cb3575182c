//! The clock of a fake hub.

use std::time::{Duration, Instant};

/// The latest time of a clock: 100 years. Dates of later times could overflow.
const END: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// The time of a hub.
#[derive(Debug)]
pub(super) struct Clock {
    /// The time that [`advance`](Self::advance) has added.
    added: Duration,
    /// The start of the clock, and its speed relative to real time. `None` for a manual clock.
    running: Option<(Instant, f64)>,
}

impl Clock {
    pub(super) fn scaled(scale: f64) -> Self {
        Self {
            added: Duration::ZERO,
            running: Some((Instant::now(), scale)),
        }
    }

    pub(super) fn manual() -> Self {
        Self {
            added: Duration::ZERO,
            running: None,
        }
    }

    pub(super) fn now(&self) -> Duration {
        let passed = self.running.map(|(since, scale)| {
            Duration::try_from_secs_f64(since.elapsed().as_secs_f64() * scale)
                .unwrap_or(Duration::MAX)
        });
        let now = self.added.saturating_add(passed.unwrap_or_default());
        now.min(END)
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.added = self.added.saturating_add(by).min(END);
    }

    /// Returns the real time until a time of the hub; `None` if that time never comes without
    /// [`advance`](Self::advance).
    pub(super) fn until(&self, time: Duration) -> Option<Duration> {
        let (_, scale) = self.running?;
        if time > END {
            return None;
        }
        let left = time.saturating_sub(self.now()).as_secs_f64() / scale;
        Duration::try_from_secs_f64(left).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_is_in_real_time() {
        let clock = Clock::scaled(10.0);
        let left = clock.until(Duration::from_secs(100)).unwrap_or_default();
        assert!(left > Duration::from_secs(9) && left <= Duration::from_secs(10));
        assert_eq!(clock.until(Duration::ZERO), Some(Duration::ZERO));
        assert_eq!(clock.until(Duration::MAX), None);
        assert_eq!(Clock::manual().until(Duration::ZERO), None);
    }

    #[test]
    fn advance_adds_to_the_passing_time_and_stops_at_the_end() {
        for mut clock in [Clock::manual(), Clock::scaled(1.0)] {
            clock.advance(Duration::from_secs(5));
            assert!(clock.now() >= Duration::from_secs(5));
            clock.advance(Duration::MAX);
            clock.advance(Duration::MAX);
            assert_eq!(clock.now(), END);
        }
    }
}
