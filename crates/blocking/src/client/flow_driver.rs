//! Drives flows: sends their requests, and passes responses, failures and the time to them.

mod any_flow;
mod caller_thread;
mod exchange;
mod exchanges;
mod held;
mod shared;
mod state;

use std::marker;
use std::mem::replace;

use scramjet_client_core::flow::{Flow, FlowError};

use crate::call::context::CallContext;
use crate::client::Client;
use crate::client::flow_driver::any_flow::FlowWithResult;
pub(crate) use crate::client::flow_driver::shared::{FOREGROUND_LIMIT, SharedDriver};
use crate::client::flow_driver::state::DriverState;
use crate::error::Error;

/// Drives a flow within the limits of a client.
///
/// Requests with a timeout are sent on the caller's thread. A request without one waits for an
/// event or data. It also waits on the caller's thread if it is the only one, changes nothing on
/// the hub, and the transport can continue the flow meanwhile, see [`held`]. Otherwise it has its
/// own thread.
///
/// If another exchange makes progress while the caller's thread waits for the response to a
/// read-only request, the driver interrupts this request and sends it again on its own thread. If a
/// limit of the caller is reached, the driver cancels the flow, whose clean-up may continue in the
/// background.
pub(crate) struct Driver<F> {
    flow: F,
    state: DriverState,
    /// `next` is running, or it has panicked.
    advancing: bool,
}

impl Client {
    /// Drives a flow to its result. `call` describes the flow in errors.
    pub(crate) fn drive<F, T>(&self, call: CallContext, flow: F) -> Result<T, Error>
    where
        F: Flow<Output = Result<T, FlowError>> + marker::Send + 'static,
        T: marker::Send + 'static,
    {
        self.run_driver(self.driver(call, flow)?)
    }

    /// Runs a driver until the flow has a result.
    pub(crate) fn run_driver<F, T>(&self, driver: SharedDriver<F, T>) -> Result<T, Error>
    where
        F: Flow<Output = Result<T, FlowError>> + marker::Send + 'static,
        T: marker::Send + 'static,
    {
        driver.run().map_err(|error| self.explain(error))
    }

    /// Creates the driver of a flow. `call` describes the flow in errors.
    // Not inlined, so that a thread that waits occupies less of its stack.
    #[inline(never)]
    pub(crate) fn driver<F, T>(
        &self,
        call: CallContext,
        flow: F,
    ) -> Result<SharedDriver<F, T>, Error> {
        let mut state = DriverState::new(self, call)?;
        state.may_hold = self.transport.runs_wait_hooks();
        Ok(SharedDriver::new(state, flow))
    }
}

impl<F> Driver<F> {
    /// `call` describes the flow in errors.
    pub(crate) fn new(client: &Client, call: CallContext, flow: F) -> Result<Self, Error> {
        Ok(Self {
            flow,
            state: DriverState::new(client, call)?,
            advancing: false,
        })
    }

    /// Replaces the flow. The new one continues the open exchanges.
    pub(crate) fn map<G>(self, change: impl FnOnce(F) -> G) -> Driver<G> {
        Driver {
            flow: change(self.flow),
            state: self.state,
            advancing: self.advancing,
        }
    }

    /// Converts an error of the flow.
    pub(crate) fn error(&mut self, error: FlowError) -> Error {
        self.state.exchanges.error(error)
    }
}

impl<F, T> Driver<F>
where
    F: Flow<Output = Result<T, FlowError>>,
{
    /// Drives a flow that has several results to the next one.
    pub(crate) fn next(&mut self) -> Result<T, Error> {
        if replace(&mut self.advancing, true) {
            // The panic may have lost a response that the flow waits for.
            return Err(self.state.exchanges.panicked());
        }
        let mut flow = FlowWithResult::new(&mut self.flow);
        let advanced = self.state.next(&mut flow);
        self.advancing = false;
        advanced?;
        self.state.result(flow.result)
    }
}
