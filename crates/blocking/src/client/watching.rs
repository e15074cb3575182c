//! Clients whose calls and streams end with an instance.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use scramjet_client_core::{GetInstance, InstanceId};

use super::Client;
use super::flow_driver::Driver;
use crate::body::watchdog::watch_flow::{INTERVAL, WatchFlow};
use crate::body::watchdog::{ReaderWait, Watch};
use crate::call::context::CallContext;
use crate::call::options::CallOptions;
use crate::error::Error;
use crate::support::panics::ignore_panic;
use crate::support::threads;

impl Client {
    /// Returns a client whose calls are cancelled when the instance has ended.
    pub(crate) fn watching(&self, id: &InstanceId) -> Result<(Self, Watch), Error> {
        self.watch(id, None)
    }

    /// Like [`watching`](Self::watching), but for reading a stream. It is cancelled when the
    /// instance has ended and no more data arrives.
    pub(crate) fn watching_stream(&self, id: &InstanceId) -> Result<(Self, Watch), Error> {
        self.watch(id, Some(Arc::default()))
    }

    fn watch(
        &self,
        id: &InstanceId,
        reader_wait: Option<Arc<ReaderWait>>,
    ) -> Result<(Self, Watch), Error> {
        let caller_token = self.options.cancel.clone();
        let (token, watch, flow) =
            self.watchdog()
                .add(self.endpoint(), id, caller_token, reader_wait);
        let mut client = self.clone();
        client.options.cancel = Some(token);
        if let Some(flow) = flow {
            self.start_watchdog(flow)?;
        }
        Ok((client, watch))
    }

    fn start_watchdog(&self, flow: WatchFlow) -> Result<(), Error> {
        let mut client = self.clone();
        client.options = CallOptions::default();
        let call = CallContext::unbuilt::<GetInstance<'_>>();
        let thread_call = call.clone();
        let work = move || {
            let mut next = Some(flow);
            while let Some(flow) = next {
                let drive = || Driver::new(&client, thread_call.clone(), flow)?.next();
                // The flow has a result only when there is nothing to watch.
                if ignore_panic(catch_unwind(AssertUnwindSafe(drive))).is_some() {
                    return;
                }
                // An observer or a transport has panicked. Continues with a new flow.
                thread::sleep(INTERVAL);
                next = client.watchdog().resume(client.endpoint());
            }
        };
        threads::start("scramjet-watchdog", work).map_err(|error| call.failed(error))
    }
}
