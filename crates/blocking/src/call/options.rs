//! Limits that a handle carries for its calls.

use std::time::{Duration, Instant};

use scramjet_client_core::RetryPolicy;

use crate::call::context::CallContext;
use crate::error::Error;
use crate::limits::call_limits::CallLimits;
use crate::limits::cancel::CancelToken;
use crate::transport::error::Phase;

/// What the caller wants of each call of a handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOptions {
    pub(crate) deadline: Option<Deadline>,
    pub(crate) idle: Option<Duration>,
    pub(crate) cancel: Option<CancelToken>,
    /// How what may be sent again is.
    pub(crate) retry: Option<RetryPolicy>,
}

/// What is done where nothing else is asked for: enough for a hub that restarts a connection, and over before a person wonders.
pub(crate) const RETRY: RetryPolicy =
    RetryPolicy::exponential(Duration::from_millis(50)).max_elapsed(Duration::from_secs(2));

#[derive(Clone, Copy, Debug)]
pub(crate) enum Deadline {
    /// Each call has this long.
    After(Duration),
    /// Calls that make one together have one deadline, and had this long in all.
    At(Instant, Duration),
}

impl CallOptions {
    /// The options of calls that are one to the caller: time runs from now on.
    pub(crate) fn fix_deadline(&self) -> Self {
        let deadline = self.deadline.and_then(|deadline| match deadline {
            // A time that no clock reaches is no limit.
            Deadline::After(limit) => Some(Deadline::At(Instant::now().checked_add(limit)?, limit)),
            begun @ Deadline::At(..) => Some(begun),
        });
        Self {
            deadline,
            ..self.clone()
        }
    }

    /// The limits of one exchange which the hub lets wait for `waiting` on request, and what errors say of them.
    pub(crate) fn limits(
        &self,
        waiting: Duration,
        call: &mut CallContext,
    ) -> Result<CallLimits, Error> {
        let mut limits = CallLimits::default();
        if let Some(Deadline::At(at, limit)) = self.fix_deadline().deadline {
            limits.deadline = at.checked_add(waiting);
            call.deadline = limit.saturating_add(waiting);
        }
        limits.idle = self.idle.map(|idle| idle.saturating_add(waiting));
        call.idle = limits.idle.unwrap_or_default();
        limits.cancel.clone_from(&self.cancel);
        limits
            .check()
            .map_err(|stopped| call.stopped(stopped, Phase::Connect))?;
        Ok(limits)
    }
}
