//! Methods of handles that set the options of their calls.

use std::time::Duration;

use scramjet_client_core::RetryPolicy;

use crate::call::options::Deadline;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::handles::host::HostClient;
use crate::handles::instance::InstanceClient;
use crate::handles::platform::manager::ManagerClient;
use crate::handles::platform::middleware::MiddlewareClient;
use crate::handles::platform::multi_manager::MultiManagerClient;
use crate::handles::sequence::SequenceClient;
use crate::limits::cancel::CancelToken;

/// Implements the methods for a handle. The path after the colon leads to the handle's
/// [`Client`](crate::client::Client).
macro_rules! call_options {
    ($handle:ident: $($client:ident).+) => {
        /// Limits and retries of calls. The returned handle has the new setting; this one is
        /// unchanged.
        impl $handle {
            /// Returns a handle with a deadline for each call.
            ///
            /// Every call of this handle, and of handles created from it, must be complete within
            /// `limit`. Otherwise it fails with [`ErrorKind::Deadline`]. The time runs from the
            /// first attempt to connect to the last byte of the response. It includes streams:
            /// reading one after its deadline fails. `None` removes the deadline. There is none by
            /// default. See [`guide::limits`](crate::guide::limits).
            ///
            /// The timeout given to [`stop`](crate::InstanceClient::stop) is added to the deadline.
            /// A deadline does not interrupt a blocked reader whose data is being uploaded. The
            /// call fails when that reader returns.
            #[must_use]
            pub fn with_deadline(&self, limit: impl Into<Option<Duration>>) -> Self {
                let mut handle = self.clone();
                handle.$($client).+.options.deadline = limit.into().map(Deadline::after);
                handle
            }

            /// Returns a handle with an idle timeout for each call.
            ///
            /// A call of this handle, or of a handle created from it, fails with
            /// [`ErrorKind::Idle`] if it receives no byte within `limit` while it waits for one, or
            /// sends no byte within `limit` while it uploads. `None` removes the timeout. There is
            /// none by default.
            ///
            /// A stream can be read further after such an error. No data is lost.
            ///
            /// The timeout given to [`stop`](crate::InstanceClient::stop) is added to the idle
            /// timeout.
            #[must_use]
            pub fn with_idle_timeout(&self, limit: impl Into<Option<Duration>>) -> Self {
                let mut handle = self.clone();
                handle.$($client).+.options.idle = limit.into();
                handle
            }

            /// Returns a handle with a token that cancels its calls.
            ///
            /// Cancelling the token ends every call and stream of this handle, and of handles
            /// created from it, with [`ErrorKind::Cancelled`], whatever they are blocked in. Calls
            /// made later fail at once. The token replaces the one that the handle had.
            ///
            /// The token does not interrupt a blocked reader whose data is being uploaded, unless
            /// that reader is a stream with the same token.
            #[must_use]
            pub fn with_cancel(&self, token: &CancelToken) -> Self {
                let mut handle = self.clone();
                handle.$($client).+.options.cancel = Some(token.clone());
                handle
            }

            /// Returns a handle with another policy for automatic retries; `None` turns them off.
            ///
            /// See [`HostClientBuilder::retry`](crate::HostClientBuilder::retry).
            #[must_use]
            pub fn with_retry(&self, policy: impl Into<Option<RetryPolicy>>) -> Self {
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
