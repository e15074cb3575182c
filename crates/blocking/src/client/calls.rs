//! Calls of operations.
//!
//! Methods of handles that only make such a call are `#[inline]`. The code of an operation and its
//! reply is then compiled only in programs that use it, which makes builds of this crate a fifth
//! faster.

use std::time::Duration;

use http::Request;
use http::response::Parts;
use scramjet_client_core::{
    BodyLength, Chunks, Decode, Endpoint, Operation, RequestError, SingleItem, Streamed, flow,
};

use super::Client;
use crate::body::byte_stream::ByteStream;
use crate::body::items::Items;
use crate::body::response::Body;
use crate::body::upload::Upload;
use crate::call::context::CallContext;
use crate::call::observer::RequestObserver;
use crate::client::payload::Payload;
use crate::client::pending_reply::PendingReply;
use crate::client::request_sender::{RequestSender, UnreadResponse};
use crate::error::Error;
use crate::limits::call_limits::CallLimits;
use crate::transport::ReasonPhrase;

/// Builds a request. Its body is empty if the caller uploads data.
type Build<'a> = dyn Fn(&Endpoint) -> Result<Request<Vec<u8>>, RequestError> + 'a;

/// The parts of a call that do not depend on the types of its operation.
struct Call<'a> {
    operation: &'static str,
    needs_dialect: bool,
    server_wait: Duration,
    build: &'a Build<'a>,
    upload: Option<Upload>,
}

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
        let build = |endpoint: &Endpoint| endpoint.request(operation);
        Ok(self.run(operation, None, &build, finish)?.0)
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
        let build = |endpoint: &Endpoint| Ok(endpoint.request(operation)?.map(|_| Vec::new()));
        self.run(operation, Some(upload), &build, finish)
    }

    fn run<O, T>(
        &self,
        operation: &O,
        upload: Option<Upload>,
        build: &Build<'_>,
        finish: impl Fn(PendingReply<O::Decoder>) -> Result<T, Error>,
    ) -> Result<(T, u64), Error>
    where
        O: Operation,
    {
        let call = Call {
            operation: O::NAME,
            needs_dialect: operation.needs_dialect(),
            server_wait: operation.server_wait(),
            build,
            upload,
        };
        let mut value = None;
        let sent = self.perform(call, &mut |endpoint, head, body| {
            let reason = ReasonPhrase::of(&head.extensions);
            let reply = endpoint.reply(operation, head.status, reason, &head.headers);
            value = Some(finish(PendingReply::new(reply, body))?);
            Ok(())
        })?;
        // The error is unreachable: `perform` succeeds only if `finish` did.
        value
            .map(|value| (value, sent))
            .ok_or_else(|| CallContext::unbuilt::<O>().failed(BodyLength::default().cut_off()))
    }

    /// Sends the request of a call, and passes the response to `finish`. Returns the number of
    /// bytes sent. Not generic, so that it is compiled only once.
    fn perform(
        &self,
        call: Call<'_>,
        finish: &mut dyn FnMut(&Endpoint, &Parts, Body) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let Call {
            operation,
            build,
            upload,
            ..
        } = call;
        let fixed;
        let client = if call.needs_dialect && self.endpoint.dialect().is_none() {
            // The request for the version shares the deadline of this call.
            fixed = self.fix_deadline();
            fixed.version()?;
            &fixed
        } else {
            self
        };
        let endpoint = client.endpoint();
        let request = build(endpoint)
            .map_err(|error| CallContext::without_request(operation).failed(error))?;
        let (head, body) = request.into_parts();
        let context = CallContext::new(operation, &head.method, &head.uri);
        let mut context = client.options.begin(context, call.server_wait)?;
        context.observer = client.observer.as_ref().map(RequestObserver::new);
        let payload = match upload {
            None => Payload::Inline(body),
            Some(upload) => match upload.open(&context.limits) {
                Ok(upload) => Payload::Upload(upload),
                Err(error) => return Err(context.upload_failed(error)),
            },
        };
        let mut sender = RequestSender {
            transport: &*client.transport,
            retry: client.options.retry,
            call: context,
        };
        let sent = sender.run(
            Request::from_parts(head, ()),
            payload,
            &|| Ok(build(endpoint)?.map(drop)),
            &mut |response, call| {
                let (head, body) = response.into_parts();
                finish(endpoint, &head, Body::new(body, call))
            },
        );
        sent.map_err(|error| self.explain(error))
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
