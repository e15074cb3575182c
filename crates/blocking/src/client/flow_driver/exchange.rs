//! One exchange of a flow, on the caller's thread or on its own.

use std::io::Read;

use http::response::Parts;
use scramjet_client_core::BodyLength;
use scramjet_client_core::flow::{Delivery, ExchangeId, Input, Send};

use crate::body::user_reader::UserReader;
use crate::call::context::CallContext;
use crate::call::observer::RequestEvent;
use crate::client::Client;
use crate::client::flow_driver::caller_thread::{CallerThread, ExchangeEvent};
use crate::error::Error;
use crate::limits::call_limits::{CallLimits, StopReason};
use crate::limits::cancel::CancelToken;
use crate::transport::ReasonPhrase;
use crate::transport::error::{Phase, TransportError};

/// A part of a response.
pub(super) enum Part<'a> {
    Head(&'a CallContext, Parts),
    Body(&'a [u8]),
}

/// The context of a failed exchange, and its error.
pub(super) type FailedExchange = Box<(CallContext, Error)>;

/// Sends a request, and passes the parts of the response to `receive`. Reports the last event to
/// the observer: `Body { complete: false }` if the exchange was cancelled, because the flow does
/// not need the response.
pub(super) fn exchange(
    client: &Client,
    send: Send,
    limits: CallLimits,
    buffer: &mut [u8],
    receive: &mut dyn FnMut(Part<'_>),
) -> Result<CallContext, FailedExchange> {
    let (call, response) = client.send_once(send, limits);
    let mut length = BodyLength::default();
    let result = response.and_then(|response| {
        let (head, body) = response.into_parts();
        length = BodyLength::new(head.status, &head.headers);
        read_response(&call, head, body, &mut length, buffer, receive)
    });
    report_end(&call, result.as_ref().copied(), length);
    match result {
        Ok(()) => Ok(call),
        Err(error) => Err(Box::new((call, error))),
    }
}

/// Reports the last event of an exchange to the observer.
pub(super) fn report_end(call: &CallContext, result: Result<(), &Error>, length: BodyLength) {
    let cancelled = call.limits.check() == Err(StopReason::Cancelled);
    call.observe(&match result {
        Err(error) if !cancelled => RequestEvent::Failed { error },
        _ => RequestEvent::Body {
            bytes: length.received(),
            complete: result.is_ok(),
        },
    });
}

/// Reads the body of a response to its end, and adds its bytes to `length`.
fn read_response(
    call: &CallContext,
    head: Parts,
    mut body: UserReader,
    length: &mut BodyLength,
    buffer: &mut [u8],
    receive: &mut dyn FnMut(Part<'_>),
) -> Result<(), Error> {
    receive(Part::Head(call, head));
    loop {
        match read_part(call, &mut body, length, buffer)? {
            0 => return Ok(()),
            read => receive(Part::Body(buffer.get(..read).unwrap_or_default())),
        }
    }
}

/// Reads the next part of a body, and adds its bytes to `length`. Returns 0 at the end.
pub(super) fn read_part(
    call: &CallContext,
    body: &mut UserReader,
    length: &mut BodyLength,
    buffer: &mut [u8],
) -> Result<usize, Error> {
    let read = body
        .read(buffer)
        .map_err(|error| call.body_failed(TransportError::new(Phase::Read, error), *length))?;
    length.add(read);
    Ok(read)
}

/// Returns the input of a flow for the head of a response.
pub(super) fn head_input(id: ExchangeId, head: &Parts) -> Input<'_> {
    Input::Head {
        id,
        status: head.status,
        reason: ReasonPhrase::of(&head.extensions),
        headers: &head.headers,
    }
}

/// Returns the point at which an exchange failed.
pub(super) fn delivery(error: &Error) -> Delivery {
    match error.phase() {
        Some(Phase::Resolve | Phase::Connect | Phase::Tls) => Delivery::NothingSent,
        Some(Phase::Read) => Delivery::Answered,
        _ => Delivery::MayBeReceived,
    }
}

/// An exchange that has its own thread.
pub(super) struct ExchangeThread {
    pub(super) client: Client,
    pub(super) caller: CallerThread,
    pub(super) id: ExchangeId,
    pub(super) limits: CallLimits,
}

impl ExchangeThread {
    pub(super) fn run(&self, send: Send) {
        let mut receive = |part: Part<'_>| {
            self.report(match part {
                Part::Head(call, head) => ExchangeEvent::Head(Box::new((call.clone(), head))),
                Part::Body(bytes) => ExchangeEvent::Body(bytes.to_vec()),
            });
        };
        let mut buffer = vec![0; 16 << 10];
        let limits = self.limits.clone();
        self.report(
            match exchange(&self.client, send, limits, &mut buffer, &mut receive) {
                Ok(_) => ExchangeEvent::End,
                Err(failed) => ExchangeEvent::Failed(failed),
            },
        );
    }

    /// Sends an event to the caller's thread, unless the exchange was cancelled.
    pub(super) fn report(&self, event: ExchangeEvent) {
        let token = self.limits.cancel.as_ref();
        if !token.is_some_and(CancelToken::is_cancelled) {
            self.caller.send(self.id, event);
        }
    }
}
