//! Exchanges without a timeout that wait on the caller's thread.
//!
//! While the thread waits for the head of a response, the transport runs a [`WaitHook`], which
//! continues the flow: it sends other requests, such as those for the status of an instance. The
//! body can be read piece by piece, so it needs no hook for that.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use scramjet_client_core::BodyLength;
use scramjet_client_core::flow::ExchangeId;

use crate::body::user_reader::UserReader;
use crate::call::context::CallContext;
use crate::call::observer::RequestEvent;
use crate::client::flow_driver::caller_thread::{
    CallerRequest, CallerThread, ExchangeEvent, Message,
};
use crate::client::flow_driver::exchange::{read_part, report_end};
use crate::client::request_sender::UnreadResponse;
use crate::error::Error;
use crate::limits::call_limits::{AwaitedInput, CallLimits, StopReason, WaitHook};
use crate::support::panics::in_drop;
use crate::support::sync::lock;

/// Interval at which the caller's thread polls connections and other threads, if it cannot wait for
/// all of them at once.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Lower bound for one read of a body.
const MIN_READ_TIME: Duration = Duration::from_millis(1);

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
        let result = match read_part(&self.call, &mut self.body, &mut self.length, &mut buffer) {
            Ok(0) => Ok(()),
            Ok(read) => {
                let bytes = buffer.get(..read).unwrap_or_default();
                return Some(ExchangeEvent::Body(bytes.to_vec()));
            }
            Err(error) if error.is_idle() => return None,
            Err(error) => Err(error),
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

/// The exchanges of a flow that wait on the caller's thread.
#[derive(Default)]
pub(super) struct HeldExchanges {
    /// Those whose head was received.
    responses: Vec<HeldExchange>,
    states: Vec<Weak<HeldState>>,
}

impl HeldExchanges {
    /// Returns the state for a new exchange.
    pub(super) fn add(&mut self) -> Arc<HeldState> {
        let state = Arc::default();
        self.states.retain(|state| state.strong_count() > 0);
        self.states.push(Arc::downgrade(&state));
        state
    }

    /// Returns `true` if no body has to be read.
    pub(super) fn is_empty(&self) -> bool {
        self.responses.is_empty()
    }

    /// Handles the response to the request of an exchange.
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
        self.responses.push(HeldExchange {
            id,
            call: call.clone(),
            body,
            length: BodyLength::new(head.status, &head.headers),
            state,
            reported: false,
        });
        ExchangeEvent::Head(Box::new((call, head)))
    }

    /// Reads bodies until this time, and returns the first part. Drops those that are not open.
    /// `limits` are those of the caller.
    pub(super) fn read(
        &mut self,
        until: Option<Instant>,
        caller: &CallerThread,
        limits: &CallLimits,
        is_open: impl Fn(ExchangeId) -> bool,
    ) -> Option<Message> {
        self.responses.retain(|exchange| is_open(exchange.id));
        let last = self.responses.len().saturating_sub(1);
        let mut message = None;
        for (index, exchange) in self.responses.iter_mut().enumerate() {
            let now = Instant::now();
            // Only the last one waits for data.
            let end = match until {
                Some(until) if index == last => until,
                None if index == last => now + MAX_READ_TIME,
                _ => now,
            };
            let Some(token) = exchange.call.limits.cancel.clone() else {
                continue;
            };
            let outer = caller.begin(CallerRequest {
                token,
                is_read_only: false,
            });
            // A cancellation before `begin` is not repeated.
            let event = match limits.check() {
                Ok(()) => exchange.read(end.max(now + MIN_READ_TIME)),
                Err(_) => None,
            };
            caller.end(outer);
            if let Some(event) = event {
                message = Some(Message::Exchange(exchange.id, event));
                break;
            }
        }
        self.responses.retain(|exchange| !exchange.reported);
        message
    }

    /// Returns the hook of a request that ends when data arrives on a connection that waits.
    pub(super) fn interrupted_by_input(&self) -> Option<WaitHook> {
        let inputs: Vec<_> = self
            .states
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
