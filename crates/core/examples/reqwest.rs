//! An async client: operations of core over reqwest, with single answers, streamed uploads, and
//! streams of items; and a driver of flows.
//!
//! `cargo run --example core_reqwest -- [HUB-URL]`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use futures_util::stream::{AbortHandle, Abortable, BoxStream, SelectAll};
use futures_util::{Stream, StreamExt, stream};
use hyper::body::Bytes;
use hyper::ext::ReasonPhrase;
use reqwest::{Body, Client, Response, redirect};
use scramjet_client_core::flow::{
    self, Command, DeleteByForce, ExchangeId, Flow, FlowError, Follow, Followed, Input, Progress,
    Readiness, StartUntilReady,
};
use scramjet_client_core::http::{HeaderMap, Request, StatusCode};
use scramjet_client_core::{
    Decode, Endpoint, EventName, GetVersion, Operation, Reply, SendEvent, SendSequence, SingleItem,
    StartOptions, Step, Streamed,
};
use scramjet_client_tests::{hub, package};
use tokio::time::{Instant, sleep_until, timeout_at};

fn main() -> Result<(), Failure> {
    let hub = hub::resolve(std::env::args().nth(1))?;
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

    // The package goes out as the stream gives it.
    let pieces: Vec<_> = package::sequence("events")
        .chunks(100)
        .map(<[u8]>::to_vec)
        .map(Ok::<_, Failure>)
        .collect();
    let sequence = hub
        .send(&SendSequence, Body::wrap_stream(stream::iter(pieces)))
        .await?
        .id;
    // What takes several requests is a flow.
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
    // The stream is open.
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

/// A random number.
fn rand() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0)
}

/// What can go wrong: a `RequestError` or a `ReplyError` of core, or an error of reqwest.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A hub, and the way to it.
#[derive(Debug)]
pub struct Hub {
    client: Client,
    pub endpoint: Endpoint,
}

impl Hub {
    /// The hub at this address.
    pub fn new(base_url: &str) -> Result<Self, Failure> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            // Hubs close idle connections after 5 seconds. A request that is sent meanwhile fails.
            .pool_idle_timeout(Duration::from_secs(3))
            .no_proxy();
        Ok(Self {
            client: client.build()?,
            endpoint: Endpoint::new(base_url)?,
        })
    }

    /// Runs an operation whose reply is one value.
    pub async fn call<O>(&self, operation: &O) -> Result<<O::Decoder as Decode>::Item, Failure>
    where
        O: Operation<Payload = Vec<u8>, Decoder: SingleItem>,
    {
        self.answer(operation, self.endpoint.request(operation)?.map(Body::from))
            .await?
            .item()
            .await
    }

    /// Runs an operation that uploads, for example a stream: `Body::wrap_stream`.
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

    /// Runs an operation whose reply is a stream of items. A refusal is known at once.
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

    /// Drives a flow.
    pub fn drive<F: Flow>(&self, flow: F) -> Driver<F> {
        Driver {
            flow,
            client: self.client.clone(),
            began: Instant::now(),
            open: BTreeMap::new(),
            coming: SelectAll::new(),
            failures: BTreeMap::new(),
        }
    }

    async fn answer<O: Operation>(
        &self,
        operation: &O,
        request: Request<Body>,
    ) -> Result<Answer<O::Decoder>, Failure> {
        let response = self.client.execute(request.try_into()?).await?;
        let reason = reason(&response);
        let reply = self
            .endpoint
            .reply(operation, response.status(), &reason, response.headers());
        Ok(Answer { reply, response })
    }
}

/// The reason phrase. Only one that is not the usual for its status is kept as such.
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

/// A reply whose head is there.
struct Answer<D> {
    reply: Reply<D>,
    response: Response,
}

impl<D: Decode> Answer<D> {
    /// The next item, `None` at the end.
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
            .ok_or_else(|| "a reply of one item had none".into())
    }
}

/// Carries out what a flow asks for, and tells it what comes.
pub struct Driver<F> {
    flow: F,
    client: Client,
    began: Instant,
    open: BTreeMap<ExchangeId, AbortHandle>,
    coming: SelectAll<Abortable<BoxStream<'static, (ExchangeId, Came)>>>,
    failures: BTreeMap<ExchangeId, reqwest::Error>,
}

/// Something that has come of an exchange.
enum Came {
    Head(StatusCode, String, HeaderMap),
    Body(Bytes),
    End,
    /// The error is missing if the time limit of the exchange is over.
    Failed(Progress, Option<reqwest::Error>),
}

impl<F, T> Driver<F>
where
    F: Flow<Output = Result<T, FlowError>>,
{
    /// The result of the flow, or the next one.
    ///
    /// Dropped too early, it leaves on the hub what it has begun. [`give_up`](Self::give_up) cleans
    /// up.
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
                    let came = exchange(self.client.clone(), *send).map(move |came| (id, came));
                    let (came, handle) = stream::abortable(came.boxed());
                    self.open.insert(id, handle);
                    self.coming.push(came);
                }
                Command::Wait { until } => {
                    let until = until.and_then(|until| self.began.checked_add(until));
                    // Without a time, for very long.
                    let until = until.unwrap_or_else(|| self.began + Duration::from_secs(1 << 30));
                    match timeout_at(until, self.coming.next()).await {
                        Ok(Some((id, came))) => self.came(id, came),
                        Ok(None) => sleep_until(until).await,
                        Err(_) => {}
                    }
                }
            }
        }
    }

    /// Ends the flow, and cleans up on the hub. Its other results come no more.
    pub async fn give_up(&mut self) {
        self.flow.cancel(self.began.elapsed());
        // The error says that it was given up.
        let _ = self.next().await;
    }

    fn close(&mut self, id: ExchangeId) {
        if let Some(handle) = self.open.remove(&id) {
            handle.abort();
        }
    }

    fn came(&mut self, id: ExchangeId, came: Came) {
        let input = match &came {
            Came::Head(status, reason, headers) => Input::Head {
                id,
                status: *status,
                reason,
                headers,
            },
            Came::Body(bytes) => Input::Body { id, bytes },
            Came::End => Input::End { id },
            Came::Failed(progress, _) => Input::Failed {
                id,
                progress: *progress,
                transient: true,
            },
        };
        self.flow.handle(self.began.elapsed(), input);
        match came {
            Came::Head(..) | Came::Body(_) => {}
            Came::End => self.close(id),
            Came::Failed(_, error) => {
                self.failures.extend(error.map(|error| (id, error)));
                self.close(id);
            }
        }
    }
}

/// Sends a request of a flow, and gives what comes.
fn exchange(client: Client, send: flow::Send) -> impl Stream<Item = Came> + Send {
    let limit = send.timeout.unwrap_or(Duration::from_secs(1 << 30));
    let ends = Instant::now() + limit;
    let head = async move {
        let request = send.request.map(Body::from).try_into();
        timeout_at(ends, async { client.execute(request?).await }).await
    };
    stream::once(head).flat_map(move |response| match response {
        Ok(Ok(response)) => {
            let (status, headers) = (response.status(), response.headers().clone());
            let head = Came::Head(status, reason(&response), headers);
            stream::iter([head]).chain(body(response, ends)).boxed()
        }
        Ok(Err(error)) => {
            let progress = match error.is_connect() {
                true => Progress::NothingSent,
                false => Progress::MayBeReceived,
            };
            stream::iter([Came::Failed(progress, Some(error))]).boxed()
        }
        Err(_) => stream::iter([Came::Failed(Progress::MayBeReceived, None)]).boxed(),
    })
}

fn body(response: Response, ends: Instant) -> impl Stream<Item = Came> + Send {
    stream::unfold(Some(response), move |response| async move {
        let mut response = response?;
        Some(match timeout_at(ends, response.chunk()).await {
            Ok(Ok(Some(bytes))) => (Came::Body(bytes), Some(response)),
            Ok(Ok(None)) => (Came::End, None),
            Ok(Err(error)) => (Came::Failed(Progress::Answered, Some(error)), None),
            Err(_) => (Came::Failed(Progress::Answered, None), None),
        })
    })
}
