//! Limits that a handle carries for its calls.

use std::time::{Duration, Instant};

use scramjet_client_core::RetryPolicy;

use crate::call::context::CallContext;
use crate::error::Error;
use crate::limits::call_limits::CallLimits;
use crate::limits::cancel::CancelToken;
use crate::transport::error::Phase;

/// The limits and the retry policy of a handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOptions {
    pub(crate) deadline: Option<Deadline>,
    pub(crate) idle: Option<Duration>,
    pub(crate) cancel: Option<CancelToken>,
    /// Policy for retries. `None` disables them.
    pub(crate) retry: Option<RetryPolicy>,
}

/// The default retry policy. Two seconds are enough to replace lost connections.
pub(crate) const DEFAULT_RETRY: RetryPolicy =
    RetryPolicy::exponential(Duration::from_millis(50)).max_elapsed(Duration::from_secs(2));

/// The deadline of calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// Time that a call may take.
    limit: Duration,
    /// End of this time. `None` if it starts anew for each call.
    at: Option<Instant>,
}

impl Deadline {
    /// Returns a deadline that gives each call this time.
    pub(crate) const fn after(limit: Duration) -> Self {
        Self { limit, at: None }
    }

    /// Starts the time, unless it has started before. `None` if the end is not representable, which
    /// means no deadline.
    fn fixed(self) -> Option<Self> {
        let at = match self.at {
            Some(at) => at,
            None => Instant::now().checked_add(self.limit)?,
        };
        Some(Self {
            at: Some(at),
            ..self
        })
    }
}

impl CallOptions {
    /// Fixes the deadline, so that several requests share it.
    pub(crate) fn fix_deadline(&self) -> Self {
        Self {
            deadline: self.deadline.and_then(Deadline::fixed),
            ..self.clone()
        }
    }

    /// Fixes the deadline, at most `limit` from now.
    pub(crate) fn tightened(&self, limit: Duration) -> Self {
        let mut options = self.fix_deadline();
        let other = Deadline::after(limit).fixed();
        let deadlines = options.deadline.into_iter().chain(other);
        options.deadline = deadlines.min_by_key(|deadline| deadline.at);
        options
    }

    /// Sets the limits of a call that begins now. `server_wait` is the time that the operation asks
    /// the hub to wait. It is added to the limits.
    ///
    /// # Errors
    /// The call is already cancelled, or its deadline has passed.
    pub(crate) fn begin(
        &self,
        mut call: CallContext,
        server_wait: Duration,
    ) -> Result<CallContext, Error> {
        call.limits = CallLimits {
            idle: self.idle.map(|idle| idle.saturating_add(server_wait)),
            cancel: self.cancel.clone(),
            ..CallLimits::default()
        };
        if let Some(Deadline { limit, at }) = self.deadline.and_then(Deadline::fixed) {
            call.limits.deadline = at.and_then(|at| at.checked_add(server_wait));
            call.limits.time_limit = limit.saturating_add(server_wait);
        }
        call.check(Phase::Connect)?;
        Ok(call)
    }
}
