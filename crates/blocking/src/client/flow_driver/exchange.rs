//! One exchange of a flow, on the caller's thread or on its own.

use std::io::Read;

use http::response::Parts;
use scramjet_client_core::BodyLength;
use scramjet_client_core::flow::{ExchangeId, Input, Progress, Send};

use crate::call::context::CallContext;
use crate::client::Client;
use crate::client::flow_driver::caller_thread::{CallerThread, Event};
use crate::error::Error;
use crate::limits::call_limits::CallLimits;
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

/// Sends a request, and passes the parts of the response to `receive`. Returns the context and the
/// number of body bytes.
pub(super) fn exchange(
    client: &Client,
    send: Send,
    limits: CallLimits,
    buffer: &mut [u8],
    mut receive: impl FnMut(Part<'_>),
) -> Result<(CallContext, u64), FailedExchange> {
    let (call, response) = client.send_once(send, limits);
    let (head, mut body) = match response {
        Ok(response) => response.into_parts(),
        Err(error) => return Err(Box::new((call, error))),
    };
    let mut length = BodyLength::new(head.status, &head.headers);
    receive(Part::Head(&call, head));
    loop {
        match body.read(buffer) {
            Ok(0) => return Ok((call, length.received())),
            Ok(read) => {
                length.add(read);
                receive(Part::Body(buffer.get(..read).unwrap_or_default()));
            }
            Err(error) => {
                let error = TransportError::new(Phase::Read, error);
                let error = call.body_failed(error, length);
                return Err(Box::new((call, error)));
            }
        }
    }
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

/// Returns the progress of an exchange before its error.
pub(super) fn progress(error: &Error) -> Progress {
    match error.phase() {
        Some(Phase::Resolve | Phase::Connect | Phase::Tls) => Progress::NothingSent,
        Some(Phase::Read) => Progress::Answered,
        _ => Progress::MayBeReceived,
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
        let receive = |part: Part<'_>| {
            self.report(match part {
                Part::Head(call, head) => Event::Head(Box::new((call.clone(), head))),
                Part::Body(bytes) => Event::Body(bytes.to_vec()),
            });
        };
        let mut buffer = vec![0; 16 << 10];
        let limits = self.limits.clone();
        self.report(
            match exchange(&self.client, send, limits, &mut buffer, receive) {
                Ok((_, bytes)) => Event::End(bytes),
                Err(failed) => Event::Failed(failed.1.into()),
            },
        );
    }

    /// Sends an event to the caller's thread, unless the exchange was cancelled.
    pub(super) fn report(&self, event: Event) {
        let token = self.limits.cancel.as_ref();
        if !token.is_some_and(CancelToken::is_cancelled) {
            self.caller.send(self.id, event);
        }
    }
}
