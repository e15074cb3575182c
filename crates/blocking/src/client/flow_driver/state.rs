//! The part of a driver that does not depend on the type of the flow.

use std::mem::forget;
use std::panic::resume_unwind;
use std::time::Instant;

use http::Method;
use scramjet_client_core::flow::{Command, Delivery, ExchangeId, FlowError, Input, Send};

use crate::call::context::CallContext;
use crate::client::Client;
use crate::client::flow_driver::any_flow::AnyFlow;
use crate::client::flow_driver::caller_thread::{CallerRequest, ExchangeEvent, Message};
use crate::client::flow_driver::exchange::{Part, delivery, exchange, head_input};
use crate::client::flow_driver::exchanges::Exchanges;
use crate::error::Error;
use crate::limits::call_limits::StopReason;

/// The part of a driver that does not depend on the type of the flow, so that it is compiled only
/// once.
pub(super) struct DriverState {
    pub(super) exchanges: Exchanges,
    pub(super) began: Instant,
    /// The request to send next.
    pub(super) request: Option<Box<Send>>,
    /// Requests without a timeout may wait on this thread.
    pub(super) may_hold: bool,
    /// A request to wait for on this thread.
    pub(super) to_hold: Option<Box<Send>>,
}

/// The state of a flow whose requests were sent.
pub(super) enum Turn {
    /// The flow waits until this time.
    Wait(Option<Instant>),
    Done(Result<(), FlowError>),
}

/// The reason why the driver stops a flow before its result.
pub(super) enum Interruption {
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

impl DriverState {
    pub(super) fn new(client: &Client, call: CallContext) -> Result<Self, Error> {
        Ok(Self {
            exchanges: Exchanges::new(client, call)?,
            began: Instant::now(),
            request: None,
            may_hold: false,
            to_hold: None,
        })
    }

    /// Returns the result of a flow that is done.
    pub(super) fn result<T>(&self, result: Option<T>) -> Result<T, Error> {
        // Unreachable: a flow without an error has a result.
        result.ok_or_else(|| self.exchanges.panicked())
    }

    pub(super) fn next(&mut self, flow: &mut dyn AnyFlow) -> Result<(), Error> {
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

    pub(super) fn advance(
        &mut self,
        flow: &mut dyn AnyFlow,
    ) -> Result<Result<(), FlowError>, Interruption> {
        let _hook = self.exchanges.wake_on_cancel();
        loop {
            match self.turn(flow)? {
                Turn::Done(result) => return Ok(result),
                Turn::Wait(until) => self.wait(flow, until)?,
            }
        }
    }

    /// Polls the flow and sends its requests until the flow waits.
    pub(super) fn turn(&mut self, flow: &mut dyn AnyFlow) -> Result<Turn, Interruption> {
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
    pub(super) fn wait(
        &mut self,
        flow: &mut dyn AnyFlow,
        until: Option<Instant>,
    ) -> Result<(), StopReason> {
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
    pub(super) fn process(&mut self, flow: &mut dyn AnyFlow, message: Message) {
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
