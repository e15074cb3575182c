//! One exchange of a flow, on the caller's thread or on its own.

use std::any::Any;
use std::io::Read;
use std::marker;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard};

use http::response::Parts;
use scramjet_client_core::BodyLength;
use scramjet_client_core::flow::{ExchangeId, Input, Progress, Send};

use crate::call::context::CallContext;
use crate::client::Client;
use crate::error::Error;
use crate::limits::call_limits::CallLimits;
use crate::limits::cancel::CancelToken;
use crate::support::sync::lock;
use crate::transport::ReasonPhrase;
use crate::transport::error::{Phase, TransportError};

/// A part of a response.
pub(super) enum Part<'a> {
    Head(&'a CallContext, Parts),
    Body(&'a [u8]),
}

/// The context of a failed exchange, and its error.
pub(super) type Failed = Box<(CallContext, Error)>;

/// Sends a request, and passes the parts of the response to `receive`. Returns the context and the
/// number of body bytes.
pub(super) fn exchange(
    client: &Client,
    send: Send,
    limits: CallLimits,
    buffer: &mut [u8],
    mut receive: impl FnMut(Part<'_>),
) -> Result<(CallContext, u64), Failed> {
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

/// A message to the caller's thread.
pub(super) enum Message {
    /// The caller has cancelled the flow.
    Wake,
    Exchange(ExchangeId, Event),
}

/// An event of an exchange that has its own thread.
pub(super) enum Event {
    Head(Box<(CallContext, Parts)>),
    Body(Vec<u8>),
    /// The end of the body, with the number of its bytes.
    End(u64),
    Failed(Box<Error>),
    /// The observer or the transport has panicked.
    Panicked(Box<dyn Any + marker::Send>),
}

/// Access to the caller's thread from other threads.
#[derive(Clone)]
pub(super) struct CallerThread {
    sender: SyncSender<Message>,
    /// The request that the caller's thread is sending.
    request: Arc<Mutex<Option<CallerRequest>>>,
}

/// A request on the caller's thread.
pub(super) struct CallerRequest {
    pub(super) token: CancelToken,
    /// It changes nothing on the hub, so it can be interrupted and sent again.
    pub(super) is_read_only: bool,
}

impl CallerThread {
    pub(super) fn new(sender: SyncSender<Message>) -> Self {
        Self {
            sender,
            request: Arc::default(),
        }
    }

    /// Returns the request that the caller's thread is sending.
    pub(super) fn request(&self) -> MutexGuard<'_, Option<CallerRequest>> {
        lock(&self.request)
    }

    /// Cancels the request on the caller's thread, if it satisfies the condition.
    fn interrupt(&self, condition: impl FnOnce(&mut CallerRequest) -> bool) {
        let request = self.request().take_if(condition);
        if let Some(request) = request {
            request.token.cancel();
        }
    }

    /// Wakes the caller's thread.
    pub(super) fn wake(&self) {
        self.interrupt(|_| true);
        // If the channel is full, the thread is awake.
        let _ = self.sender.try_send(Message::Wake);
    }

    /// Sends an event. Blocks while the caller's thread does not receive messages.
    fn send(&self, id: ExchangeId, event: Event) {
        self.interrupt(|request| request.is_read_only);
        // The flow may have ended.
        let _ = self.sender.send(Message::Exchange(id, event));
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
