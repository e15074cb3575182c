use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::limits::cancel::CancelToken;

/// Limits of one exchange: deadline, idle timeout and cancel token.
///
/// The client passes them to the [`Transport`](crate::transport::Transport) in the extensions of
/// the request, unless there are none.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CallLimits {
    /// Time by which the exchange must be complete, including the last byte of the response body.
    pub deadline: Option<Instant>,
    /// Upper bound for the time without progress: no byte arrives while the transport waits for
    /// one, or no byte leaves while it sends.
    pub idle: Option<Duration>,
    /// Token that ends the exchange from another thread.
    pub cancel: Option<CancelToken>,
    /// Time from the start of the call to `deadline`, for error messages.
    pub(crate) time_limit: Duration,
    /// Work for the thread that waits for the response. Transports run it if their
    /// [`runs_wait_hooks`](crate::transport::Transport::runs_wait_hooks) returns `true`.
    pub(crate) wait_hook: Option<WaitHook>,
}

impl CallLimits {
    /// Returns `true` if there are no limits.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.deadline.is_none() && self.idle.is_none() && self.cancel.is_none()
    }

    /// Checks if the exchange may continue.
    ///
    /// # Errors
    /// The exchange was cancelled, or its deadline has passed.
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
                // The result is not needed: `check` reports the cancellation.
                let _ = token.wait(pause);
            }
            None => thread::sleep(pause),
        }
        self.check()
    }

    /// Returns the time at which a wait without progress since `quiet_since` must end, and the
    /// reason to report then. `None` if the wait has no limit.
    #[must_use]
    pub fn end_of_wait(&self, quiet_since: Instant) -> Option<(Instant, StopReason)> {
        let deadline = self
            .deadline
            .map(|deadline| (deadline, StopReason::Deadline));
        let idle = self
            .idle
            .and_then(|idle| Some((quiet_since.checked_add(idle)?, StopReason::Idle)));
        // If both are equal, the deadline wins.
        deadline.into_iter().chain(idle).min_by_key(|(at, _)| *at)
    }
}

/// The limit that ended an exchange.
///
/// A [`Transport`](crate::transport::Transport) reports it as the kind of its
/// [`TransportError`](crate::transport::TransportError), and inside the
/// [`io::Error`](std::io::Error) of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// The deadline passed.
    Deadline,
    /// No data moved for the idle timeout.
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

/// The error of a body that a limit ended. Its kind is never `Interrupted`, because readers retry
/// after that.
impl From<StopReason> for std::io::Error {
    fn from(reason: StopReason) -> Self {
        let kind = match reason {
            StopReason::Deadline | StopReason::Idle => std::io::ErrorKind::TimedOut,
            StopReason::Cancelled => std::io::ErrorKind::Other,
        };
        Self::new(kind, reason)
    }
}

/// A connection on which a response is expected.
pub(crate) trait AwaitedInput: Send + Sync {
    /// Returns `true` if data has arrived that was not read yet.
    fn has_input(&self) -> bool;
}

type Hook = dyn Fn(&Arc<dyn AwaitedInput>) -> Result<Option<Instant>, StopReason> + Send + Sync;

/// Work for a thread that waits for a response. The transport runs it before each wait.
#[derive(Clone)]
pub(crate) struct WaitHook(Arc<Hook>);

impl WaitHook {
    /// Creates a hook. It returns the time at which to interrupt the wait and run the hook again,
    /// or an error to end the wait.
    pub(crate) fn new(
        hook: impl Fn(&Arc<dyn AwaitedInput>) -> Result<Option<Instant>, StopReason>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(hook))
    }

    /// Runs the hook before a wait for data of this connection.
    #[cfg_attr(
        not(feature = "ureq"),
        expect(dead_code, reason = "only the default transport uses it")
    )]
    pub(crate) fn run(&self, input: &Arc<dyn AwaitedInput>) -> Result<Option<Instant>, StopReason> {
        self.0(input)
    }
}

impl fmt::Debug for WaitHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitHook")
    }
}
