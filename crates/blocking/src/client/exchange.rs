use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use scramjet_client_core::{Decode, Reply, RequestError, RetryPolicy, SingleItem};

use crate::body::byte_stream::ByteStream;
use crate::body::items::Items;
use crate::body::response::Body;
use crate::body::upload::Opened;
use crate::body::user_reader::UserReader;
use crate::call::context::CallContext;
use crate::call::observer::RequestEvent;
use crate::error::Error;
use crate::limits::call_limits::{CallLimits, StopReason};
use crate::transport::error::{Phase, TransportError};
use crate::transport::{NewConnection, ReasonPhrase, RequestBody, Timings, Transport};

/// One call: its request, sent until it is answered or should not be sent again. It knows nothing of the operation's type, for then all of it
/// would be compiled for each operation, and programs pay for that when they are built.
pub(crate) struct Exchange<'a> {
    pub(crate) transport: &'a dyn Transport,
    pub(crate) limits: CallLimits,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) call: CallContext,
}

/// The body of a request.
pub(crate) enum Payload {
    Inline(Vec<u8>),
    Upload(Opened),
}

impl Payload {
    /// As what a transport is given.
    fn outgoing(&mut self, method: &Method) -> RequestBody<'_> {
        match self {
            Self::Inline(bytes)
                if bytes.is_empty()
                    && matches!(*method, Method::GET | Method::HEAD | Method::DELETE) =>
            {
                RequestBody::Empty
            }
            Self::Inline(bytes) => RequestBody::Bytes(bytes),
            Self::Upload(upload) => RequestBody::Reader {
                length: upload.length(),
                reader: upload,
            },
        }
    }

    /// Whether it can be sent from its beginning.
    fn is_whole(&self) -> bool {
        match self {
            Self::Inline(_) => true,
            Self::Upload(upload) => !upload.is_begun(),
        }
    }

    /// How many bytes of it were sent.
    fn sent(&self) -> u64 {
        match self {
            Self::Inline(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Upload(upload) => upload.sent(),
        }
    }
}

/// A head, and a body that is still to be read.
pub(crate) type Incoming = Response<UserReader>;

impl Exchange<'_> {
    /// Hands the answer to `finish`, and gives how many bytes were sent. `again` makes the request anew.
    pub(crate) fn run(
        mut self,
        request: Request<()>,
        payload: Payload,
        again: &dyn Fn() -> Result<Request<()>, RequestError>,
        finish: &mut dyn FnMut(Incoming, CallContext) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        self.call.tell(&RequestEvent::Built);
        self.attempts(request, payload, again, finish)
            .inspect_err(|error| self.call.tell(&RequestEvent::Failed { error }))
    }

    /// Sends the request once. The call describes it, also if it failed.
    pub(crate) fn without_retry(
        mut self,
        request: Request<()>,
        body: Vec<u8>,
    ) -> (CallContext, Result<Incoming, Error>) {
        self.call.tell(&RequestEvent::Built);
        let incoming = self.attempt(request, &mut Payload::Inline(body));
        (self.call, incoming)
    }

    fn attempts(
        &mut self,
        mut request: Request<()>,
        mut payload: Payload,
        again: &dyn Fn() -> Result<Request<()>, RequestError>,
        finish: &mut dyn FnMut(Incoming, CallContext) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut before = None;
        loop {
            let error = match self
                .attempt(request, &mut payload)
                .and_then(|response| finish(response, self.call.clone()))
            {
                Ok(()) => return Ok(payload.sent()),
                Err(error) => error.after(&mut before),
            };
            let Some(delay) = self.delay(&error, &payload) else {
                return Err(error);
            };
            self.call.tell(&RequestEvent::Retry {
                attempt: self.call.attempts,
                error: &error,
                delay,
            });
            self.call.reached = self
                .call
                .reached
                .max(error.phase().unwrap_or(Phase::Resolve));
            before = Some(error);
            self.limits.pause(delay).map_err(|stopped| {
                self.call
                    .stopped(stopped, Phase::Connect)
                    .after(&mut before)
            })?;
            request = again().map_err(|error| self.call.failed(error))?;
        }
    }

    fn attempt(&mut self, request: Request<()>, payload: &mut Payload) -> Result<Incoming, Error> {
        self.call.attempts += 1;
        self.call.tell(&RequestEvent::Attempt {
            attempt: self.call.attempts,
        });
        let expects = matches!(payload, Payload::Upload(upload) if upload.expects());
        let (head, ()) = request.into_parts();
        let body = payload.outgoing(&head.method);
        let mut request = Request::from_parts(head, body);
        if expects {
            request
                .headers_mut()
                .insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        if !self.limits.is_none() {
            request.extensions_mut().insert(self.limits.clone());
        }
        if self.call.attempts > 1 {
            request.extensions_mut().insert(NewConnection);
        }
        let response = self
            .transport
            .send(request)
            .map_err(|error| self.call.unanswered(error));
        if let Payload::Upload(upload) = payload {
            match upload.take_error() {
                // What is read may be a stream that the same token has ended.
                Some(_) if self.limits.check() == Err(StopReason::Cancelled) => {
                    return Err(self.call.stopped(StopReason::Cancelled, Phase::Send));
                }
                Some(error) => return Err(self.call.abandoned(error)),
                None => {}
            }
            if !upload.is_whole()
                && matches!(&response, Ok(response) if response.status().is_success())
            {
                return Err(self.call.unanswered(unread()));
            }
        }
        let response = response?.map(|body| UserReader::new(body).within(self.limits.clone()));
        if self.call.observing.is_some() {
            let timings = response
                .extensions()
                .get::<Timings>()
                .copied()
                .unwrap_or_default();
            self.call.tell(&RequestEvent::Head {
                attempt: self.call.attempts,
                status: response.status(),
                sent: payload.sent(),
                timings,
            });
        }
        Ok(response)
    }

    /// How long to wait before the next attempt, if there is to be one.
    fn delay(&self, error: &Error, payload: &Payload) -> Option<Duration> {
        // Who has set a limit for connecting does not want to wait three times as long.
        let lost = error.is_lost() && !error.is_timeout();
        let policy = self.retry.as_ref().filter(|_| lost && payload.is_whole())?;
        policy.delay(self.call.attempts, self.call.began.elapsed(), random())
    }
}

/// The error of a success that came before the transport has read all of the upload.
fn unread() -> TransportError {
    let problem = "the hub reported success before the upload was complete";
    let error = io::Error::new(io::ErrorKind::UnexpectedEof, problem);
    TransportError::new(Phase::Send, error)
}

/// A number that nobody foresees, from what the standard library seeds its hash maps with.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A reply whose head is there.
pub(crate) struct Answered<D> {
    reply: Reply<D>,
    body: Body,
}

impl<D> Answered<D> {
    /// `reply` is given status, reason and headers.
    pub(crate) fn new(
        response: Incoming,
        call: CallContext,
        reply: impl FnOnce(StatusCode, &str, &HeaderMap) -> Reply<D>,
    ) -> Self {
        let (head, body) = response.into_parts();
        let reason = head
            .extensions
            .get::<ReasonPhrase>()
            .map_or("", |reason| &reason.0);
        Self {
            reply: reply(head.status, reason, &head.headers),
            body: Body::new(body, call),
        }
    }
}

impl<D: Decode> Answered<D> {
    fn next(&mut self) -> Result<Option<D::Item>, Error> {
        // Long enough for nearly every reply of a hub, which come in one piece; and no longer, for it is filled with zeros each
        // time: 2 % of a small request.
        self.body.next_item(&mut self.reply, &mut [0; 4 << 10])
    }

    /// The reply, unless it is a refusal, which is read to its end and told.
    fn accepted(mut self) -> Result<Self, Error> {
        if self.reply.is_success() {
            return Ok(self);
        }
        Err(match self.next() {
            Err(error) => error,
            Ok(_) => self.body.failed(self.reply.cut_off()),
        })
    }

    pub(crate) fn item(mut self) -> Result<D::Item, Error>
    where
        D: SingleItem,
    {
        match self.next()? {
            Some(item) => {
                self.body.call().tell(&RequestEvent::Body {
                    bytes: self.reply.length().received(),
                    complete: true,
                });
                Ok(item)
            }
            // Only a decoder that breaks its promise comes here.
            None => Err(self.body.failed(self.reply.cut_off())),
        }
    }

    /// The bytes of the reply, unless it is a refusal.
    pub(crate) fn stream(self) -> Result<ByteStream, Error> {
        let Self { reply, body } = self.accepted()?;
        Ok(ByteStream::new(body.outlives_its_call(), reply))
    }

    /// The items of the reply, unless it is a refusal.
    pub(crate) fn items(self) -> Result<Items<D>, Error> {
        let Self { reply, body } = self.accepted()?;
        Ok(Items::new(body.outlives_its_call(), reply))
    }
}
