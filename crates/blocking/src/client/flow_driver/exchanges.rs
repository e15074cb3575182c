//! The exchanges of a flow.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use scramjet_client_core::BodyLength;
use scramjet_client_core::flow::{ExchangeId, FlowError, Send};

use crate::call::context::CallContext;
use crate::client::Client;
use crate::client::flow_driver::caller_thread::{
    CallerRequest, CallerThread, ExchangeEvent, Message,
};
use crate::client::flow_driver::exchange::ExchangeThread;
use crate::client::flow_driver::held::{HeldExchanges, POLL_INTERVAL};
use crate::error::{Error, ErrorKind};
use crate::limits::call_limits::{CallLimits, StopReason};
use crate::limits::cancel::{CancelToken, OnCancel};
use crate::support::channel::{Receiver, bounded};
use crate::support::drop_guard::DropGuard;
use crate::support::threads;
use crate::transport::error::{Phase, TransportError};

/// Number of messages that may wait for the caller's thread. If there are more, the threads of the
/// exchanges block, and stop reading from their connections.
const CHANNEL_CAPACITY: usize = 16;

/// Number of closed exchanges whose contexts and errors are kept, for the errors of the flow.
const HISTORY_LENGTH: usize = 64;

/// The exchanges of a flow, and their contexts and errors.
pub(super) struct Exchanges {
    pub(super) client: Client,
    /// Describes the flow in errors. Its limits are those of the caller.
    pub(super) call: CallContext,
    /// Describes the last request without a timeout, for the error when a limit stops the flow. A
    /// start, for example, is stopped while it waits for the event of a ready instance. `None` for
    /// flows that change nothing on the hub.
    waiting_call: Option<CallContext>,
    open: Vec<RunningExchange>,
    /// The last [`HISTORY_LENGTH`] exchanges that were finished.
    finished: VecDeque<FinishedExchange>,
    pub(super) caller: CallerThread,
    messages: Receiver<Message>,
    pub(super) held: HeldExchanges,
    /// Time of the last progress, for the idle timeout.
    pub(super) quiet_since: Instant,
}

/// An open exchange. Dropping this cancels it.
struct RunningExchange {
    id: ExchangeId,
    on_thread: bool,
    _token: DropGuard<CancelToken>,
    /// `None` before the head of the response.
    call: Option<CallContext>,
}

struct FinishedExchange {
    id: ExchangeId,
    call: CallContext,
    error: Option<Error>,
}

impl Exchanges {
    pub(super) fn new(client: &Client, call: CallContext) -> Result<Self, Error> {
        let client = client.fix_deadline();
        let call = client.options.begin(call, Duration::ZERO)?;
        let (sender, receiver) = bounded(CHANNEL_CAPACITY);
        Ok(Self {
            client,
            call,
            waiting_call: None,
            open: Vec::new(),
            finished: VecDeque::new(),
            caller: CallerThread::new(sender),
            messages: receiver,
            held: HeldExchanges::default(),
            quiet_since: Instant::now(),
        })
    }

    /// Wakes the caller's thread when the caller's token is cancelled, until the guard is dropped.
    pub(super) fn wake_on_cancel(&self) -> Option<OnCancel> {
        let caller = self.caller.clone();
        let token = self.call.limits.cancel.as_ref()?;
        Some(token.on_cancel(move || caller.wake()))
    }

    /// Opens an exchange. Returns its limits and the token in them.
    pub(super) fn open(&mut self, send: &Send) -> (CallLimits, CancelToken) {
        // Not a child of the caller's token: after a cancellation, the flow decides which exchanges
        // end.
        let token = CancelToken::new();
        self.open.push(RunningExchange {
            id: send.id,
            on_thread: false,
            _token: DropGuard::new(token.clone(), CancelToken::cancel),
            call: None,
        });
        let mut limits = CallLimits {
            cancel: Some(token.clone()),
            ..CallLimits::default()
        };
        if let Some(timeout) = send.timeout {
            let end = Instant::now().checked_add(timeout);
            limits.deadline = end.into_iter().chain(self.call.limits.deadline).min();
            limits.idle = self.call.limits.idle;
            limits.time_limit = timeout;
        }
        (limits, token)
    }

    /// Opens an exchange that waits on the caller's thread.
    pub(super) fn open_held(&mut self, send: &Send) -> (CallLimits, CallerRequest) {
        let (mut limits, token) = self.open(send);
        // The hook checks the limits, but does not run while the transport connects.
        limits.deadline = self.call.limits.deadline;
        let request = CallerRequest {
            token,
            is_read_only: false,
        };
        (limits, request)
    }

    /// Sends a request on its own thread.
    pub(super) fn send_on_thread(&mut self, send: Box<Send>) -> Result<(), Error> {
        let (id, (limits, _)) = (send.id, self.open(&send));
        if let Some(open) = self.find(id) {
            open.on_thread = true;
        }
        let exchange = ExchangeThread {
            client: self.client.clone(),
            caller: self.caller.clone(),
            id,
            limits,
        };
        let work = move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| exchange.run(*send))) {
                exchange.report(ExchangeEvent::Panicked(panic));
            }
        };
        threads::start("scramjet-exchange", work).map_err(|error| {
            self.close(id);
            self.call.failed(error)
        })
    }

    /// Sets [`waiting_call`](Self::waiting_call) to a request without a timeout.
    pub(super) fn set_waiting(&mut self, send: &Send) {
        if !self.call.is_read_only() {
            let (method, uri) = (send.request.method(), send.request.uri());
            self.waiting_call = Some(self.call.with_request(send.operation, method, uri));
        }
    }

    pub(super) fn is_open(&self, id: ExchangeId) -> bool {
        self.open.iter().any(|open| open.id == id)
    }

    fn find(&mut self, id: ExchangeId) -> Option<&mut RunningExchange> {
        self.open.iter_mut().find(|open| open.id == id)
    }

    /// Records that the head of the response was received.
    pub(super) fn head_received(&mut self, id: ExchangeId, call: CallContext) {
        self.quiet_since = Instant::now();
        if let Some(open) = self.find(id) {
            open.call = Some(call);
        }
    }

    /// Closes an exchange. Returns its context if the head of the response was received.
    pub(super) fn close(&mut self, id: ExchangeId) -> Option<CallContext> {
        let index = self.open.iter().position(|open| open.id == id)?;
        self.open.remove(index).call
    }

    /// Closes an exchange, and keeps its context and its error.
    pub(super) fn finish(&mut self, id: ExchangeId, call: CallContext, error: Option<Error>) {
        self.close(id);
        if self.finished.len() == HISTORY_LENGTH {
            self.finished.pop_front();
        }
        self.finished
            .push_back(FinishedExchange { id, call, error });
    }

    /// Waits for a message. Returns `None` at the time `until` or earlier, and an error if a limit
    /// of the caller is reached.
    pub(super) fn receive(
        &mut self,
        until: Option<Instant>,
    ) -> Result<Option<Message>, StopReason> {
        let received = if self.held.is_empty() {
            self.messages
                .recv_until(self.end_of_wait(until, false))
                .ok()
        } else {
            self.poll(self.end_of_wait(until, true))
        };
        if let Some(message) = received {
            return Ok(Some(message));
        }
        self.check_limits()?;
        Ok(None)
    }

    /// Returns a message or a part of a held response that has arrived. Otherwise returns the time
    /// at which to call this again, or an error if a limit of the caller is reached.
    pub(super) fn receive_now(
        &mut self,
        until: Option<Instant>,
    ) -> Result<Result<Message, Option<Instant>>, StopReason> {
        self.check_limits()?;
        Ok(match self.poll(Some(Instant::now())) {
            Some(message) => Ok(message),
            None => Err(self.end_of_wait(until, true)),
        })
    }

    /// Returns a message that has arrived, or reads held responses until this time.
    fn poll(&mut self, until: Option<Instant>) -> Option<Message> {
        if let Ok(message) = self.messages.recv_timeout(Duration::ZERO) {
            return Some(message);
        }
        let is_open = |id| self.open.iter().any(|open| open.id == id);
        let limits = &self.call.limits;
        self.held.read(until, &self.caller, limits, is_open)
    }

    /// Returns the time at which a wait has to end. If the thread waits for a connection, it
    /// `polls` for messages of other threads.
    fn end_of_wait(&self, until: Option<Instant>, polls: bool) -> Option<Instant> {
        let limit = self.call.limits.end_of_wait(self.quiet_since);
        let poll = (polls && self.has_threads()).then(|| Instant::now() + POLL_INTERVAL);
        let limit = limit.map(|(end, _)| end);
        until.into_iter().chain(limit).chain(poll).min()
    }

    /// Returns `true` if exchanges on other threads are open.
    pub(super) fn has_threads(&self) -> bool {
        self.open.iter().any(|open| open.on_thread)
    }

    fn check_limits(&self) -> Result<(), StopReason> {
        self.call.limits.check()?;
        match self.call.limits.end_of_wait(self.quiet_since) {
            Some((end, reason)) if end <= Instant::now() => Err(reason),
            _ => Ok(()),
        }
    }

    /// Returns the phase for the error of a stream that a limit has stopped.
    pub(super) fn phase(&self) -> Phase {
        match self.open.first() {
            None => Phase::Connect,
            Some(open) if open.call.is_none() => Phase::Wait,
            Some(_) => Phase::Read,
        }
    }

    /// Returns the context for an error of a flow that a limit has stopped.
    pub(super) fn waiting_call(&self) -> &CallContext {
        self.waiting_call.as_ref().unwrap_or(&self.call)
    }

    /// Makes the error for a caller that continues after a panic.
    pub(super) fn panicked(&self) -> Error {
        let error = io::Error::other("an earlier call panicked");
        self.call
            .transport_failed(TransportError::new(Phase::Read, error))
    }

    fn take_error(&mut self, id: ExchangeId) -> Option<Error> {
        let mut finished = self.finished.iter_mut();
        finished.find(|finished| finished.id == id)?.error.take()
    }

    /// Converts an error of the flow.
    pub(super) fn error(&mut self, error: FlowError) -> Error {
        let call = &self.call;
        match error {
            FlowError::Failed(id) => match self.take_error(id) {
                Some(error) => error,
                None => self.call.failed(BodyLength::default().cut_off()),
            },
            FlowError::Reply(id, error) => {
                let finished = self.finished.iter().find(|finished| finished.id == id);
                finished
                    .map_or(call, |finished| &finished.call)
                    .failed(*error)
            }
            FlowError::Request(error) => call.failed(error),
            FlowError::Ended(ended) => call.failed(ErrorKind::Ended(ended)),
            FlowError::FailedEvent(event) => call.failed(ErrorKind::Failed(event)),
            FlowError::TimedOut(limit) => self.waiting_call().failed(ErrorKind::Deadline {
                phase: Phase::Wait,
                limit,
            }),
            FlowError::Attempts(errors) => self.attempts_error(errors, None),
            // Unreachable: `Driver::stop` handles the result of a cancelled flow.
            FlowError::Cancelled | _ => call.stopped(StopReason::Cancelled, Phase::Wait),
        }
    }

    /// Makes the error for several attempts. `stopped` replaces the error of the cancelled attempt.
    pub(super) fn attempts_error(
        &mut self,
        errors: Vec<FlowError>,
        mut stopped: Option<Error>,
    ) -> Error {
        let errors = errors.into_iter().filter_map(|error| match error {
            FlowError::Cancelled if stopped.is_some() => stopped.take(),
            error => Some(self.error(error)),
        });
        let errors = errors.collect();
        self.call.of_attempts(errors)
    }
}
