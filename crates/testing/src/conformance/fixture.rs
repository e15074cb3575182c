//! The servers and scripts that answer the requests of a case.

use std::fmt;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use scramjet_client_blocking::Transport;
use scramjet_client_blocking::transport::{CallLimits, Phase, RequestBody, TransportError};

use super::{CheckResult, STEP_TIMEOUT};
use crate::replay::{Check, RecordedExchange, Replay};
use crate::script::{Answer, Script};
use crate::server::{Connection, Server};
use crate::sync::lock;
use crate::{IncomingRequest, ReceivedRequest};

/// The kind of transport that is checked.
#[derive(Clone)]
pub(super) enum Target {
    /// A transport with a network. A server on the loopback interface answers.
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
    /// Starts a server that handles raw connections.
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
                    peer: Peer::Script(script, AtomicUsize::new(0)),
                })
            }
            Self::Replay => Err(Unsupported("a replay cannot run the code of a case").into()),
        }
    }

    /// Answers these requests in order. A request that is not a GET has the body `{}`.
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
                    peer: Peer::Replay,
                })
            }
            _ => {
                let answers: Vec<_> = exchanges.into_iter().map(|(_, _, answer)| answer).collect();
                let answers = Mutex::new(answers.into_iter());
                self.answer(move |request| {
                    request.read_all();
                    let next = lock(&answers).next();
                    next.unwrap_or_else(|| Answer::error("there are no more answers"))
                })
            }
        }
    }
}

/// Returns a recorded exchange with this answer.
fn recorded(method: &Method, path: &str, answer: Answer) -> io::Result<RecordedExchange> {
    let body = if method == Method::GET { "" } else { "{}" };
    let length = body.len();
    let request = format!("{method} {path} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}");
    let mut response = Vec::new();
    // An error means that the response is truncated.
    let _ = answer.write_to(&mut response);
    RecordedExchange::from_bytes(path, request, response)
}

/// The transport of a case, and its peer.
pub(super) struct Fixture {
    pub(super) transport: Arc<dyn Transport>,
    /// The scheme and the authority of the peer's URLs.
    origin: String,
    peer: Peer,
}

/// The peer that answers the requests of a case.
enum Peer {
    Server(Server, Mutex<Receiver<ReceivedRequest>>),
    /// The script, and the number of requests that the case has read.
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
            peer: Peer::Server(server, Mutex::new(requests)),
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
        self.send(Method::POST, "/upload", reader_body(reader, length))
    }

    /// Like [`send`](Self::send), with limits.
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

    /// Returns the next request that was answered.
    pub(super) fn received(&self) -> CheckResult<ReceivedRequest> {
        match &self.peer {
            Peer::Server(_, requests) => receive(&lock(requests), "request"),
            Peer::Script(script, seen) => {
                let index = seen.fetch_add(1, Ordering::SeqCst);
                let request = script.requests().into_iter().nth(index);
                request.ok_or_else(|| "the request did not arrive".into())
            }
            Peer::Replay => Err(Unsupported("a replay checks the requests itself").into()),
        }
    }

    /// Returns `true` if requests are sent over a network, with framing.
    pub(super) fn has_network(&self) -> bool {
        matches!(self.peer, Peer::Server(..))
    }

    /// Returns the number of connections so far.
    pub(super) fn connections(&self) -> usize {
        match &self.peer {
            Peer::Server(server, _) => server.connections(),
            Peer::Script(..) | Peer::Replay => 0,
        }
    }
}

/// Returns a body for a request: none for GET, and `{}` for other methods.
pub(super) fn body_of(method: &Method) -> RequestBody<'static> {
    match *method {
        Method::GET => RequestBody::Empty,
        _ => RequestBody::Bytes(b"{}"),
    }
}

/// Returns a body that is read from a reader, with or without a length.
pub(super) fn reader_body(reader: &mut (dyn Read + Send), length: Option<u64>) -> RequestBody<'_> {
    RequestBody::Reader { reader, length }
}

/// Returns the first value of a header.
pub(super) fn header<'a>(response: &'a BodyResponse, name: &str) -> Option<&'a [u8]> {
    Some(response.headers().get(name)?.as_bytes())
}

pub(super) fn text(response: BodyResponse) -> CheckResult<String> {
    Ok(io::read_to_string(response.into_body())?)
}

/// Receives a message from the peer.
pub(super) fn receive<T>(messages: &Receiver<T>, what: &str) -> CheckResult<T> {
    messages
        .recv_timeout(STEP_TIMEOUT)
        .map_err(|_| format!("the server did not report: {what}").into())
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
        let _ = lock(&self.0).send(message);
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
        lock(&self.0)
            .recv_timeout(STEP_TIMEOUT)
            .map_err(io::Error::other)
    }
}
