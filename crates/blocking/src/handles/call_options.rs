//! Methods of handles that set the options of their calls.

use std::time::Duration;

use scramjet_client_core::RetryPolicy;

use crate::call::options::Deadline;
use crate::handles::host::HostClient;
use crate::handles::instance::InstanceClient;
use crate::handles::platform::manager::ManagerClient;
use crate::handles::platform::middleware::MiddlewareClient;
use crate::handles::platform::multi_manager::MultiManagerClient;
use crate::handles::sequence::SequenceClient;
use crate::limits::cancel::CancelToken;

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
            pub fn with_deadline(&self, limit: impl Into<Option<Duration>>) -> Self {
                let mut handle = self.clone();
                handle.$($client).+.options.deadline = limit.into().map(Deadline::after);
                handle
            }

            /// This handle with a limit for silence: each of its calls, and of those of the handles made from it, fails when for so long not
            /// a byte has come while one was waited for, nor was one taken while some were sent. `None` takes the limit away. There is
            /// none unless it is set.
            ///
            /// A stream that failed so can be read on: what comes later is not lost.
            #[must_use]
            pub fn with_idle_timeout(&self, limit: impl Into<Option<Duration>>) -> Self {
                let mut handle = self.clone();
                handle.$($client).+.options.idle = limit.into();
                handle
            }

            /// This handle with a token: cancelling it ends each of its calls and streams, and of those of the handles made from it, in
            /// whatever they wait. It takes the place of another token. A reader that is being uploaded and blocks is not interrupted, unless
            /// it is a stream with the same token.
            #[must_use]
            pub fn with_cancel(&self, token: &CancelToken) -> Self {
                let mut handle = self.clone();
                handle.$($client).+.options.cancel = Some(token.clone());
                handle
            }

            /// This handle with another policy for requests that are repeated on their own, `None` for not at all. See
            /// [`HostClientBuilder::retry`](crate::HostClientBuilder::retry).
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
