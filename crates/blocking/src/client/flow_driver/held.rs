//! Exchanges without a timeout that wait on the caller's thread.
//!
//! While the thread waits for the head of a response, the transport runs a [`WaitHook`], which
//! continues the flow: it sends other requests, such as those for the status of an instance. The
//! body can be read piece by piece, so it needs no hook for that.

use std::io::Read;
use std::mem::take;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use scramjet_client_core::BodyLength;
use scramjet_client_core::flow::{ExchangeId, Send};

use crate::body::user_reader::UserReader;
use crate::call::context::CallContext;
use crate::call::observer::RequestEvent;
use crate::client::flow_driver::caller_thread::{CallerRequest, ExchangeEvent, Message};
use crate::client::flow_driver::exchange::report_end;
use crate::client::flow_driver::exchanges::Exchanges;
use crate::client::request_sender::UnreadResponse;
use crate::error::Error;
use crate::limits::call_limits::{CallLimits, StopReason};
use crate::limits::wait_hook::{AwaitedInput, WaitHook};
use crate::support::panics::in_drop;
use crate::support::sync::lock;
use crate::transport::error::{Phase, TransportError, TransportErrorKind};

/// Interval at which the caller's thread polls connections and other threads, if it cannot wait for
/// all of them at once.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Upper bound for one read of a body.
const MAX_READ_TIME: Duration = Duration::from_secs(3600);

/// A response that the caller's thread reads while it waits.
pub(super) struct HeldExchange {
    id: ExchangeId,
    call: CallContext,
    body: UserReader,
    length: BodyLength,
    state: Arc<HeldState>,
    /// The end was reported to the observer.
    reported: bool,
}

/// The state that an exchange shares with its hook.
#[derive(Default)]
pub(super) struct HeldState {
    /// The time at which a read of the body ends. `None` before the head.
    read_until: Mutex<Option<Instant>>,
    /// The connection.
    input: Mutex<Option<Weak<dyn AwaitedInput>>>,
}

impl HeldState {
    /// Returns the hook of the exchange. `continue_flow` continues the flow while the thread waits
    /// for the head. It returns the time of its next call, or the reason to end the wait.
    pub(super) fn hook(
        self: &Arc<Self>,
        continue_flow: impl Fn() -> Result<Option<Instant>, StopReason>
        + std::marker::Send
        + Sync
        + 'static,
    ) -> WaitHook {
        let state = Arc::clone(self);
        WaitHook::new(move |input| {
            let until = *lock(&state.read_until);
            match until {
                Some(until) if until <= Instant::now() => Err(StopReason::Idle),
                Some(until) => Ok(Some(until)),
                None => {
                    let before = lock(&state.input).replace(Arc::downgrade(input));
                    match before {
                        // Most heads arrive at once.
                        None => Ok(Some(Instant::now() + POLL_INTERVAL)),
                        Some(_) => continue_flow(),
                    }
                }
            }
        })
    }
}

impl HeldExchange {
    /// Reads the next part of the body. `None` if none has arrived until this time.
    fn read(&mut self, until: Instant) -> Option<ExchangeEvent> {
        *lock(&self.state.read_until) = Some(until);
        let mut buffer = [0; 1 << 10];
        let result = match self.body.read(&mut buffer) {
            Ok(0) => Ok(()),
            Ok(read) => {
                self.length.add(read);
                let bytes = buffer.get(..read).unwrap_or_default();
                return Some(ExchangeEvent::Body(bytes.to_vec()));
            }
            Err(error) => {
                let error = TransportError::new(Phase::Read, error);
                if error.kind == TransportErrorKind::Stopped(StopReason::Idle) {
                    return None;
                }
                Err(self.call.body_failed(error, self.length))
            }
        };
        self.reported = true;
        report_end(&self.call, result.as_ref().copied(), self.length);
        Some(match result {
            Ok(()) => ExchangeEvent::End,
            Err(error) => ExchangeEvent::Failed(Box::new((self.call.clone(), error))),
        })
    }
}

impl Drop for HeldExchange {
    fn drop(&mut self) {
        if !self.reported {
            // The flow does not need the rest.
            in_drop(|| {
                self.call.observe(&RequestEvent::Body {
                    bytes: self.length.received(),
                    complete: false,
                });
            });
        }
    }
}

impl Exchanges {
    /// Opens an exchange that waits on the caller's thread. Returns its limits, without the hook.
    pub(super) fn open_held(
        &mut self,
        send: &Send,
        state: &Arc<HeldState>,
    ) -> (CallLimits, CallerRequest) {
        self.held_states.retain(|state| state.strong_count() > 0);
        self.held_states.push(Arc::downgrade(state));
        let (mut limits, token) = self.open(send);
        // The hook checks the limits, but does not run while the transport connects.
        limits.deadline = self.call.limits.deadline;
        let request = CallerRequest {
            token,
            is_read_only: false,
        };
        (limits, request)
    }

    /// Handles the response to the request of an exchange that waits on the caller's thread.
    pub(super) fn hold(
        &mut self,
        id: ExchangeId,
        call: CallContext,
        response: Result<UnreadResponse, Error>,
        state: Arc<HeldState>,
    ) -> ExchangeEvent {
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                report_end(&call, Err(&error), BodyLength::default());
                return ExchangeEvent::Failed(Box::new((call, error)));
            }
        };
        let (head, body) = response.into_parts();
        self.held.push(HeldExchange {
            id,
            call: call.clone(),
            body,
            length: BodyLength::new(head.status, &head.headers),
            state,
            reported: false,
        });
        ExchangeEvent::Head(Box::new((call, head)))
    }

    /// Reads held responses until this time, and returns the first part.
    pub(super) fn read_held(&mut self, until: Option<Instant>) -> Option<Message> {
        let mut held = take(&mut self.held);
        held.retain(|exchange| self.is_open(exchange.id));
        let last = held.len().saturating_sub(1);
        let mut message = None;
        for (index, exchange) in held.iter_mut().enumerate() {
            let now = Instant::now();
            let end = match until {
                Some(until) if index == last => until,
                None if index == last => now + MAX_READ_TIME,
                _ => now,
            };
            let Some(token) = exchange.call.limits.cancel.clone() else {
                continue;
            };
            let outer = self.caller.begin(CallerRequest {
                token,
                is_read_only: false,
            });
            // A cancellation before `begin` is not repeated.
            let event = match self.call.limits.check() {
                Ok(()) => exchange.read(end.max(now + Duration::from_millis(1))),
                Err(_) => None,
            };
            self.caller.end(outer);
            if let Some(event) = event {
                message = Some(Message::Exchange(exchange.id, event));
                break;
            }
        }
        held.retain(|exchange| !exchange.reported);
        self.held = held;
        message
    }

    /// Returns a message or a part of a held response that has arrived. Otherwise returns the time
    /// at which to call this again, or an error if a limit of the caller is reached.
    pub(super) fn receive_now(
        &mut self,
        until: Option<Instant>,
    ) -> Result<Result<Message, Option<Instant>>, StopReason> {
        self.check_limits()?;
        let message = self.messages.try_recv().ok();
        if let Some(message) = message.or_else(|| self.read_held(Some(Instant::now()))) {
            return Ok(Ok(message));
        }
        Ok(Err(self.end_of_wait(until, true)))
    }

    /// Returns the hook of a request that ends when data arrives on a connection that waits.
    pub(super) fn interrupted_by_input(&self) -> Option<WaitHook> {
        let inputs: Vec<_> = self
            .held_states
            .iter()
            .filter_map(|state| lock(&state.upgrade()?.input).as_ref()?.upgrade())
            .collect();
        (!inputs.is_empty()).then(|| {
            WaitHook::new(move |_| {
                if inputs.iter().any(|input| input.has_input()) {
                    return Err(StopReason::Cancelled);
                }
                Ok(Some(Instant::now() + POLL_INTERVAL))
            })
        })
    }
}
