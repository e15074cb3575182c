use std::sync::{Arc, OnceLock};
use std::time::Duration;

use scramjet_client_core::{Chunks, Decode, Dialect, Endpoint, GetVersion, HubVersion, Operation, RequestError, Single, Streamed};

use crate::error::Call;
use crate::exchange::Exchange;
use crate::options::{CallOptions, Deadline};
use crate::{ByteStream, CallLimits, Error, Items, Phase, Transport, Upload};

/// What every handle holds: where requests go, how they get there, and what bounds them.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) transport: Arc<dyn Transport>,
    endpoint: Arc<Speaking>,
    pub(crate) options: CallOptions,
}

/// An endpoint before and after the hub's version is known.
struct Speaking {
    assumed: Endpoint,
    told: OnceLock<Endpoint>,
}

impl Client {
    pub(crate) fn new(transport: Arc<dyn Transport>, endpoint: Endpoint) -> Self {
        let told = endpoint.dialect().map_or_else(OnceLock::new, |_| OnceLock::from(endpoint.clone()));
        Self { transport, endpoint: Arc::new(Speaking { assumed: endpoint, told }), options: CallOptions::default() }
    }

    pub(crate) fn base_url(&self) -> &str {
        self.endpoint.assumed.base_url()
    }

    /// For calls that are one to the caller: they have one deadline.
    pub(crate) fn begin(&self) -> Self {
        Self { options: self.options.begin(), ..self.clone() }
    }

    /// For a call that has to be over within this time as well.
    pub(crate) fn within(&self, limit: Option<Duration>) -> Self {
        let mut client = self.begin();
        if let Some(limit) = limit {
            let sooner = CallOptions { deadline: Some(Deadline::After(limit)), ..CallOptions::default() }.begin().deadline;
            client.options.deadline = match (client.options.deadline, sooner) {
                (Some(Deadline::At(at, _)), Some(Deadline::At(sooner, _))) if at <= sooner => client.options.deadline,
                (before, sooner) => sooner.or(before),
            };
        }
        client
    }

    /// For calls that go on when what they belong to was given up: they have a time of their own, and no token.
    pub(crate) fn apart(&self, limit: Duration) -> Self {
        let options = CallOptions { deadline: Some(Deadline::After(limit)), ..CallOptions::default() }.begin();
        Self { options, ..self.clone() }
    }

    /// The limits of a call that begins now, for what belongs to it and is not IO.
    pub(crate) fn limits<O: Operation>(&self) -> Result<CallLimits, Error> {
        self.options.limits(Duration::ZERO, &mut Call::unbuilt::<O>())
    }

    /// The limits of an operation that begins now, and how errors name it.
    pub(crate) fn limits_of<O: Operation>(&self, operation: &O) -> Result<(CallLimits, Call), Error> {
        let mut call = self.describe(operation);
        let limits = self.options.limits(operation.waiting_time(), &mut call)?;
        Ok((limits, call))
    }

    /// Waits between two attempts at an operation.
    pub(crate) fn pause<O: Operation>(&self, operation: &O, pause: Duration) -> Result<(), Error> {
        let (limits, call) = self.limits_of(operation)?;
        limits.pause(pause).map_err(|stopped| call.stopped(stopped, Phase::Connect))
    }

    /// An operation as errors name it.
    pub(crate) fn describe<O: Operation>(&self, operation: &O) -> Call {
        let endpoint = self.endpoint.told.get().unwrap_or(&self.endpoint.assumed);
        endpoint.request(operation).map_or_else(|_| Call::unbuilt::<O>(), |request| Call::of::<O>(request.uri()))
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
        self.exchange(operation, |exchange| exchange.without_upload()?.item())
    }

    /// Runs an operation that uploads. Gives its reply, and how many bytes were sent.
    pub(crate) fn send<O>(&self, operation: &O, upload: Upload) -> Result<(<O::Decoder as Decode>::Item, u64), Error>
    where
        O: Operation<Payload = Streamed, Decoder: Single>,
    {
        self.exchange(operation, |exchange| {
            let (answered, sent) = exchange.with_upload(upload)?;
            Ok((answered.item()?, sent))
        })
    }

    /// Runs an operation whose reply is a stream of bytes. Returns when its head is there.
    pub(crate) fn open<O>(&self, operation: &O) -> Result<ByteStream, Error>
    where
        O: Operation<Payload = Vec<u8>, Decoder = Chunks>,
    {
        self.exchange(operation, |exchange| Ok(exchange.without_upload()?.accepted()?.into_stream().0))
    }

    /// Runs an operation that uploads, and whose reply is a stream of bytes. Returns when all is sent, and the head is there.
    pub(crate) fn send_and_open<O>(&self, operation: &O, upload: Upload) -> Result<ByteStream, Error>
    where
        O: Operation<Payload = Streamed, Decoder = Chunks>,
    {
        self.exchange(operation, |exchange| Ok(exchange.with_upload(upload)?.0.accepted()?.into_stream().0))
    }

    /// Runs an operation whose reply is a stream of items. Returns when its head is there.
    pub(crate) fn items<O>(&self, operation: &O) -> Result<Items<O::Decoder>, Error>
    where
        O: Operation<Payload = Vec<u8>>,
    {
        self.exchange(operation, |exchange| {
            let (stream, decoder) = exchange.without_upload()?.accepted()?.into_stream();
            Ok(stream.items(decoder))
        })
    }

    /// The client of what is reached through this one: the same transport, headers and options, its own version.
    pub(crate) fn behind(&self, endpoint: impl FnOnce(&Endpoint) -> Result<Endpoint, RequestError>) -> Result<Self, Error> {
        let options = self.options.clone();
        Ok(Self { options, ..Self::new(Arc::clone(&self.transport), endpoint(&self.endpoint.assumed)?) })
    }

    fn exchange<O, T>(&self, operation: &O, run: impl FnOnce(Exchange<'_, O>) -> Result<T, Error>) -> Result<T, Error>
    where
        O: Operation,
    {
        if operation.needs_dialect() && self.endpoint.told.get().is_none() {
            // The question is a part of this call.
            let begun = self.begin();
            begun.version()?;
            return run(begun.exchange_with(operation)?);
        }
        run(self.exchange_with(operation)?)
    }

    fn exchange_with<'a, O: Operation>(&'a self, operation: &'a O) -> Result<Exchange<'a, O>, Error> {
        Exchange::new(&*self.transport, self.endpoint.told.get().unwrap_or(&self.endpoint.assumed), operation, &self.options)
    }
}
