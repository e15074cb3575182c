pub(crate) mod exchange;
pub(crate) mod flow_driver;
mod hints;
pub(crate) mod kill;
mod opening;
mod watching;

use std::any::Any;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use http::Request;
use scramjet_client_core::flow::{self, OutageTolerance};
use scramjet_client_core::{
    BodyLength, Chunks, Decode, Dialect, Endpoint, GetVersion, HubVersion, InstanceId, LastEvent,
    NextEvent, Operation, ReadEvents, RequestError, RetryPolicy, SingleItem, Streamed,
};

use crate::body::byte_stream::ByteStream;
use crate::body::items::Items;
use crate::body::upload::Upload;
use crate::body::watchdog::Watchdog;
use crate::call::context::CallContext;
use crate::call::observer::{Observer, Observing};
use crate::call::options::{CallOptions, Deadline};
use crate::client::exchange::{Answered, Exchange, Incoming, Payload};
use crate::error::Error;
use crate::limits::call_limits::CallLimits;
use crate::transport::Transport;

/// What every handle holds: where requests go, how they get there, and what bounds them.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) transport: Arc<dyn Transport>,
    endpoint: Arc<NegotiatedEndpoint>,
    observer: Option<Arc<dyn Observer>>,
    pub(crate) options: CallOptions,
    /// The instance that the handle stands for, if it belongs to a pool.
    pub(crate) life: Option<Life>,
}

/// Whether an instance is known to have ended. Clones are the same.
#[derive(Clone)]
pub(crate) struct Life {
    id: InstanceId,
    over: Arc<AtomicBool>,
    /// What keeps it from others, if it is checked out.
    hold: Option<Weak<dyn Any + Send + Sync>>,
}

impl Life {
    pub(crate) fn of(id: &InstanceId) -> Self {
        Self {
            id: id.clone(),
            over: Arc::default(),
            hold: None,
        }
    }

    /// The same, for one who has the instance alone.
    pub(crate) fn held(&self, hold: Weak<dyn Any + Send + Sync>) -> Self {
        Self {
            hold: Some(hold),
            ..self.clone()
        }
    }

    /// Keeps the instance from others as long as it is not dropped.
    pub(crate) fn hold(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.hold.as_ref()?.upgrade()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether this error means that the instance has ended.
    fn ends_with(&self, error: &Error) -> bool {
        if let Some(ended) = error.ended() {
            return ended.id == self.id;
        }
        // A 404 to a question for an event may be the data of the event.
        let asks = [NextEvent::NAME, LastEvent::NAME, ReadEvents::NAME];
        let path = format!("/instance/{}", self.id);
        let is_of_it = |url: &str| {
            let rest = url.split_once(&path).map(|(_, rest)| rest);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        error.is_not_found_by_hub()
            && error.url().is_some_and(is_of_it)
            && !error.operation().is_some_and(|name| asks.contains(&name))
    }
}

/// A panic in the midst of a call, of a reader for example, costs its connection and nothing else.
impl UnwindSafe for Client {}
impl RefUnwindSafe for Client {}

/// An endpoint before and after the hub's version is known.
struct NegotiatedEndpoint {
    assumed: Endpoint,
    told: OnceLock<Endpoint>,
    watchdog: Arc<Watchdog>,
}

impl NegotiatedEndpoint {
    fn new(endpoint: Endpoint) -> Self {
        let told = endpoint
            .dialect()
            .map_or_else(OnceLock::new, |_| OnceLock::from(endpoint.clone()));
        Self {
            assumed: endpoint,
            told,
            watchdog: Arc::default(),
        }
    }
}

impl Client {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        endpoint: Endpoint,
        observer: Option<Arc<dyn Observer>>,
        retry: Option<RetryPolicy>,
    ) -> Self {
        let options = CallOptions {
            retry,
            ..CallOptions::default()
        };
        Self {
            transport,
            endpoint: Arc::new(NegotiatedEndpoint::new(endpoint)),
            observer,
            options,
            life: None,
        }
    }

    /// Tells the pool of the instance, if there is one, of an error that means its end.
    pub(crate) fn notice(&self, error: &Error) {
        let life = self.life.iter().filter(|life| life.ends_with(error));
        life.for_each(Life::end);
    }

    /// Tells the pool of the instance, if there is one, of an error that means its end, and adds a
    /// likely reason to the error.
    pub(crate) fn explain(&self, error: Error) -> Error {
        self.notice(&error);
        match self.hint(&error) {
            Some(hint) => error.hinting(hint),
            None => error,
        }
    }

    /// Tells the pool of the instance, if there is one, of its end.
    pub(crate) fn notice_end(&self, id: &InstanceId) {
        let life = self.life.iter().filter(|life| life.id == *id);
        life.for_each(Life::end);
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.endpoint.told.get().unwrap_or(&self.endpoint.assumed)
    }

    pub(crate) fn watchdog(&self) -> &Arc<Watchdog> {
        &self.endpoint.watchdog
    }

    pub(crate) fn base_url(&self) -> &str {
        self.endpoint.assumed.base_url()
    }

    /// For calls that are one to the caller: they have one deadline.
    pub(crate) fn fix_deadline(&self) -> Self {
        Self {
            options: self.options.fix_deadline(),
            ..self.clone()
        }
    }

    /// For a call that has to be over within this time as well.
    pub(crate) fn tightened(&self, limit: Option<Duration>) -> Self {
        let mut client = self.fix_deadline();
        if let Some(limit) = limit {
            let sooner = CallOptions {
                deadline: Some(Deadline::After(limit)),
                ..CallOptions::default()
            }
            .fix_deadline()
            .deadline;
            client.options.deadline = match (client.options.deadline, sooner) {
                (Some(Deadline::At(at, _)), Some(Deadline::At(sooner, _))) if at <= sooner => {
                    client.options.deadline
                }
                (before, sooner) => sooner.or(before),
            };
        }
        client
    }

    /// For calls that go on when what they belong to was given up: they have a time of their own, and no token.
    pub(crate) fn detached(&self, limit: Duration) -> Self {
        let own = CallOptions {
            deadline: Some(Deadline::After(limit)),
            retry: self.options.retry,
            ..CallOptions::default()
        };
        Self {
            options: own.fix_deadline(),
            ..self.clone()
        }
    }

    /// The limits of a call that begins now, for what belongs to it and is not IO.
    pub(crate) fn limits<O: Operation>(&self) -> Result<CallLimits, Error> {
        self.options
            .limits(Duration::ZERO, &mut CallContext::unbuilt::<O>())
    }

    /// The limits of an operation that begins now, and how errors name it.
    pub(crate) fn limits_of<O: Operation>(
        &self,
        operation: &O,
    ) -> Result<(CallLimits, CallContext), Error> {
        let mut call = self.describe(operation);
        let limits = self.options.limits(operation.server_wait(), &mut call)?;
        Ok((limits, call))
    }

    /// An operation as errors name it.
    pub(crate) fn describe<O: Operation>(&self, operation: &O) -> CallContext {
        self.endpoint().uri(operation).map_or_else(
            |_| CallContext::unbuilt::<O>(),
            |uri| CallContext::of(O::NAME, &O::METHOD, &uri),
        )
    }

    /// Asks the hub for its version, and remembers how it speaks.
    pub(crate) fn version(&self) -> Result<HubVersion, Error> {
        let version = self.call(&GetVersion)?;
        self.learn(&version);
        Ok(version)
    }

    /// Remembers how the hub speaks.
    pub(crate) fn learn(&self, version: &HubVersion) {
        self.endpoint.told.get_or_init(|| {
            self.endpoint
                .assumed
                .clone()
                .with_dialect(version.dialect())
        });
    }

    /// How the hub speaks; asks it where that is not known yet.
    pub(crate) fn dialect(&self) -> Result<Dialect, Error> {
        match self.endpoint.told.get().and_then(Endpoint::dialect) {
            Some(dialect) => Ok(dialect),
            None => Ok(self.version()?.dialect()),
        }
    }

    /// Runs an operation whose reply is one value.
    ///
    /// Methods of handles that do nothing else are `#[inline]`, here and for streams: an operation and its reply are then compiled in the programs
    /// that use it, and not in every one. That takes a fifth off what this crate costs a build.
    pub(crate) fn call<O>(&self, operation: &O) -> Result<<O::Decoder as Decode>::Item, Error>
    where
        O: Operation<Payload = Vec<u8>, Decoder: SingleItem>,
    {
        self.inline(operation, Answered::item)
    }

    /// Runs an operation that uploads. Gives its reply, and how many bytes were sent.
    pub(crate) fn send<O>(
        &self,
        operation: &O,
        upload: Upload,
    ) -> Result<(<O::Decoder as Decode>::Item, u64), Error>
    where
        O: Operation<Payload = Streamed, Decoder: SingleItem>,
    {
        self.upload(operation, upload, Answered::item)
    }

    /// Runs an operation whose reply is a stream of bytes. Returns when its head is there.
    pub(crate) fn open<O>(&self, operation: &O) -> Result<ByteStream, Error>
    where
        O: Operation<Payload = Vec<u8>, Decoder = Chunks>,
    {
        self.inline(operation, Answered::stream)
    }

    /// Runs an operation that uploads, and whose reply is a stream of bytes. Returns when all is sent, and the head is there.
    pub(crate) fn send_and_open<O>(
        &self,
        operation: &O,
        upload: Upload,
    ) -> Result<ByteStream, Error>
    where
        O: Operation<Payload = Streamed, Decoder = Chunks>,
    {
        Ok(self.upload(operation, upload, Answered::stream)?.0)
    }

    /// Runs an operation whose reply is a stream of items. Returns when its head is there.
    pub(crate) fn items<O>(&self, operation: &O) -> Result<Items<O::Decoder>, Error>
    where
        O: Operation<Payload = Vec<u8>>,
    {
        self.inline(operation, Answered::items)
    }

    /// The client of what is reached through this one: the same transport, headers and options, its own version.
    pub(crate) fn nested(
        &self,
        endpoint: impl FnOnce(&Endpoint) -> Result<Endpoint, RequestError>,
    ) -> Result<Self, Error> {
        let endpoint = Arc::new(NegotiatedEndpoint::new(endpoint(&self.endpoint.assumed)?));
        Ok(Self {
            endpoint,
            ..self.clone()
        })
    }

    fn inline<O, T>(
        &self,
        operation: &O,
        finish: impl Fn(Answered<O::Decoder>) -> Result<T, Error>,
    ) -> Result<T, Error>
    where
        O: Operation<Payload = Vec<u8>>,
    {
        Ok(self
            .exchange(operation, |payload, _| Ok(Payload::Inline(payload)), finish)?
            .0)
    }

    fn upload<O, T>(
        &self,
        operation: &O,
        upload: Upload,
        finish: impl Fn(Answered<O::Decoder>) -> Result<T, Error>,
    ) -> Result<(T, u64), Error>
    where
        O: Operation<Payload = Streamed>,
    {
        let open = |_, limits: &_| upload.open(limits).map(Payload::Upload);
        self.exchange(operation, open, finish)
    }

    fn exchange<O, T>(
        &self,
        operation: &O,
        payload: impl FnOnce(O::Payload, &CallLimits) -> io::Result<Payload>,
        finish: impl Fn(Answered<O::Decoder>) -> Result<T, Error>,
    ) -> Result<(T, u64), Error>
    where
        O: Operation,
    {
        let begun;
        let client = if operation.needs_dialect() && self.endpoint.told.get().is_none() {
            // The question is a part of this call.
            begun = self.fix_deadline();
            begun.version()?;
            &begun
        } else {
            self
        };
        let endpoint = client.endpoint();
        let request = endpoint
            .request(operation)
            .map_err(|error| CallContext::unbuilt::<O>().failed(error))?;
        let (head, body) = request.into_parts();
        let exchange = client.prepare(
            CallContext::of(O::NAME, &O::METHOD, &head.uri),
            operation.server_wait(),
        )?;
        let payload =
            payload(body, &exchange.limits).map_err(|error| exchange.call.abandoned(error))?;
        let mut value = None;
        let again = || Ok(endpoint.request(operation)?.map(drop));
        let sent = exchange.run(
            Request::from_parts(head, ()),
            payload,
            &again,
            &mut |response, call| {
                let reply = |status, reason: &str, headers: &_| {
                    endpoint.reply(operation, status, reason, headers)
                };
                value = Some(finish(Answered::new(response, call, reply))?);
                Ok(())
            },
        );
        let sent = sent.map_err(|error| self.explain(error))?;
        // It was answered, and so there is one.
        value
            .map(|value| (value, sent))
            .ok_or_else(|| CallContext::unbuilt::<O>().failed(BodyLength::default().cut_off()))
    }

    /// Sends a request of a flow once, within these limits.
    pub(crate) fn attempt(
        &self,
        send: flow::Send,
        limits: CallLimits,
    ) -> (CallContext, Result<Incoming, Error>) {
        let (head, body) = send.request.into_parts();
        let mut call = CallContext::of(send.operation, &head.method, &head.uri);
        call.deadline = send.timeout.unwrap_or_default();
        call.idle = limits.idle.unwrap_or_default();
        call.observing = self.observer.as_ref().map(Observing::of);
        let exchange = Exchange {
            transport: &*self.transport,
            limits,
            retry: None,
            call,
        };
        exchange.without_retry(Request::from_parts(head, ()), body)
    }

    /// The endpoint with the dialect of the hub, which is asked for if it is not known.
    pub(crate) fn known_endpoint(&self) -> Result<Endpoint, Error> {
        self.dialect()?;
        Ok(self.endpoint().clone())
    }

    /// How long a call that waits gets over an outage: within the limits of the caller, if there are
    /// some.
    pub(crate) fn patience(&self) -> OutageTolerance {
        let limited = self.options.deadline.is_some() || self.options.cancel.is_some();
        let outage = match self.options.retry {
            None => Some(Duration::ZERO),
            Some(_) if limited => None,
            Some(_) => OutageTolerance::new().max_outage,
        };
        OutageTolerance {
            initial_retry: self.options.retry,
            max_outage: outage,
        }
    }

    /// All that is known of an exchange before its request is sent.
    fn prepare(&self, mut call: CallContext, waiting: Duration) -> Result<Exchange<'_>, Error> {
        let limits = self.options.limits(waiting, &mut call)?;
        call.observing = self.observer.as_ref().map(Observing::of);
        Ok(Exchange {
            transport: &*self.transport,
            limits,
            retry: self.options.retry,
            call,
        })
    }
}
