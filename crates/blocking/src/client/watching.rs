//! Calls and streams that end with their instance.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use scramjet_client_core::{GetInstance, InstanceId};

use super::Client;
use super::flow_driver::Driver;
use crate::body::watchdog::{Reading, STEP, Watch, Watching};
use crate::call::context::CallContext;
use crate::call::options::CallOptions;
use crate::error::Error;
use crate::support::panics::ignore_panic;
use crate::support::threads;

impl Client {
    /// This client, whose calls are cancelled when the instance has ended.
    pub(crate) fn watching(&self, id: &InstanceId) -> Result<(Self, Watch), Error> {
        self.watch(id, None)
    }

    /// The same for the reading of a stream, which is cancelled when nothing more comes of it.
    pub(crate) fn watching_stream(&self, id: &InstanceId) -> Result<(Self, Watch), Error> {
        self.watch(id, Some(Arc::default()))
    }

    fn watch(
        &self,
        id: &InstanceId,
        reading: Option<Arc<Reading>>,
    ) -> Result<(Self, Watch), Error> {
        let outer = self.options.cancel.clone();
        let (token, watch, watching) = self.watchdog().add(self.endpoint(), id, outer, reading);
        let mut client = self.clone();
        client.options.cancel = Some(token);
        if let Some(watching) = watching {
            self.start_watchdog(watching)?;
        }
        Ok((client, watch))
    }

    fn start_watchdog(&self, watching: Watching) -> Result<(), Error> {
        let mut client = self.clone();
        client.options = CallOptions::default();
        let about = CallContext::unbuilt::<GetInstance<'_>>();
        let call = about.clone();
        let run = move || {
            let mut next = Some(watching);
            while let Some(watching) = next {
                // Its only result is that there is nothing more to do.
                let watch = || Driver::new(&client, call.clone(), watching)?.next();
                if ignore_panic(catch_unwind(AssertUnwindSafe(watch))).is_some() {
                    return;
                }
                // An observer or a transport has panicked: what is watched must be watched on.
                thread::sleep(STEP);
                next = client.watchdog().resume(client.endpoint());
            }
        };
        threads::start("scramjet-watchdog", run).map_err(|error| about.failed(error))
    }
}
