//! The driver of a flow whose requests without a timeout may wait on the caller's thread.

use std::marker;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use scramjet_client_core::flow::{Command, ExchangeId, Flow, FlowError, Send};

use crate::client::flow_driver::any_flow::{AnyFlow, FlowWithResult};
use crate::client::flow_driver::caller_thread::Message;
use crate::client::flow_driver::state::{DriverState, Interruption, Turn};
use crate::error::Error;
use crate::limits::call_limits::{CallLimits, StopReason};
use crate::support::sync::lock;
use crate::support::threads;
use crate::transport::error::Phase;

/// Time that a caller waits for clean-up after its limits are reached. Then the clean-up continues
/// in the background. A healthy hub responds within milliseconds.
pub(crate) const FOREGROUND_LIMIT: Duration = Duration::from_secs(1);

/// Time for which a request without a timeout waits for the head of another one. Then it gets its
/// own thread. A proxy may withhold that head until the first event.
const HEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// A driver that a request on the caller's thread shares with its hook.
pub(crate) struct SharedDriver<F, T>(Arc<Mutex<Shared<BoxedFlow<F, T>>>>);

type BoxedFlow<F, T> = FlowWithResult<Box<F>, T>;

impl<F, T> SharedDriver<F, T> {
    pub(super) fn new(state: DriverState, flow: F) -> Self {
        Self(Arc::new(Mutex::new(Shared {
            state,
            waits_since: None,
            outcome: None,
            flow: FlowWithResult::new(Box::new(flow)),
        })))
    }
}

impl<F, T> SharedDriver<F, T>
where
    F: Flow<Output = Result<T, FlowError>> + marker::Send + 'static,
    T: marker::Send + 'static,
{
    /// Runs the driver until the flow has a result.
    pub(super) fn run(self) -> Result<T, Error> {
        let any: Arc<Mutex<AnyShared>> = self.0.clone();
        AnyShared::run(&any)?;
        let shared = &mut *lock(&self.0);
        shared.state.result(shared.flow.result.take())
    }
}

/// The contents of a [`SharedDriver`].
struct Shared<F: ?Sized> {
    state: DriverState,
    /// Time since which the request waits for the head of its response.
    waits_since: Option<Instant>,
    /// The outcome, if the flow has ended in the hook.
    outcome: Option<Result<Result<(), FlowError>, Interruption>>,
    flow: F,
}

/// The contents of a [`SharedDriver`] of any flow.
type AnyShared = Shared<dyn AnyFlow + marker::Send>;

impl AnyShared {
    fn run(shared: &Arc<Mutex<Self>>) -> Result<(), Error> {
        match Self::advance(shared) {
            Ok(result) => result.map_err(|error| lock(shared).state.exchanges.error(error)),
            Err(Interruption::Stopped(reason)) => Err(Self::stop(shared, reason)),
            Err(Interruption::Failed(error)) => Err(*error),
        }
    }

    fn advance(shared: &Arc<Mutex<Self>>) -> Result<Result<(), FlowError>, Interruption> {
        let _hook = lock(shared).state.exchanges.wake_on_cancel();
        loop {
            let mut guard = lock(shared);
            let Self {
                state,
                outcome,
                flow,
                ..
            } = &mut *guard;
            if let Some(outcome) = outcome.take() {
                return outcome;
            }
            match state.turn(flow)? {
                Turn::Done(result) => return Ok(result),
                Turn::Wait(until) => match state.to_hold.take() {
                    None => state.wait(flow, until)?,
                    Some(send) => {
                        drop(guard);
                        Self::hold(shared, send);
                    }
                },
            }
        }
    }

    /// Sends a request, and waits for the head of the response on this thread. Meanwhile, the hook
    /// continues the flow.
    fn hold(shared: &Arc<Mutex<Self>>, send: Box<Send>) {
        let id = send.id;
        let weak = Arc::downgrade(shared);
        let continue_flow = move || match weak.upgrade() {
            Some(shared) => lock(&shared).continue_flow(id),
            None => Err(StopReason::Cancelled),
        };
        let mut guard = lock(shared);
        let exchanges = &mut guard.state.exchanges;
        let held = exchanges.held.add();
        let (mut limits, request) = exchanges.open_held(&send);
        limits.wait_hook = Some(held.hook(continue_flow));
        let client = exchanges.client.clone();
        let outer = exchanges.caller.begin(request);
        // A cancellation before `begin` is not repeated.
        if exchanges.call.limits.check().is_err() {
            exchanges.close(id);
        }
        guard.waits_since = None;
        drop(guard);
        let (call, response) = client.send_once(*send, limits);
        let mut guard = lock(shared);
        let Self { state, flow, .. } = &mut *guard;
        state.exchanges.caller.end(outer);
        let event = state.exchanges.held.hold(id, call, response, held);
        state.process(flow, Message::Exchange(id, event));
    }

    /// Continues the flow while a request waits for the head of its response. Returns the time of
    /// the next call, or the reason to end the request.
    fn continue_flow(&mut self, id: ExchangeId) -> Result<Option<Instant>, StopReason> {
        let since = *self.waits_since.get_or_insert_with(Instant::now);
        while self.outcome.is_none() && self.state.exchanges.is_open(id) {
            match self.try_continue(since) {
                // The flow may have aborted the request.
                Ok(Some(again)) if self.state.exchanges.is_open(id) => return Ok(again),
                Ok(_) => {}
                Err(interruption) => self.outcome = Some(Err(interruption)),
            }
        }
        self.state.exchanges.close(id);
        Err(StopReason::Cancelled)
    }

    /// Polls the flow and processes what has arrived. Returns the end of the wait if there is
    /// nothing else to do.
    fn try_continue(&mut self, since: Instant) -> Result<Option<Option<Instant>>, Interruption> {
        let Self { state, flow, .. } = self;
        let mut until = match state.turn(flow)? {
            Turn::Wait(until) => until,
            Turn::Done(result) => {
                self.outcome = Some(Ok(result));
                return Ok(None);
            }
        };
        let end = since + HEAD_TIMEOUT;
        if state.to_hold.is_some() && end > Instant::now() {
            until = Some(until.map_or(end, |until| until.min(end)));
        } else if let Some(send) = state.to_hold.take() {
            state.exchanges.send_on_thread(send)?;
        }
        match state.exchanges.receive_now(until)? {
            Ok(message) => state.process(flow, message),
            Err(again) => return Ok(Some(again)),
        }
        Ok(None)
    }

    /// Cancels the flow, because a limit of the caller is reached. Waits for the clean-up for at
    /// most [`FOREGROUND_LIMIT`].
    #[inline(never)]
    fn stop(shared: &Arc<Mutex<Self>>, reason: StopReason) -> Error {
        let mut guard = lock(shared);
        let Self { state, flow, .. } = &mut *guard;
        let error = state.exchanges.waiting_call().stopped(reason, Phase::Wait);
        flow.cancel(state.began.elapsed());
        (state.may_hold, state.to_hold) = (false, None);
        // The limits of the caller do not apply to the clean-up.
        state.exchanges.call.limits = CallLimits::default();
        let wait = loop {
            match flow.poll(state.began.elapsed()) {
                Command::Abort(id) => drop(state.exchanges.close(id)),
                Command::Done(Err(FlowError::Attempts(errors))) => {
                    return state.exchanges.attempts_error(errors, Some(error));
                }
                Command::Done(_) => return error,
                Command::Send(send) => {
                    state.request = Some(send);
                    break FOREGROUND_LIMIT;
                }
                Command::Wait { .. } => break Duration::ZERO,
            }
        };
        drop(guard);
        let shared = Arc::clone(shared);
        let clean_up = move || {
            let Self { state, flow, .. } = &mut *lock(&shared);
            drop(state.advance(flow));
        };
        // Nothing can be cleaned up if the thread cannot be created.
        let _ = threads::start_and_wait("scramjet-cleanup", wait, clean_up);
        error
    }
}
