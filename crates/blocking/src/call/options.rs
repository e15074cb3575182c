//! Limits that a handle carries for its calls.

use std::time::{Duration, Instant};

use scramjet_client_core::RetryPolicy;

use crate::call::context::CallContext;
use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::instance::InstanceClient;
use crate::handles::platform::manager::ManagerClient;
use crate::handles::platform::middleware::MiddlewareClient;
use crate::handles::platform::multi_manager::MultiManagerClient;
use crate::handles::sequence::SequenceClient;
use crate::limits::call_limits::CallLimits;
use crate::limits::cancel::CancelToken;
use crate::transport::Phase;

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

/// Gives a handle the methods that set its options. After the colon, where it keeps them.
macro_rules! call_options {
    ($handle:ident: $($client:ident).+) => {
        /// Limits for each call, carried by a handle.
        impl $handle {
            /// This handle with a deadline: each of its calls, and of those of the handles made from it, must be over within `limit`, from
            /// the first attempt to connect to the last byte of the answer. That includes streams: one that is read after its deadline
            /// fails. `None` takes a deadline away. There is none unless it is set.
            ///
            /// A call that waits by order has that time on top: [`stop`](crate::InstanceClient::stop) its timeout. A reader that is
            /// being uploaded and blocks is not interrupted; the call fails when it returns.
            #[must_use]
            pub fn with_deadline(&self, limit: impl Into<Option<std::time::Duration>>) -> Self {
                let mut handle = self.clone();
                handle.$($client).+.options.deadline = limit.into().map($crate::call::options::Deadline::After);
                handle
            }

            /// This handle with a limit for silence: each of its calls, and of those of the handles made from it, fails when for so long not
            /// a byte has come while one was waited for, nor was one taken while some were sent. `None` takes the limit away. There is
            /// none unless it is set.
            ///
            /// A stream that failed so can be read on: what comes later is not lost.
            #[must_use]
            pub fn with_idle_timeout(&self, limit: impl Into<Option<std::time::Duration>>) -> Self {
                let mut handle = self.clone();
                handle.$($client).+.options.idle = limit.into();
                handle
            }

            /// This handle with a token: cancelling it ends each of its calls and streams, and of those of the handles made from it, in
            /// whatever they wait. It takes the place of another token. A reader that is being uploaded and blocks is not interrupted, unless
            /// it is a stream with the same token.
            #[must_use]
            pub fn with_cancel(&self, token: &$crate::limits::cancel::CancelToken) -> Self {
                let mut handle = self.clone();
                handle.$($client).+.options.cancel = Some(token.clone());
                handle
            }

            /// This handle with another policy for requests that are repeated on their own, `None` for not at all. See
            /// [`HostClientBuilder::retry`](crate::HostClientBuilder::retry).
            #[must_use]
            pub fn with_retry(&self, policy: impl Into<Option<scramjet_client_core::RetryPolicy>>) -> Self {
                let mut handle = self.clone();
                handle.$($client).+.options.retry = policy.into();
                handle
            }
        }
    };
}

call_options!(HostClient: client);
call_options!(SequenceClient: host.client);
call_options!(InstanceClient: host.client);
call_options!(ManagerClient: client);
call_options!(MultiManagerClient: client);
call_options!(MiddlewareClient: client);
