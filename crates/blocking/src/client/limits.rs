//! Clients with other limits, and the limits of a call.

use std::time::Duration;

use scramjet_client_core::Operation;
use scramjet_client_core::flow::OutageTolerance;

use super::Client;
use crate::call::context::CallContext;
use crate::call::options::{CallOptions, Deadline};
use crate::error::Error;
use crate::limits::call_limits::CallLimits;

impl Client {
    /// Fixes the deadline, so that several requests share it.
    pub(crate) fn fix_deadline(&self) -> Self {
        Self {
            options: self.options.fix_deadline(),
            ..self.clone()
        }
    }

    /// Fixes the deadline, at most `limit` from now.
    pub(crate) fn tightened(&self, limit: Option<Duration>) -> Self {
        let options = match limit {
            Some(limit) => self.options.tightened(limit),
            None => self.options.fix_deadline(),
        };
        Self {
            options,
            ..self.clone()
        }
    }

    /// Replaces the limits by a deadline, for requests that continue after the limits of the caller
    /// are reached.
    pub(crate) fn detached(&self, limit: Duration) -> Self {
        let options = CallOptions {
            deadline: Some(Deadline::after(limit)),
            retry: self.options.retry,
            ..CallOptions::default()
        };
        Self {
            options: options.fix_deadline(),
            ..self.clone()
        }
    }

    /// Returns the limits of a call that begins now, for a part that is not a request, such as a
    /// pipe.
    pub(crate) fn limits<O: Operation>(&self) -> Result<CallLimits, Error> {
        let call = CallContext::unbuilt::<O>();
        Ok(self.options.begin(call, Duration::ZERO)?.limits)
    }

    /// Returns the context, with limits, of an operation that begins now.
    pub(crate) fn begin<O: Operation>(&self, operation: &O) -> Result<CallContext, Error> {
        self.options
            .begin(self.describe(operation), operation.server_wait())
    }

    /// Returns the context of an operation, without limits.
    pub(crate) fn describe<O: Operation>(&self, operation: &O) -> CallContext {
        let uri = self.endpoint().uri(operation).ok();
        CallContext::described(O::NAME, &O::METHOD, uri.as_ref())
    }

    /// Returns the outages that a waiting call tolerates. If the caller has set a deadline or a
    /// token, only these limit the duration of an outage.
    pub(crate) fn outage_tolerance(&self) -> OutageTolerance {
        let is_limited = self.options.deadline.is_some() || self.options.cancel.is_some();
        let max_outage = match self.options.retry {
            None => Some(Duration::ZERO),
            Some(_) if is_limited => None,
            Some(_) => OutageTolerance::new().max_outage,
        };
        OutageTolerance {
            initial_retry: self.options.retry,
            max_outage,
        }
    }
}
