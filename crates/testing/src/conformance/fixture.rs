//! The other side of a case, and the way to it.

use std::fmt;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request, Response};
use scramjet_client_blocking::Transport;
use scramjet_client_blocking::transport::{CallLimits, Phase, RequestBody, TransportError};

use super::{CheckResult, STEP_TIMEOUT};
use crate::replay::{Check, RecordedExchange, Replay};
use crate::script::{Answer, Script};
use crate::server::{Connection, Server};
use crate::{IncomingRequest, ReceivedRequest};

/// The kind of transport that is checked.
#[derive(Clone)]
pub(super) enum Target {
    /// A transport with a network: the other side is a server.
    Loopback(Arc<dyn Transport>),
    Script,
    Replay,
}

/// The error of a case that does not apply to the transport.
#[derive(Debug)]
pub(super) struct Unsupported(&'static str);

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unsupported {}

impl Target {
    /// Starts a server that handles each connection, byte for byte.
    pub(super) fn serve_bytes(
        &self,
        handler: impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> CheckResult<Fixture> {
        let Self::Loopback(transport) = self else {
            return Err(Unsupported("the transport has no connections").into());
        };
        Ok(Fixture::of_server(
            transport,
            Server::start(handler)?,
            channel().1,
        ))
    }

    /// Answers each request with a function.
    pub(super) fn answer(
        &self,
        answer: impl Fn(&mut IncomingRequest<'_>) -> Answer + Send + Sync + 'static,
    ) -> CheckResult<Fixture> {
        match self {
            Self::Loopback(transport) => {
                let (sender, received) = SharedSender::new();
                let record = move |request| sender.send(request);
                let server = Server::start(move |connection| {
                    while connection.play(&answer, &record)? {}
                    Ok(())
                })?;
                Ok(Fixture::of_server(transport, server, received))
            }
            Self::Script => {
                let script = Script::new().always("*", "*", answer);
                Ok(Fixture {
                    transport: Arc::new(script.clone()),
                    origin: "http://hub.invalid".into(),
                    other: Peer::Script(script, AtomicUsize::new(0)),
                })
            }
            Self::Replay => Err(Unsupported("a replay cannot act").into()),
        }
    }

    /// Answers these requests, one after the other. A request that is not a GET has the body `{}`.
    pub(super) fn answer_in_order(
        &self,
        exchanges: impl IntoIterator<Item = (Method, String, Answer)>,
    ) -> CheckResult<Fixture> {
        match self {
            Self::Replay => {
                let exchanges = exchanges
                    .into_iter()
                    .map(|(method, path, answer)| recorded(&method, &path, answer))
                    .collect::<io::Result<Vec<_>>>()?;
                Ok(Fixture {
                    transport: Arc::new(Replay::new(exchanges).checking(Check::Bytes)),
                    origin: "http://hub.invalid".into(),
                    other: Peer::Replay,
                })
            }
            _ => {
                let answers: Vec<_> = exchanges.into_iter().map(|(_, _, answer)| answer).collect();
                let answers = Mutex::new(answers.into_iter());
                self.answer(move |request| {
                    request.read_all();
                    let next = answers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .next();
                    next.unwrap_or_else(|| Answer::error("there are no more answers"))
                })
            }
        }
    }
}

/// Returns the recording of an exchange that has this answer.
fn recorded(method: &Method, path: &str, answer: Answer) -> io::Result<RecordedExchange> {
    let body = if method == Method::GET { "" } else { "{}" };
    let length = body.len();
    let request = format!("{method} {path} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}");
    let mut response = Vec::new();
    // An error means that the response is cut off there.
    let _ = answer.write_to(&mut response);
    RecordedExchange::from_bytes(path, request, response)
}

/// The transport, and the other side that a case has set up.
pub(super) struct Fixture {
    pub(super) transport: Arc<dyn Transport>,
    /// The beginning of the URLs of the other side.
    origin: String,
    other: Peer,
}

enum Peer {
    Server(Server, Mutex<Receiver<ReceivedRequest>>),
    /// The script, and the number of requests that the case has looked at.
    Script(Script, AtomicUsize),
    Replay,
}

pub(super) type BodyResponse = Response<Box<dyn Read + Send>>;

impl Fixture {
    fn of_server(
        transport: &Arc<dyn Transport>,
        server: Server,
        requests: Receiver<ReceivedRequest>,
    ) -> Self {
        Self {
            transport: Arc::clone(transport),
            origin: format!("http://{}", server.address()),
            other: Peer::Server(server, Mutex::new(requests)),
        }
    }

    pub(super) fn request<'a>(
        &self,
        method: Method,
        path: &str,
        body: RequestBody<'a>,
    ) -> Result<Request<RequestBody<'a>>, TransportError> {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.origin))
            .body(body)
            .map_err(|error| TransportError::new(Phase::Connect, error))
    }

    pub(super) fn send(
        &self,
        method: Method,
        path: &str,
        body: RequestBody<'_>,
    ) -> Result<BodyResponse, TransportError> {
        self.transport.send(self.request(method, path, body)?)
    }

    pub(super) fn get(&self, path: &str) -> Result<BodyResponse, TransportError> {
        self.send(Method::GET, path, RequestBody::Empty)
    }

    pub(super) fn upload(
        &self,
        reader: &mut (dyn Read + Send),
        length: Option<u64>,
    ) -> Result<BodyResponse, TransportError> {
        self.send(
            Method::POST,
            "/upload",
            RequestBody::Reader { reader, length },
        )
    }

    /// Like [`send`](Self::send), within limits.
    pub(super) fn send_within(
        &self,
        limits: &CallLimits,
        body: RequestBody<'_>,
    ) -> Result<BodyResponse, TransportError> {
        let method = if matches!(body, RequestBody::Empty) {
            Method::GET
        } else {
            Method::POST
        };
        let mut request = self.request(method, "/limited", body)?;
        request.extensions_mut().insert(limits.clone());
        self.transport.send(request)
    }

    /// Returns the next request that arrived and was answered.
    pub(super) fn received(&self) -> CheckResult<ReceivedRequest> {
        match &self.other {
            Peer::Server(_, requests) => receive(
                &requests.lock().unwrap_or_else(PoisonError::into_inner),
                "request",
            ),
            Peer::Script(script, seen) => {
                let index = seen.fetch_add(1, Ordering::SeqCst);
                let request = script.requests().into_iter().nth(index);
                request.ok_or_else(|| "the request did not arrive".into())
            }
            Peer::Replay => Err(Unsupported("a replay checks the requests itself").into()),
        }
    }

    /// Returns true if requests have a framing.
    pub(super) fn is_wire(&self) -> bool {
        matches!(self.other, Peer::Server(..))
    }

    /// Returns the number of connections so far.
    pub(super) fn connections(&self) -> usize {
        match &self.other {
            Peer::Server(server, _) => server.connections(),
            Peer::Script(..) | Peer::Replay => 0,
        }
    }
}

pub(super) fn text(response: BodyResponse) -> CheckResult<String> {
    Ok(io::read_to_string(response.into_body())?)
}

/// Receives a message of the other side.
pub(super) fn receive<T>(messages: &Receiver<T>, what: &str) -> CheckResult<T> {
    messages
        .recv_timeout(STEP_TIMEOUT)
        .map_err(|_| format!("the other side did not report: {what}").into())
}

/// A sender that threads can share.
pub(super) struct SharedSender<T>(Mutex<Sender<T>>);

impl<T> SharedSender<T> {
    pub(super) fn new() -> (Self, Receiver<T>) {
        let (sender, receiver) = channel();
        (Self(Mutex::new(sender)), receiver)
    }

    pub(super) fn send(&self, message: T) {
        // The receiver is gone if the case has failed.
        let _ = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(message);
    }
}

/// A receiver that threads can share.
pub(super) struct SharedReceiver<T>(Mutex<Receiver<T>>);

impl<T> SharedReceiver<T> {
    pub(super) fn new() -> (Sender<T>, Self) {
        let (sender, receiver) = channel();
        (sender, Self(Mutex::new(receiver)))
    }

    pub(super) fn wait(&self) -> io::Result<T> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv_timeout(STEP_TIMEOUT)
            .map_err(io::Error::other)
    }
}
