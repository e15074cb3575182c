use std::io::{self, Read};
use std::sync::{Arc, OnceLock};

use http::{Method, Request, Response};
use scramjet_client_core::{
    Chunks, Decode, Dialect, Endpoint, GetVersion, HubVersion, Operation, Reply, ReplyError, RequestError, Single, Step, Streamed,
};

use crate::error::{Call, ErrorKind};
use crate::{BoxError, ByteStream, Error, Outgoing, Phase, Reason, Transport, TransportError, Upload};

/// What every handle holds: where requests go, and how they get there. The only driver of [`Reply`].
#[derive(Clone)]
pub(crate) struct Client {
    transport: Arc<dyn Transport>,
    endpoint: Arc<Speaking>,
}

/// An endpoint before and after the hub's version is known.
struct Speaking {
    assumed: Endpoint,
    told: OnceLock<Endpoint>,
}

impl Client {
    pub(crate) fn new(transport: Arc<dyn Transport>, endpoint: Endpoint) -> Self {
        let told = endpoint.dialect().map_or_else(OnceLock::new, |_| OnceLock::from(endpoint.clone()));
        Self { transport, endpoint: Arc::new(Speaking { assumed: endpoint, told }) }
    }

    pub(crate) fn base_url(&self) -> &str {
        self.endpoint.assumed.base_url()
    }

    /// Asks the hub for its version, and remembers how it speaks.
    pub(crate) fn version(&self) -> Result<HubVersion, Error> {
        let version = self.call(&GetVersion)?;
        self.endpoint.told.get_or_init(|| self.endpoint.assumed.clone().with_dialect(version.dialect()));
        Ok(version)
    }

    /// How the hub speaks; asks it where that is not known yet.
    pub(crate) fn dialect(&self) -> Result<Dialect, Error> {
        match self.endpoint.told.get().and_then(Endpoint::dialect) {
            Some(dialect) => Ok(dialect),
            None => Ok(self.version()?.dialect()),
        }
    }

    /// Runs an operation whose reply is one value.
    pub(crate) fn call<O>(&self, operation: &O) -> Result<<O::Decoder as Decode>::Item, Error>
    where
        O: Operation<Payload = Vec<u8>, Decoder: Single>,
    {
        Exchange::of(self, operation)?.without_upload()?.item()
    }

    /// Runs an operation that uploads. Gives its reply, and how many bytes were sent.
    pub(crate) fn send<O>(&self, operation: &O, upload: Upload) -> Result<(<O::Decoder as Decode>::Item, u64), Error>
    where
        O: Operation<Payload = Streamed, Decoder: Single>,
    {
        let (answered, sent) = Exchange::of(self, operation)?.with_upload(upload)?;
        Ok((answered.item()?, sent))
    }

    /// Runs an operation whose reply is a stream of bytes. Returns when its head is there.
    pub(crate) fn open<O>(&self, operation: &O) -> Result<ByteStream, Error>
    where
        O: Operation<Payload = Vec<u8>, Decoder = Chunks>,
    {
        Ok(Exchange::of(self, operation)?.without_upload()?.accepted()?.into_stream())
    }

    /// Runs an operation whose reply is a stream of items. Returns when its head is there.
    pub(crate) fn items<O>(&self, operation: &O) -> Result<Items<O::Decoder>, Error>
    where
        O: Operation<Payload = Vec<u8>>,
    {
        Ok(Items(Exchange::of(self, operation)?.without_upload()?.accepted()?))
    }

    /// The client of what is reached through this one: the same transport and headers, its own version.
    pub(crate) fn behind(&self, endpoint: impl FnOnce(&Endpoint) -> Result<Endpoint, RequestError>) -> Result<Self, Error> {
        Ok(Self::new(Arc::clone(&self.transport), endpoint(&self.endpoint.assumed)?))
    }

    fn endpoint<O: Operation>(&self, operation: &O) -> Result<&Endpoint, Error> {
        if operation.needs_dialect() && self.endpoint.told.get().is_none() {
            self.version()?;
        }
        Ok(self.endpoint.told.get().unwrap_or(&self.endpoint.assumed))
    }
}

/// One request on its way.
struct Exchange<'a, O: Operation> {
    client: &'a Client,
    endpoint: &'a Endpoint,
    operation: &'a O,
    request: Request<O::Payload>,
    call: Call,
}

impl<'a, O: Operation> Exchange<'a, O> {
    fn of(client: &'a Client, operation: &'a O) -> Result<Self, Error> {
        let endpoint = client.endpoint(operation)?;
        let request = endpoint.request(operation).map_err(|error| Call::unbuilt::<O>().failed(error))?;
        let call = Call::of::<O>(request.uri());
        Ok(Self { client, endpoint, operation, request, call })
    }

    fn answered(self, response: Response<Box<dyn Read + Send>>) -> Answered<O::Decoder> {
        let (head, body) = response.into_parts();
        let reason = head.extensions.get::<Reason>().map_or("", |reason| &reason.0);
        let reply = self.endpoint.reply(self.operation, head.status, reason, &head.headers);
        Answered { reply, body, call: self.call }
    }
}

impl<O: Operation<Payload = Vec<u8>>> Exchange<'_, O> {
    fn without_upload(mut self) -> Result<Answered<O::Decoder>, Error> {
        let payload = std::mem::take(self.request.body_mut());
        let bodiless = matches!(*self.request.method(), Method::GET | Method::HEAD | Method::DELETE);
        let outgoing = if payload.is_empty() && bodiless { Outgoing::Empty } else { Outgoing::Bytes(&payload) };
        let request = std::mem::take(&mut self.request).map(|_| outgoing);
        match self.client.transport.send(request) {
            Ok(response) => Ok(self.answered(response)),
            Err(error) => Err(self.call.failed(transport(error))),
        }
    }
}

impl<O: Operation<Payload = Streamed>> Exchange<'_, O> {
    fn with_upload(mut self, upload: Upload) -> Result<(Answered<O::Decoder>, u64), Error> {
        let mut upload = upload.open().map_err(|error| self.call.failed(ErrorKind::Upload(error)))?;
        let length = upload.length();
        let request = std::mem::take(&mut self.request).map(|_| Outgoing::Reader { reader: &mut upload, length });
        let result = self.client.transport.send(request);
        let sent = upload.sent();
        match (result, upload.take_error()) {
            (_, Some(error)) => Err(self.call.failed(ErrorKind::Upload(error))),
            (Ok(response), None) => Ok((self.answered(response), sent)),
            (Err(error), None) => Err(self.call.failed(transport(error))),
        }
    }
}

/// A reply whose head is there.
struct Answered<D> {
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
            // The refusal is what matters; and an early end needs no further explanation.
            refusal @ ReplyError::Api(_) => self.call.failed(refusal),
            truncated if error.kind() == io::ErrorKind::UnexpectedEof => self.call.failed(truncated),
            _ => self.call.failed(ErrorKind::Transport { phase: Phase::Read, source: error.into() }),
        }
    }

    /// The reply, unless it is a refusal, which is read to its end and told.
    fn accepted(mut self) -> Result<Self, Error> {
        if self.reply.is_success() {
            return Ok(self);
        }
        Err(match self.next() {
            Err(error) => error,
            Ok(_) => self.call.failed(self.reply.cut_off()),
        })
    }

    fn item(mut self) -> Result<D::Item, Error>
    where
        D: Single,
    {
        match self.next()? {
            Some(item) => Ok(item),
            // Only a decoder that breaks its promise comes here.
            None => Err(self.call.failed(self.reply.cut_off())),
        }
    }
}

impl Answered<Chunks> {
    fn into_stream(self) -> ByteStream {
        ByteStream::new(self.body, self.reply.announced(), self.call)
    }
}

/// The items of a stream, as they come. An item that cannot be read is an error, and does not end it; after the loss of the
/// connection, which is an error too, nothing more comes.
pub(crate) struct Items<D>(Answered<D>);

impl<D: Decode> Iterator for Items<D> {
    type Item = Result<D::Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().transpose()
    }
}

fn transport(error: BoxError) -> ErrorKind {
    match error.downcast::<TransportError>() {
        Ok(error) => ErrorKind::Transport { phase: error.phase, source: error.source },
        // A transport that does not say how far it got may have sent everything.
        Err(source) => ErrorKind::Transport { phase: Phase::Wait, source },
    }
}
