use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use crate::limits::cancel::CancelToken;

/// What bounds one exchange. Travels to the [`Transport`](crate::Transport) in the request's extensions, where there is anything to bound.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CallLimits {
    /// When all of it must be over, to the last byte of the answer's body.
    pub deadline: Option<Instant>,
    /// The longest silence: how long not a single byte may come while one is waited for, nor be taken while some are sent.
    pub idle: Option<Duration>,
    /// What ends it from another thread.
    pub cancel: Option<CancelToken>,
}

impl CallLimits {
    /// Whether there is nothing to bound.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.deadline.is_none() && self.idle.is_none() && self.cancel.is_none()
    }

    /// Whether it may go on.
    ///
    /// # Errors
    /// It was cancelled, or its deadline has passed.
    pub fn check(&self) -> Result<(), StopReason> {
        if self.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Err(StopReason::Cancelled);
        }
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() => Err(StopReason::Deadline),
            _ => Ok(()),
        }
    }

    /// Sleeps for this long, or until a limit is reached.
    pub(crate) fn pause(&self, pause: Duration) -> Result<(), StopReason> {
        let left = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let pause = left.map_or(pause, |left| left.min(pause));
        match &self.cancel {
            Some(token) => {
                // `check` reports the cancellation.
                let _ = token.wait(pause);
            }
            None => thread::sleep(pause),
        }
        self.check()
    }

    /// When a wait must be given up in which nothing has moved since `quiet_since`, and what to report then; `None` for never.
    #[must_use]
    pub fn end_of_wait(&self, quiet_since: Instant) -> Option<(Instant, StopReason)> {
        let deadline = self
            .deadline
            .map(|deadline| (deadline, StopReason::Deadline));
        let idle = self
            .idle
            .and_then(|idle| Some((quiet_since.checked_add(idle)?, StopReason::Idle)));
        // Of two that are equal, the deadline.
        deadline.into_iter().chain(idle).min_by_key(|(at, _)| *at)
    }
}

/// Why an exchange was given up on the caller's behalf.
///
/// A [`Transport`](crate::Transport) reports it as the kind of its
/// [`TransportError`](crate::transport::TransportError), and inside the [`io::Error`](std::io::Error) of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// The deadline passed.
    Deadline,
    /// Nothing moved for as long as the idle timeout.
    Idle,
    /// The cancel token was cancelled.
    Cancelled,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadline => "deadline exceeded",
            Self::Idle => "idle timeout exceeded",
            Self::Cancelled => "cancelled",
        })
    }
}

impl std::error::Error for StopReason {}

/// As the error of a body. Not an `Interrupted`, which readers take for "try again".
impl From<StopReason> for std::io::Error {
    fn from(stopped: StopReason) -> Self {
        let kind = match stopped {
            StopReason::Deadline | StopReason::Idle => std::io::ErrorKind::TimedOut,
            StopReason::Cancelled => std::io::ErrorKind::Other,
        };
        Self::new(kind, stopped)
    }
}
