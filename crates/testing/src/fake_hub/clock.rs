use std::time::{Duration, Instant};

/// The time of a hub.
#[derive(Debug)]
pub(super) enum Clock {
    Scaled { began: Instant, scale: f64 },
    Manual(Duration),
}

impl Clock {
    pub(super) fn scaled(scale: f64) -> Self {
        Self::Scaled {
            began: Instant::now(),
            scale,
        }
    }

    pub(super) fn manual() -> Self {
        Self::Manual(Duration::ZERO)
    }

    pub(super) fn now(&self) -> Duration {
        match self {
            Self::Scaled { began, scale } => {
                Duration::try_from_secs_f64(began.elapsed().as_secs_f64() * scale)
                    .unwrap_or(Duration::MAX)
            }
            Self::Manual(now) => *now,
        }
    }

    pub(super) fn advance(&mut self, by: Duration) {
        if let Self::Manual(now) = self {
            *now += by;
        }
    }

    /// The real time until a time of the hub; `None` if it comes by hand.
    pub(super) fn until(&self, time: Duration) -> Option<Duration> {
        match self {
            Self::Scaled { scale, .. } => {
                let left = time.saturating_sub(self.now()).as_secs_f64() / scale;
                Some(Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX))
            }
            Self::Manual(_) => None,
        }
    }
}
