use std::io::{self, Read};

use http::{HeaderValue, Method, Request, Response, header};
use scramjet_client_core::{Decode, Endpoint, Operation, Reply, Single, Step, Streamed};

use crate::error::Call;
use crate::options::CallOptions;
use crate::{ByteStream, CallLimits, Error, Outgoing, Phase, Reason, Stopped, Transport, Upload};

/// One request on its way.
pub(crate) struct Exchange<'a, O: Operation> {
    transport: &'a dyn Transport,
    endpoint: &'a Endpoint,
    operation: &'a O,
    request: Request<O::Payload>,
    limits: CallLimits,
    call: Call,
}

impl<'a, O: Operation> Exchange<'a, O> {
    pub(crate) fn new(
        transport: &'a dyn Transport,
        endpoint: &'a Endpoint,
        operation: &'a O,
        options: &CallOptions,
    ) -> Result<Self, Error> {
        let request = endpoint.request(operation).map_err(|error| Call::unbuilt::<O>().failed(error))?;
        let mut call = Call::of::<O>(request.uri());
        let limits = options.limits(operation.waiting_time(), &mut call)?;
        Ok(Self { transport, endpoint, operation, request, limits, call })
    }

    /// Hands the request to the transport.
    fn send(&mut self, body: Outgoing<'_>) -> Result<Response<Box<dyn Read + Send>>, Error> {
        let mut request = std::mem::take(&mut self.request).map(|_| body);
        if !self.limits.is_none() {
            request.extensions_mut().insert(self.limits.clone());
        }
        self.transport.send(request).map_err(|error| self.call.unanswered(error))
    }

    fn answered(self, response: Response<Box<dyn Read + Send>>) -> Answered<O::Decoder> {
        let (head, body) = response.into_parts();
        let reason = head.extensions.get::<Reason>().map_or("", |reason| &reason.0);
        let reply = self.endpoint.reply(self.operation, head.status, reason, &head.headers);
        Answered { reply, body, call: self.call }
    }
}

impl<O: Operation<Payload = Vec<u8>>> Exchange<'_, O> {
    pub(crate) fn without_upload(mut self) -> Result<Answered<O::Decoder>, Error> {
        let payload = std::mem::take(self.request.body_mut());
        let bodiless = matches!(*self.request.method(), Method::GET | Method::HEAD | Method::DELETE);
        let outgoing = if payload.is_empty() && bodiless { Outgoing::Empty } else { Outgoing::Bytes(&payload) };
        let response = self.send(outgoing)?;
        Ok(self.answered(response))
    }
}

impl<O: Operation<Payload = Streamed>> Exchange<'_, O> {
    /// Gives also how many bytes were sent.
    pub(crate) fn with_upload(mut self, upload: Upload) -> Result<(Answered<O::Decoder>, u64), Error> {
        if upload.expects() {
            self.request.headers_mut().insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        let mut upload = upload.open().map_err(|error| self.call.abandoned(error))?;
        let length = upload.length();
        let result = self.send(Outgoing::Reader { reader: &mut upload, length });
        match upload.take_error() {
            // What is read may be a stream that the same token has ended.
            Some(_) if self.limits.check() == Err(Stopped::Cancelled) => Err(self.call.stopped(Stopped::Cancelled, Phase::Send)),
            Some(error) => Err(self.call.abandoned(error)),
            None => Ok((self.answered(result?), upload.sent())),
        }
    }
}

/// A reply whose head is there. The only driver of [`Reply`].
pub(crate) struct Answered<D> {
    reply: Reply<D>,
    body: Box<dyn Read + Send>,
    call: Call,
}

impl<D: Decode> Answered<D> {
    /// Reads on to the next item. `None` is the end.
    fn next(&mut self) -> Result<Option<D::Item>, Error> {
        loop {
            match self.reply.next_item().map_err(|error| self.call.failed(error))? {
                Step::Item(item) => return Ok(Some(item)),
                Step::End => return Ok(None),
                Step::NeedData => {}
            }
            // Long enough for nearly every reply of a hub, which come in one piece.
            let mut buf = [0; 8 << 10];
            match self.body.read(&mut buf) {
                Ok(0) => self.reply.end().map_err(|error| self.call.failed(error))?,
                Ok(read) => self.reply.feed(buf.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    fn lost(&mut self, error: io::Error) -> Error {
        match self.reply.cut_off() {
            // The refusal is what matters.
            refusal if refusal.api().is_some() => self.call.failed(refusal),
            cut_off => self.call.interrupted(error, cut_off),
        }
    }

    /// The reply, unless it is a refusal, which is read to its end and told.
    pub(crate) fn accepted(mut self) -> Result<Self, Error> {
        if self.reply.is_success() {
            return Ok(self);
        }
        Err(match self.next() {
            Err(error) => error,
            Ok(_) => self.call.failed(self.reply.cut_off()),
        })
    }

    pub(crate) fn item(mut self) -> Result<D::Item, Error>
    where
        D: Single,
    {
        match self.next()? {
            Some(item) => Ok(item),
            // Only a decoder that breaks its promise comes here.
            None => Err(self.call.failed(self.reply.cut_off())),
        }
    }

    /// The body, and the decoder for it.
    pub(crate) fn into_stream(self) -> (ByteStream, D)
    where
        D: Default,
    {
        let stream = ByteStream::new(self.body, self.reply.announced(), self.call);
        (stream, self.reply.into_decoder().unwrap_or_default())
    }
}
