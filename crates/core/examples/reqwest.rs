//! An async client: operations of core over reqwest, with single answers, streamed uploads, and streams of items.
//!
//! `cargo run --example core_reqwest -- [HUB-URL]`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, TryStreamExt, stream};
use hyper::ext::ReasonPhrase;
use reqwest::{Body, Client, Response, redirect};
use scramjet_client_core::http::Request;
use scramjet_client_core::{
    Decode, DeleteSequence, Endpoint, EventName, GetVersion, KillInstance, KillOptions, LastEvent,
    Operation, ReadEvents, Reply, ReplyError, SendEvent, SendSequence, Single, StartOptions,
    StartSequence, Step, Streamed,
};
use scramjet_client_tests::{hub, package};
use tokio::time::sleep;

fn main() -> Result<(), Failure> {
    let hub = hub::any(std::env::args().nth(1))?;
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
    let options = StartOptions::new();
    let instance = hub
        .call(&StartSequence {
            id: &sequence,
            options: &options,
        })
        .await?
        .id;
    println!("instance   {instance}");

    let name = EventName::new("pong")?;
    let mut events = pin!(
        hub.stream(&ReadEvents {
            id: &instance,
            name: &name
        })
        .await?
    );
    // Waits for the sequence to listen.
    hub.call(&LastEvent {
        id: &instance,
        name: &EventName::new("ready")?,
    })
    .await?;
    hub.call(&SendEvent {
        id: &instance,
        name: "ping",
        data: &"who is there?".into(),
    })
    .await?;
    println!(
        "event      {:?}",
        events.try_next().await?.map(|event| event.data)
    );

    hub.call(&KillInstance {
        id: &instance,
        options: &KillOptions::new(),
    })
    .await?;
    // It takes the hub a moment to see that the process is gone.
    while let Err(error) = hub
        .call(&DeleteSequence {
            id: &sequence,
            force: false,
        })
        .await
    {
        match error.downcast_ref::<ReplyError>().and_then(ReplyError::api) {
            Some(refusal) if refusal.is_conflict() => sleep(Duration::from_millis(50)).await,
            _ => return Err(error),
        }
    }
    Ok(())
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
            .no_proxy();
        Ok(Self {
            client: client.build()?,
            endpoint: Endpoint::new(base_url)?,
        })
    }

    /// Runs an operation whose reply is one value.
    pub async fn call<O>(&self, operation: &O) -> Result<<O::Decoder as Decode>::Item, Failure>
    where
        O: Operation<Payload = Vec<u8>, Decoder: Single>,
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
        O: Operation<Payload = Streamed, Decoder: Single>,
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

    async fn answer<O: Operation>(
        &self,
        operation: &O,
        request: Request<Body>,
    ) -> Result<Answer<O::Decoder>, Failure> {
        let response = self.client.execute(request.try_into()?).await?;
        // Only what is not the usual word for the status is kept as a phrase.
        let reason = response
            .extensions()
            .get::<ReasonPhrase>()
            .map(|reason| String::from_utf8_lossy(reason.as_bytes()));
        let reason = reason.unwrap_or_else(|| {
            response
                .status()
                .canonical_reason()
                .unwrap_or_default()
                .into()
        });
        let reply = self
            .endpoint
            .reply(operation, response.status(), &reason, response.headers());
        Ok(Answer { reply, response })
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
