//! Messages from other threads to the caller's thread, which runs the flow.

use std::any::Any;
use std::marker;
use std::mem::replace;
use std::sync::{Arc, Mutex, MutexGuard};

use http::response::Parts;
use scramjet_client_core::flow::ExchangeId;

use crate::call::context::CallContext;
use crate::error::Error;
use crate::limits::cancel::CancelToken;
use crate::support::channel::Sender;
use crate::support::sync::lock;

/// A message to the caller's thread.
pub(super) enum Message {
    /// The caller's token was cancelled.
    Wake,
    Exchange(ExchangeId, ExchangeEvent),
}

/// An event of an exchange that has its own thread.
pub(super) enum ExchangeEvent {
    Head(Box<(CallContext, Parts)>),
    Body(Vec<u8>),
    /// The end of the body.
    End,
    Failed(Box<(CallContext, Error)>),
    /// The observer or the transport has panicked.
    Panicked(Box<dyn Any + marker::Send>),
}

/// Access to the caller's thread from other threads.
#[derive(Clone)]
pub(super) struct CallerThread {
    sender: Sender<Message>,
    /// The request that the caller's thread is sending.
    request: Arc<Mutex<Option<CallerRequest>>>,
}

/// A request on the caller's thread.
pub(super) struct CallerRequest {
    pub(super) token: CancelToken,
    /// The request changes nothing on the hub, so it can be interrupted and sent again.
    pub(super) is_read_only: bool,
}

impl CallerThread {
    pub(super) fn new(sender: Sender<Message>) -> Self {
        Self {
            sender,
            request: Arc::default(),
        }
    }

    fn request(&self) -> MutexGuard<'_, Option<CallerRequest>> {
        lock(&self.request)
    }

    /// Records that the caller's thread begins to send a request, or to read its response. Returns
    /// the request that is interrupted for this one, which [`end`](Self::end) needs.
    pub(super) fn begin(&self, request: CallerRequest) -> Option<CallerRequest> {
        self.request().replace(request)
    }

    /// Records the end of a request. Returns `true` if another thread has cancelled it.
    pub(super) fn end(&self, outer: Option<CallerRequest>) -> bool {
        replace(&mut *self.request(), outer).is_none()
    }

    /// Cancels the request on the caller's thread, if there is one that satisfies the condition.
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
        self.sender.try_send(Message::Wake);
    }

    /// Sends an event. Blocks while the channel is full.
    pub(super) fn send(&self, id: ExchangeId, event: ExchangeEvent) {
        self.interrupt(|request| request.is_read_only);
        // The flow may have ended.
        self.sender.send(Message::Exchange(id, event));
    }
}
