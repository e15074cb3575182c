//! Drives flows: sends their requests, and passes responses, failures and the time to them.

mod caller_thread;
mod exchange;
mod exchanges;

use std::marker;
use std::mem::{forget, replace};
use std::ops::DerefMut;
use std::panic::resume_unwind;
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
use crate::support::threads;
use crate::transport::error::Phase;

/// Time that a caller waits for clean-up after its limits are reached. Then the clean-up continues
/// in the background. A healthy hub responds within milliseconds.
pub(crate) const FOREGROUND_LIMIT: Duration = Duration::from_secs(1);

/// Drives a flow within the limits of a client.
///
/// Requests with a timeout are sent on the caller's thread. A request without one waits for an
/// event or data, and has its own thread. If another exchange makes progress while the caller's
/// thread waits for the response to a read-only request, the driver interrupts this request and
/// sends it again on its own thread. If a limit of the caller is reached, the driver cancels the
/// flow, whose clean-up may continue in the background.
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
        let result = Driver::new(self, call, flow)?.run();
        result.map_err(|error| self.explain(error))
    }
}

impl<F> Driver<F> {
    /// `call` describes the flow in errors.
    pub(crate) fn new(client: &Client, call: CallContext, flow: F) -> Result<Self, Error> {
        Ok(Self {
            flow,
            state: DriverState {
                exchanges: Exchanges::new(client, call)?,
                began: Instant::now(),
                request: None,
            },
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

impl<F, T> Driver<F>
where
    F: Flow<Output = Result<T, FlowError>> + marker::Send + 'static,
    T: marker::Send + 'static,
{
    fn run(mut self) -> Result<T, Error> {
        let mut flow = FlowWithResult::new(Box::new(self.flow));
        match self.state.advance(&mut flow) {
            Ok(Ok(())) => self.state.result(flow.result),
            Ok(Err(error)) => Err(self.state.exchanges.error(error)),
            Err(Interruption::Stopped(reason)) => Err(self.state.stop(Box::new(flow), reason)),
            Err(Interruption::Failed(error)) => Err(*error),
        }
    }
}

impl DriverState {
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
        let caller = self.exchanges.caller.clone();
        let token = self.exchanges.call.limits.cancel.clone();
        let _hook = token.map(|token| token.on_cancel(move || caller.wake()));
        loop {
            self.exchanges.call.limits.check()?;
            if let Some(send) = self.request.take() {
                self.send(flow, send)?;
            }
            match flow.poll(self.began.elapsed()) {
                Command::Send(send) => self.request = Some(send),
                Command::Abort(id) => drop(self.exchanges.close(id)),
                Command::Done(result) => return Ok(result),
                Command::Wait { until } => {
                    let until = until.and_then(|until| self.began.checked_add(until));
                    if let Some(message) = self.exchanges.receive(until)? {
                        self.process(flow, message);
                    }
                }
            }
        }
    }

    fn send(&mut self, flow: &mut dyn AnyFlow, send: Box<Send>) -> Result<(), Error> {
        if send.timeout.is_some() {
            return self.send_on_this_thread(flow, send);
        }
        self.exchanges.set_waiting(&send);
        self.exchanges.send_on_thread(send)
    }

    /// Sends a request on the caller's thread, and passes the whole response to the flow.
    fn send_on_this_thread(
        &mut self,
        flow: &mut dyn AnyFlow,
        send: Box<Send>,
    ) -> Result<(), Error> {
        let (id, (limits, token)) = (send.id, self.exchanges.open(&send));
        let is_read_only = send.request.method() == Method::GET;
        let copy = is_read_only.then(|| send.clone());
        *self.exchanges.caller.request() = Some(CallerRequest {
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
        let mut buffer = [0; 4 << 10];
        let result = exchange(
            &self.exchanges.client,
            *send,
            limits,
            &mut buffer,
            &mut receive,
        )
        .map(|call| self.completed(flow, id, call));
        let interrupted = self.exchanges.caller.request().take().is_none();
        let Err(failed) = result else {
            return Ok(());
        };
        let (call, error) = *failed;
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

    /// Cancels the flow, because a limit of the caller is reached. Waits for the clean-up for at
    /// most [`FOREGROUND_LIMIT`].
    fn stop(mut self, mut flow: Box<dyn AnyFlow + marker::Send>, reason: StopReason) -> Error {
        let error = self.exchanges.waiting_call().stopped(reason, Phase::Wait);
        flow.cancel(self.began.elapsed());
        // The limits of the caller do not apply to the clean-up.
        self.exchanges.call.limits = CallLimits::default();
        let wait = loop {
            match flow.poll(self.began.elapsed()) {
                Command::Abort(id) => drop(self.exchanges.close(id)),
                Command::Done(Err(FlowError::Attempts(errors))) => {
                    return self.exchanges.attempts_error(errors, Some(error));
                }
                Command::Done(_) => return error,
                Command::Send(send) => {
                    self.request = Some(send);
                    break FOREGROUND_LIMIT;
                }
                Command::Wait { .. } => break Duration::ZERO,
            }
        };
        let clean_up = move || drop(self.advance(&mut *flow));
        // Nothing can be cleaned up if the thread cannot be created.
        let _ = threads::start_and_wait("scramjet-cleanup", wait, clean_up);
        error
    }
}
