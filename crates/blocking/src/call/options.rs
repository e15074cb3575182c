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
    /// Replaces the retry policy of the client.
    pub(crate) retry: Option<RetryPolicy>,
}

/// The retry policy by default. Two seconds suffice to replace lost connections.
pub(crate) const DEFAULT_RETRY: RetryPolicy =
    RetryPolicy::exponential(Duration::from_millis(50)).max_elapsed(Duration::from_secs(2));

#[derive(Clone, Copy, Debug)]
pub(crate) enum Deadline {
    /// Each call may take this long.
    After(Duration),
    /// Several requests share a deadline. The duration is the time that they have in total, for
    /// error messages.
    At(Instant, Duration),
}

impl CallOptions {
    /// Fixes the deadline, so that several requests share it.
    pub(crate) fn fix_deadline(&self) -> Self {
        let deadline = self.deadline.and_then(|deadline| match deadline {
            // An overflow means no deadline.
            Deadline::After(limit) => Some(Deadline::At(Instant::now().checked_add(limit)?, limit)),
            fixed @ Deadline::At(..) => Some(fixed),
        });
        Self {
            deadline,
            ..self.clone()
        }
    }

    /// Computes the limits of one exchange and stores them in the call context for error messages.
    /// `server_wait` is the time that the operation asks the hub to wait.
    pub(crate) fn limits(
        &self,
        server_wait: Duration,
        call: &mut CallContext,
    ) -> Result<CallLimits, Error> {
        let mut limits = CallLimits::default();
        if let Some(Deadline::At(at, limit)) = self.fix_deadline().deadline {
            limits.deadline = at.checked_add(server_wait);
            call.deadline = limit.saturating_add(server_wait);
        }
        limits.idle = self.idle.map(|idle| idle.saturating_add(server_wait));
        call.idle = limits.idle.unwrap_or_default();
        limits.cancel.clone_from(&self.cancel);
        limits
            .check()
            .map_err(|stopped| call.stopped(stopped, Phase::Connect))?;
        Ok(limits)
    }
}
