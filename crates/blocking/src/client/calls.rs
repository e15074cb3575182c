//! Calls of operations.
//!
//! Methods of handles that only make such a call are `#[inline]`. The code of an operation and its
//! reply is then compiled only in programs that use it, which makes builds of this crate a fifth
//! faster.

use std::io;

use http::Request;
use scramjet_client_core::{BodyLength, Chunks, Decode, Operation, SingleItem, Streamed, flow};

use super::Client;
use crate::body::byte_stream::ByteStream;
use crate::body::items::Items;
use crate::body::upload::Upload;
use crate::call::context::CallContext;
use crate::call::observer::RequestObserver;
use crate::client::payload::Payload;
use crate::client::pending_reply::PendingReply;
use crate::client::request_sender::{RequestSender, UnreadResponse};
use crate::error::Error;
use crate::limits::call_limits::CallLimits;

impl Client {
    /// Calls an operation whose reply is one value.
    pub(crate) fn call<O>(&self, operation: &O) -> Result<<O::Decoder as Decode>::Item, Error>
    where
        O: Operation<Payload = Vec<u8>, Decoder: SingleItem>,
    {
        self.call_inline(operation, PendingReply::item)
    }

    /// Calls an operation that uploads data. Returns its reply, and the number of bytes sent.
    pub(crate) fn send<O>(
        &self,
        operation: &O,
        upload: Upload,
    ) -> Result<(<O::Decoder as Decode>::Item, u64), Error>
    where
        O: Operation<Payload = Streamed, Decoder: SingleItem>,
    {
        self.call_upload(operation, upload, PendingReply::item)
    }

    /// Calls an operation whose reply is a stream of bytes. Returns when the head of the response
    /// was received.
    pub(crate) fn open<O>(&self, operation: &O) -> Result<ByteStream, Error>
    where
        O: Operation<Payload = Vec<u8>, Decoder = Chunks>,
    {
        self.call_inline(operation, PendingReply::stream)
    }

    /// Calls an operation that uploads data, and whose reply is a stream of bytes. Returns when all
    /// data was sent and the head of the response was received.
    pub(crate) fn send_and_open<O>(
        &self,
        operation: &O,
        upload: Upload,
    ) -> Result<ByteStream, Error>
    where
        O: Operation<Payload = Streamed, Decoder = Chunks>,
    {
        Ok(self.call_upload(operation, upload, PendingReply::stream)?.0)
    }

    /// Calls an operation whose reply is a stream of items. Returns when the head of the response
    /// was received.
    pub(crate) fn items<O>(&self, operation: &O) -> Result<Items<O::Decoder>, Error>
    where
        O: Operation<Payload = Vec<u8>>,
    {
        self.call_inline(operation, PendingReply::items)
    }

    fn call_inline<O, T>(
        &self,
        operation: &O,
        finish: impl Fn(PendingReply<O::Decoder>) -> Result<T, Error>,
    ) -> Result<T, Error>
    where
        O: Operation<Payload = Vec<u8>>,
    {
        let payload = |bytes, _: &_| Ok(Payload::Inline(bytes));
        Ok(self.run(operation, payload, finish)?.0)
    }

    fn call_upload<O, T>(
        &self,
        operation: &O,
        upload: Upload,
        finish: impl Fn(PendingReply<O::Decoder>) -> Result<T, Error>,
    ) -> Result<(T, u64), Error>
    where
        O: Operation<Payload = Streamed>,
    {
        let payload = |_, limits: &_| upload.open(limits).map(Payload::Upload);
        self.run(operation, payload, finish)
    }

    fn run<O, T>(
        &self,
        operation: &O,
        payload: impl FnOnce(O::Payload, &CallLimits) -> io::Result<Payload>,
        finish: impl Fn(PendingReply<O::Decoder>) -> Result<T, Error>,
    ) -> Result<(T, u64), Error>
    where
        O: Operation,
    {
        let fixed;
        let client = if operation.needs_dialect() && self.endpoint.dialect().is_none() {
            // The request for the version shares the deadline of this call.
            fixed = self.fix_deadline();
            fixed.version()?;
            &fixed
        } else {
            self
        };
        let endpoint = client.endpoint();
        let request = endpoint
            .request(operation)
            .map_err(|error| CallContext::unbuilt::<O>().failed(error))?;
        let (head, body) = request.into_parts();
        let call = CallContext::new(O::NAME, &O::METHOD, &head.uri);
        let mut call = client.options.begin(call, operation.server_wait())?;
        call.observer = client.observer.as_ref().map(RequestObserver::new);
        let payload = payload(body, &call.limits).map_err(|error| call.upload_failed(error))?;
        let mut sender = RequestSender {
            transport: &*client.transport,
            retry: client.options.retry,
            call,
        };
        let mut value = None;
        let sent = sender.run(
            Request::from_parts(head, ()),
            payload,
            &|| Ok(endpoint.request(operation)?.map(drop)),
            &mut |response, call| {
                let reply = |status, reason: &str, headers: &_| {
                    endpoint.reply(operation, status, reason, headers)
                };
                value = Some(finish(PendingReply::new(response, call, reply))?);
                Ok(())
            },
        );
        let sent = sent.map_err(|error| self.explain(error))?;
        // The error is unreachable: `RequestSender::run` succeeds only if `finish` did.
        value
            .map(|value| (value, sent))
            .ok_or_else(|| CallContext::unbuilt::<O>().failed(BodyLength::default().cut_off()))
    }

    /// Sends a request of a flow once, within these limits. Also returns its context.
    pub(crate) fn send_once(
        &self,
        send: flow::Send,
        limits: CallLimits,
    ) -> (CallContext, Result<UnreadResponse, Error>) {
        let (head, body) = send.request.into_parts();
        let mut call = CallContext::new(send.operation, &head.method, &head.uri);
        call.limits = limits;
        call.observer = self.observer.as_ref().map(RequestObserver::new);
        let mut sender = RequestSender {
            transport: &*self.transport,
            retry: None,
            call,
        };
        let response = sender.run_once(Request::from_parts(head, ()), body);
        (sender.call, response)
    }
}
