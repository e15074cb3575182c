//! An async client over `reqwest`: single responses, streamed uploads, streams of items, and a
//! driver for flows.
//!
//! `cargo run -p scramjet-client-core --example reqwest`
//!
//! Prints the version of the hub, the id of an instance, and the data of an event that answers
//! another event. Uses the hub of `SCRAMJET_HUB_URL`, or a fake hub.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use futures_util::stream::{AbortHandle, Abortable, BoxStream, SelectAll};
use futures_util::{Stream, StreamExt, stream};
use hyper::body::Bytes;
use hyper::ext::ReasonPhrase;
use reqwest::{Body, Client, Response, redirect};
use scramjet_client_core::flow::{
    self, Command, DeleteByForce, Delivery, ExchangeId, Flow, FlowError, Follow, Followed, Input,
    Readiness, StartUntilReady,
};
use scramjet_client_core::http::{HeaderMap, Request, StatusCode};
use scramjet_client_core::{
    Decode, Endpoint, EventName, GetVersion, Operation, Reply, SendEvent, SendSequence, SingleItem,
    StartOptions, Step, Streamed,
};
use scramjet_client_testing::demo;
use tokio::time::{Instant, sleep_until, timeout_at};

fn main() -> Result<(), Failure> {
    let hub = demo::hub();
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?
        .block_on(run(hub.url()))
}

async fn run(url: &str) -> Result<(), Failure> {
    let mut hub = Hub::new(url)?;
    let version = hub.call(&GetVersion).await?;
    hub.endpoint.set_dialect(version.dialect());
    println!("hub        {url}, version {}", version.version);

    // Upload the package as a stream.
    let pieces: Vec<_> = demo::events()
        .chunks(100)
        .map(<[u8]>::to_vec)
        .map(Ok::<_, Failure>)
        .collect();
    let sequence = hub
        .send(&SendSequence, Body::wrap_stream(stream::iter(pieces)))
        .await?
        .id;
    // Starting an instance and waiting for an event takes several requests, so it is a flow.
    let endpoint = hub.endpoint.clone();
    let (id, options) = (sequence.clone(), StartOptions::new());
    let readiness = Readiness {
        ready: vec![EventName::new("ready")?],
        failed: Vec::new(),
        timeout: Some(Duration::from_secs(30)),
    };
    let seed = (rand(), rand());
    let start = StartUntilReady::new(endpoint.clone(), id, options, seed)?.until(readiness);
    let instance = hub.drive(start).next().await?.started.id;
    println!("instance   {instance}");

    let follow = Follow::events(endpoint.clone(), instance.clone(), EventName::new("pong")?)?;
    let mut events = hub.drive(follow);
    // The first result means that the stream is open.
    events.next().await?;
    hub.call(&SendEvent {
        id: &instance,
        name: "ping",
        data: &"who is there?".into(),
    })
    .await?;
    if let Followed::Item(event) = events.next().await? {
        println!("event      {:?}", event.data);
    }

    hub.drive(DeleteByForce::new(endpoint, sequence)?)
        .next()
        .await?;
    Ok(())
}

/// Returns a random number.
fn rand() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0)
}

/// Any error: a `RequestError` or a `ReplyError` of core, or an error of `reqwest`.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A client for one hub.
#[derive(Debug)]
pub struct Hub {
    client: Client,
    /// Builds the requests. Has the dialect of the hub.
    pub endpoint: Endpoint,
}

impl Hub {
    /// Creates a client for the hub at this URL.
    pub fn new(base_url: &str) -> Result<Self, Failure> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            // Hubs close idle connections after 5 seconds. A request on a closed one fails.
            .pool_idle_timeout(Duration::from_secs(3))
            .no_proxy();
        Ok(Self {
            client: client.build()?,
            endpoint: Endpoint::new(base_url)?,
        })
    }

    /// Runs an operation whose response is one value.
    pub async fn call<O>(&self, operation: &O) -> Result<<O::Decoder as Decode>::Item, Failure>
    where
        O: Operation<Payload = Vec<u8>, Decoder: SingleItem>,
    {
        self.answer(operation, self.endpoint.request(operation)?.map(Body::from))
            .await?
            .item()
            .await
    }

    /// Runs an operation with an upload, which may be a stream (`Body::wrap_stream`).
    pub async fn send<O>(
        &self,
        operation: &O,
        upload: Body,
    ) -> Result<<O::Decoder as Decode>::Item, Failure>
    where
        O: Operation<Payload = Streamed, Decoder: SingleItem>,
    {
        self.answer(operation, self.endpoint.request(operation)?.map(|_| upload))
            .await?
            .item()
            .await
    }

    /// Runs an operation whose response is a stream of items. Returns an error response at once.
    pub async fn stream<O>(
        &self,
        operation: &O,
    ) -> Result<impl Stream<Item = Result<<O::Decoder as Decode>::Item, Failure>> + use<O>, Failure>
    where
        O: Operation<Payload = Vec<u8>>,
    {
        let mut answer = self
            .answer(operation, self.endpoint.request(operation)?.map(Body::from))
            .await?;
        if !answer.reply.is_success() {
            answer.next().await?;
        }
        Ok(stream::try_unfold(answer, |mut answer| async {
            Ok(answer.next().await?.map(|item| (item, answer)))
        }))
    }

    /// Creates a driver for a flow.
    pub fn drive<F: Flow>(&self, flow: F) -> Driver<F> {
        Driver {
            flow,
            client: self.client.clone(),
            began: Instant::now(),
            open: BTreeMap::new(),
            events: SelectAll::new(),
            failures: BTreeMap::new(),
        }
    }

    async fn answer<O: Operation>(
        &self,
        operation: &O,
        request: Request<Body>,
    ) -> Result<ResponseReader<O::Decoder>, Failure> {
        let response = self.client.execute(request.try_into()?).await?;
        let reason = reason(&response);
        let reply = self
            .endpoint
            .reply(operation, response.status(), &reason, response.headers());
        Ok(ResponseReader { reply, response })
    }
}

/// Returns the reason phrase. hyper keeps it only if it differs from the standard one of the
/// status.
fn reason(response: &Response) -> String {
    let kept = response.extensions().get::<ReasonPhrase>();
    match kept.map(|reason| String::from_utf8_lossy(reason.as_bytes())) {
        Some(reason) => reason.into_owned(),
        None => {
            let usual = response.status().canonical_reason();
            usual.unwrap_or_default().to_owned()
        }
    }
}

/// A response whose head has arrived.
struct ResponseReader<D> {
    reply: Reply<D>,
    response: Response,
}

impl<D: Decode> ResponseReader<D> {
    /// Returns the next item, or `None` at the end.
    async fn next(&mut self) -> Result<Option<D::Item>, Failure> {
        loop {
            match self.reply.next_item()? {
                Step::Item(item) => return Ok(Some(item)),
                Step::End => return Ok(None),
                Step::NeedData => {}
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.reply.feed(&bytes),
                Ok(None) => self.reply.end()?,
                Err(error) if error.is_timeout() => return Err(error.into()),
                Err(_) => return Err(self.reply.cut_off().into()),
            }
        }
    }

    async fn item(mut self) -> Result<D::Item, Failure> {
        self.next()
            .await?
            .ok_or_else(|| "the response contained no item".into())
    }
}

/// Executes the commands of a flow, and passes the responses to it.
#[allow(missing_debug_implementations, reason = "streams do not implement it")]
pub struct Driver<F> {
    flow: F,
    client: Client,
    began: Instant,
    open: BTreeMap<ExchangeId, AbortHandle>,
    events: SelectAll<Abortable<BoxStream<'static, (ExchangeId, ExchangeEvent)>>>,
    failures: BTreeMap<ExchangeId, reqwest::Error>,
}

/// One event of an exchange.
enum ExchangeEvent {
    Head(StatusCode, String, HeaderMap),
    Body(Bytes),
    End,
    /// The error is `None` if the exchange timed out.
    Failed(Delivery, Option<reqwest::Error>),
}

impl<F, T> Driver<F>
where
    F: Flow<Output = Result<T, FlowError>>,
{
    /// Returns the next result of the flow.
    ///
    /// If the driver is dropped before the end of the flow, an instance that the flow has started
    /// stays on the hub. [`cancel`](Self::cancel) cleans up.
    pub async fn next(&mut self) -> Result<T, Failure> {
        loop {
            match self.flow.poll(self.began.elapsed()) {
                Command::Done(Err(FlowError::Failed(id))) => {
                    return Err(match self.failures.remove(&id) {
                        Some(error) => error.into(),
                        None => FlowError::Failed(id).into(),
                    });
                }
                Command::Done(result) => return Ok(result?),
                Command::Abort(id) => self.close(id),
                Command::Send(send) => {
                    let id = send.id;
                    let events = exchange(self.client.clone(), *send).map(move |event| (id, event));
                    let (events, handle) = stream::abortable(events.boxed());
                    self.open.insert(id, handle);
                    self.events.push(events);
                }
                Command::Wait { until } => {
                    let until = until.and_then(|until| self.began.checked_add(until));
                    // `None` means no limit.
                    let until = until.unwrap_or_else(|| self.began + Duration::from_secs(1 << 30));
                    match timeout_at(until, self.events.next()).await {
                        Ok(Some((id, event))) => self.on_event(id, event),
                        Ok(None) => sleep_until(until).await,
                        Err(_) => {}
                    }
                }
            }
        }
    }

    /// Ends the flow and cleans up on the hub. The flow returns no further results.
    pub async fn cancel(&mut self) {
        self.flow.cancel(self.began.elapsed());
        // The result does not matter, because the caller has cancelled the flow.
        let _ = self.next().await;
    }

    fn close(&mut self, id: ExchangeId) {
        if let Some(handle) = self.open.remove(&id) {
            handle.abort();
        }
    }

    fn on_event(&mut self, id: ExchangeId, event: ExchangeEvent) {
        let input = match &event {
            ExchangeEvent::Head(status, reason, headers) => Input::Head {
                id,
                status: *status,
                reason,
                headers,
            },
            ExchangeEvent::Body(bytes) => Input::Body { id, bytes },
            ExchangeEvent::End => Input::End { id },
            ExchangeEvent::Failed(delivery, _) => Input::Failed {
                id,
                delivery: *delivery,
                transient: true,
            },
        };
        self.flow.handle(self.began.elapsed(), input);
        match event {
            ExchangeEvent::Head(..) | ExchangeEvent::Body(_) => {}
            ExchangeEvent::End => self.close(id),
            ExchangeEvent::Failed(_, error) => {
                self.failures.extend(error.map(|error| (id, error)));
                self.close(id);
            }
        }
    }
}

/// Sends a request of a flow, and returns the events of the exchange.
fn exchange(client: Client, send: flow::Send) -> impl Stream<Item = ExchangeEvent> + Send {
    let limit = send.timeout.unwrap_or(Duration::from_secs(1 << 30));
    let ends = Instant::now() + limit;
    let head = async move {
        let request = send.request.map(Body::from).try_into();
        timeout_at(ends, async { client.execute(request?).await }).await
    };
    stream::once(head).flat_map(move |response| match response {
        Ok(Ok(response)) => {
            let (status, headers) = (response.status(), response.headers().clone());
            let head = ExchangeEvent::Head(status, reason(&response), headers);
            stream::iter([head]).chain(body(response, ends)).boxed()
        }
        Ok(Err(error)) => {
            let delivery = match error.is_connect() {
                true => Delivery::NothingSent,
                false => Delivery::MayBeReceived,
            };
            stream::iter([ExchangeEvent::Failed(delivery, Some(error))]).boxed()
        }
        Err(_) => stream::iter([ExchangeEvent::Failed(Delivery::MayBeReceived, None)]).boxed(),
    })
}

fn body(response: Response, ends: Instant) -> impl Stream<Item = ExchangeEvent> + Send {
    stream::unfold(Some(response), move |response| async move {
        let mut response = response?;
        Some(match timeout_at(ends, response.chunk()).await {
            Ok(Ok(Some(bytes))) => (ExchangeEvent::Body(bytes), Some(response)),
            Ok(Ok(None)) => (ExchangeEvent::End, None),
            Ok(Err(error)) => (ExchangeEvent::Failed(Delivery::Answered, Some(error)), None),
            Err(_) => (ExchangeEvent::Failed(Delivery::Answered, None), None),
        })
    })
}
