//! Drives flows: sends their requests, and passes responses, failures and the time to them.

mod caller_thread;
mod exchange;
mod exchanges;
mod held;

use std::marker;
use std::mem::{forget, replace};
use std::ops::DerefMut;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Method;
use scramjet_client_core::flow::{Command, Delivery, ExchangeId, Flow, FlowError, Input, Send};

use crate::call::context::CallContext;
use crate::client::Client;
use crate::client::flow_driver::caller_thread::{CallerRequest, ExchangeEvent, Message};
use crate::client::flow_driver::exchange::{Part, delivery, exchange, head_input};
use crate::client::flow_driver::exchanges::Exchanges;
use crate::error::Error;
use crate::limits::call_limits::{CallLimits, StopReason};
use crate::support::sync::lock;
use crate::support::threads;
use crate::transport::error::Phase;

/// Time that a caller waits for clean-up after its limits are reached. Then the clean-up continues
/// in the background. A healthy hub responds within milliseconds.
pub(crate) const FOREGROUND_LIMIT: Duration = Duration::from_secs(1);

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

/// The part of a driver that does not depend on the type of the flow, so that it is compiled only
/// once.
struct DriverState {
    exchanges: Exchanges,
    began: Instant,
    /// The request to send next.
    request: Option<Box<Send>>,
    /// Requests without a timeout may wait on this thread.
    may_hold: bool,
    /// A request to wait for on this thread.
    to_hold: Option<Box<Send>>,
}

/// A flow without its type and that of its result.
trait AnyFlow {
    /// Like [`Flow::poll`], but keeps the result.
    fn poll(&mut self, now: Duration) -> Command<Result<(), FlowError>>;
    fn handle(&mut self, now: Duration, input: Input<'_>);
    fn cancel(&mut self, now: Duration);
}

/// A flow, and its result when it is done.
struct FlowWithResult<F, T> {
    flow: F,
    result: Option<T>,
}

impl<F, T> FlowWithResult<F, T> {
    fn new(flow: F) -> Self {
        Self { flow, result: None }
    }
}

impl<F, T> AnyFlow for FlowWithResult<F, T>
where
    F: DerefMut<Target: Flow<Output = Result<T, FlowError>>>,
{
    fn poll(&mut self, now: Duration) -> Command<Result<(), FlowError>> {
        match self.flow.poll(now) {
            Command::Send(send) => Command::Send(send),
            Command::Abort(id) => Command::Abort(id),
            Command::Wait { until } => Command::Wait { until },
            Command::Done(result) => Command::Done(result.map(|result| {
                self.result = Some(result);
            })),
        }
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.flow.handle(now, input);
    }

    fn cancel(&mut self, now: Duration) {
        self.flow.cancel(now);
    }
}

/// The state of a flow whose requests were sent.
enum Turn {
    /// The flow waits until this time.
    Wait(Option<Instant>),
    Done(Result<(), FlowError>),
}

/// The reason why the driver stops a flow before its result.
enum Interruption {
    Stopped(StopReason),
    Failed(Box<Error>),
}

impl From<StopReason> for Interruption {
    fn from(reason: StopReason) -> Self {
        Self::Stopped(reason)
    }
}

impl From<Error> for Interruption {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
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
        let SharedDriver(shared) = driver;
        let any: Arc<Mutex<AnyShared>> = shared.clone();
        AnyShared::run(&any).map_err(|error| self.explain(error))?;
        let shared = &mut *lock(&shared);
        shared.state.result(shared.flow.result.take())
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
        Ok(SharedDriver(Arc::new(Mutex::new(Shared {
            state,
            waits_since: None,
            outcome: None,
            flow: FlowWithResult::new(Box::new(flow)),
        }))))
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

impl DriverState {
    fn new(client: &Client, call: CallContext) -> Result<Self, Error> {
        Ok(Self {
            exchanges: Exchanges::new(client, call)?,
            began: Instant::now(),
            request: None,
            may_hold: false,
            to_hold: None,
        })
    }

    /// Returns the result of a flow that is done.
    fn result<T>(&self, result: Option<T>) -> Result<T, Error> {
        // Unreachable: a flow without an error has a result.
        result.ok_or_else(|| self.exchanges.panicked())
    }

    fn next(&mut self, flow: &mut dyn AnyFlow) -> Result<(), Error> {
        self.exchanges.quiet_since = Instant::now();
        match self.advance(flow) {
            Ok(result) => result.map_err(|error| self.exchanges.error(error)),
            Err(Interruption::Stopped(reason)) => {
                let phase = self.exchanges.phase();
                Err(self.exchanges.call.stopped(reason, phase))
            }
            Err(Interruption::Failed(error)) => Err(*error),
        }
    }

    fn advance(&mut self, flow: &mut dyn AnyFlow) -> Result<Result<(), FlowError>, Interruption> {
        let _hook = self.exchanges.wake_on_cancel();
        loop {
            match self.turn(flow)? {
                Turn::Done(result) => return Ok(result),
                Turn::Wait(until) => self.wait(flow, until)?,
            }
        }
    }

    /// Polls the flow and sends its requests until the flow waits.
    fn turn(&mut self, flow: &mut dyn AnyFlow) -> Result<Turn, Interruption> {
        loop {
            self.exchanges.call.limits.check()?;
            if let Some(send) = self.request.take() {
                self.send(flow, send)?;
            }
            match flow.poll(self.began.elapsed()) {
                Command::Send(send) => self.request = Some(send),
                Command::Abort(id) => {
                    self.to_hold.take_if(|send| send.id == id);
                    self.exchanges.close(id);
                }
                Command::Done(result) => return Ok(Turn::Done(result)),
                Command::Wait { until } => {
                    let until = until.and_then(|until| self.began.checked_add(until));
                    return Ok(Turn::Wait(until));
                }
            }
        }
    }

    /// Waits for a message, but not longer than `until`, and processes it.
    fn wait(&mut self, flow: &mut dyn AnyFlow, until: Option<Instant>) -> Result<(), StopReason> {
        if let Some(message) = self.exchanges.receive(until)? {
            self.process(flow, message);
        }
        Ok(())
    }

    fn send(&mut self, flow: &mut dyn AnyFlow, send: Box<Send>) -> Result<(), Error> {
        if send.timeout.is_some() {
            return self.send_on_this_thread(flow, send);
        }
        self.exchanges.set_waiting(&send);
        // A cancelled flow may need the response to a request that changes something.
        let may_hold = self.may_hold && send.request.method() == Method::GET;
        match self.to_hold.take() {
            Some(first) => self.exchanges.send_on_thread(first)?,
            None if may_hold && !self.exchanges.has_threads() => {
                self.to_hold = Some(send);
                return Ok(());
            }
            None => {}
        }
        self.exchanges.send_on_thread(send)
    }

    /// Sends a request on the caller's thread, and passes the whole response to the flow.
    // Not inlined, like `Client::driver`.
    #[inline(never)]
    fn send_on_this_thread(
        &mut self,
        flow: &mut dyn AnyFlow,
        send: Box<Send>,
    ) -> Result<(), Error> {
        let (id, (mut limits, token)) = (send.id, self.exchanges.open(&send));
        let is_read_only = send.request.method() == Method::GET;
        let copy = is_read_only.then(|| send.clone());
        if is_read_only {
            limits.wait_hook = self.exchanges.held.interrupted_by_input();
        }
        let outer = self.exchanges.caller.begin(CallerRequest {
            token,
            is_read_only,
        });
        let mut receive = |part: Part<'_>| {
            let input = match &part {
                Part::Head(_, head) => head_input(id, head),
                Part::Body(bytes) => Input::Body { id, bytes },
            };
            flow.handle(self.began.elapsed(), input);
        };
        let mut buffer = vec![0; 2 << 10];
        let result = exchange(
            &self.exchanges.client,
            *send,
            limits,
            &mut buffer,
            &mut receive,
        )
        .map(|call| self.completed(flow, id, call));
        let mut interrupted = self.exchanges.caller.end(outer);
        let Err(failed) = result else {
            return Ok(());
        };
        let (call, error) = *failed;
        // Data has arrived on a connection that waits.
        interrupted |= error.is_cancelled();
        let stopped = interrupted || self.exchanges.call.limits.check().is_err();
        match copy {
            // On this thread, a stream that never pauses would interrupt the request each time.
            Some(copy) if stopped && delivery(&error) < Delivery::Answered => {
                self.exchanges.send_on_thread(copy)
            }
            _ => {
                self.failed(flow, id, call, error);
                Ok(())
            }
        }
    }

    /// Processes a message of another thread. Ignores the events of closed exchanges.
    fn process(&mut self, flow: &mut dyn AnyFlow, message: Message) {
        let (id, event) = match message {
            Message::Exchange(id, event) if self.exchanges.is_open(id) => (id, event),
            Message::Exchange(_, ExchangeEvent::Panicked(panic)) => return forget(panic),
            Message::Exchange(..) | Message::Wake => return,
        };
        match event {
            ExchangeEvent::Head(head) => {
                let (call, head) = *head;
                self.exchanges.head_received(id, call);
                flow.handle(self.began.elapsed(), head_input(id, &head));
            }
            ExchangeEvent::Body(bytes) => {
                self.exchanges.quiet_since = Instant::now();
                flow.handle(self.began.elapsed(), Input::Body { id, bytes: &bytes });
            }
            ExchangeEvent::End => {
                if let Some(call) = self.exchanges.close(id) {
                    self.completed(flow, id, call);
                }
            }
            ExchangeEvent::Failed(failed) => {
                let (call, error) = *failed;
                self.failed(flow, id, call, error);
            }
            ExchangeEvent::Panicked(panic) => resume_unwind(panic),
        }
    }

    fn completed(&mut self, flow: &mut dyn AnyFlow, id: ExchangeId, call: CallContext) {
        self.exchanges.finish(id, call, None);
        flow.handle(self.began.elapsed(), Input::End { id });
    }

    fn failed(&mut self, flow: &mut dyn AnyFlow, id: ExchangeId, call: CallContext, error: Error) {
        let (delivery, transient) = (delivery(&error), error.may_be_transient());
        self.exchanges.finish(id, call, Some(error));
        let input = Input::Failed {
            id,
            delivery,
            transient,
        };
        flow.handle(self.began.elapsed(), input);
    }
}

/// Time for which a request without a timeout waits for the head of another one. Then it gets its
/// own thread. A proxy may withhold that head until the first event.
const HEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// A driver that a request on the caller's thread shares with its hook.
pub(crate) struct SharedDriver<F, T>(Arc<Mutex<Shared<BoxedFlow<F, T>>>>);

type BoxedFlow<F, T> = FlowWithResult<Box<F>, T>;

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
