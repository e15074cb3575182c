//! The transport over ureq. The files below it are the only ones that use ureq's `unversioned` API.

mod buffers;
mod call;
mod config;
mod connect;
mod proxy;
mod race;
mod socket;
mod status_line;
mod stream;
mod tls;
mod watch;

pub use self::config::UreqConfig;
pub use self::proxy::{Proxy, ProxyError, ProxyProblem};
pub use self::tls::{ClientCertificate, TlsBackend, TlsError, TlsProblem};

use std::io::{self, Read};

use ::ureq::{Agent, BodyReader, SendBody};
use http::{Request, Response, header};
use scramjet_client_core::RequestError;

use self::call::Call;
use self::watch::Lost;
use super::{
    BoxError, NewConnection, Phase, ReasonPhrase, RequestBody, Transport, TransportError,
    TransportErrorKind,
};
use crate::limits::call_limits::CallLimits;
use crate::support::threads;

/// HTTP over [ureq](https://docs.rs/ureq): a pool of connections, plain or (features `rustls` and `native-tls`) encrypted.
///
/// A connection is used again for 3 seconds after its last answer, for hubs announce that they close theirs after 5; where another time is
/// announced, for three fifths of it. At most 64 idle ones are kept, see [`UreqConfig::max_idle_connections`]. The environment's proxy
/// settings are not looked at, unless [`Proxy::Environment`] asks for it.
#[derive(Debug)]
pub struct UreqTransport {
    agent: Agent,
}

impl UreqTransport {
    /// A transport with a pool of its own.
    ///
    /// # Errors
    /// A certificate, a key or a proxy's URL cannot be used, or the feature that they need is not there.
    pub fn new(config: &UreqConfig) -> Result<Self, RequestError> {
        Ok(Self {
            agent: config::agent(config)?,
        })
    }
}

impl Default for UreqTransport {
    fn default() -> Self {
        Self {
            agent: config::default_agent(),
        }
    }
}

impl Transport for UreqTransport {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        if !call::is_possible() {
            // The destructor of a thread-local value makes a call.
            let sent = threads::elsewhere("scramjet-call", || self.send(request));
            return sent.map_err(TransportError::connect)?;
        }
        let (mut parts, body) = request.into_parts();
        let limits = parts.extensions.remove::<CallLimits>().unwrap_or_default();
        let fresh = parts.extensions.remove::<NewConnection>().is_some();
        let mut unsent = false;
        let (result, call) = call::make(limits, fresh, || match body {
            RequestBody::Empty => self.agent.run(Request::from_parts(parts, ())),
            RequestBody::Bytes(bytes) => self.agent.run(Request::from_parts(parts, bytes)),
            RequestBody::Reader { reader, length } => {
                if let Some(length) = length {
                    parts.headers.insert(header::CONTENT_LENGTH, length.into());
                }
                let mut wanted = Wanted {
                    reader,
                    left: length,
                    ended: length == Some(0),
                };
                let result = self.agent.run(Request::from_parts(
                    parts,
                    SendBody::from_reader(&mut wanted),
                ));
                unsent = !wanted.ended;
                result
            }
        });
        if let (Ok(response), Some(forward)) = (&result, &call.forward) {
            let own = forward.own_response(response.status(), response.headers());
            if let Some((phase, error)) = own {
                return Err(TransportError::new(phase, io::Error::from(error)));
            }
        }
        match (result, call) {
            // A success, but not of the whole upload.
            (
                Ok(response),
                Call {
                    closed: Some(source),
                    ..
                },
            ) if response.status().is_success() => Err(TransportError::new(Phase::Send, source)),
            // Asked whether it wants the upload, it did not.
            (Ok(response), _) if response.status().is_success() && unsent => {
                let source = io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "it was answered with a success before the upload was sent",
                );
                Err(TransportError::new(Phase::Send, source))
            }
            (Ok(response), call) => {
                let mut response = response
                    .map(|body| -> Box<dyn Read + Send> { Box::new(Incoming(body.into_reader())) });
                if let Some((status, reason)) = call.status_line {
                    if status == response.status().as_u16() {
                        response.extensions_mut().insert(ReasonPhrase(reason));
                    }
                }
                response.extensions_mut().insert(call.timings);
                Ok(response)
            }
            (Err(error), call) => Err(unanswered(cause(error), call)),
        }
    }
}

/// The data of an upload, as long as it is wanted: when the other side has answered it ends, or seems to be sent up to its announced length,
/// and ureq goes on to the answer.
struct Wanted<'a> {
    reader: &'a mut (dyn Read + Send),
    left: Option<u64>,
    ended: bool,
}

impl Read for Wanted<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let enough = call::current(|call| call.enough);
        let read = match self.left {
            None if enough => 0,
            None => self.reader.read(buf)?,
            Some(left) => {
                let max = usize::try_from(left).unwrap_or(buf.len()).min(buf.len());
                if enough {
                    max
                } else {
                    self.reader.read(buf.get_mut(..max).unwrap_or_default())?
                }
            }
        };
        self.left = self
            .left
            .map(|left| left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX)));
        self.ended = self.left.map_or(read == 0, |left| left == 0);
        Ok(read)
    }
}

/// The body of a reply.
struct Incoming(BodyReader<'static>);

impl Read for Incoming {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0
            .read(buf)
            .map_err(|error| match ::ureq::Error::from(error) {
                // Its word for a connection that ends in the midst of a chunk's length.
                error @ ::ureq::Error::BodyStalled => {
                    io::Error::new(io::ErrorKind::UnexpectedEof, error)
                }
                error => match error.into_io().downcast::<Lost>() {
                    Ok(Lost(error)) => io::Error::new(io::ErrorKind::UnexpectedEof, error),
                    Err(error) => error,
                },
            })
    }
}

/// How far a call got that has no answer, and why it has none.
fn unanswered(source: BoxError, call: Call) -> TransportError {
    if tls::is_refusal(&*source) {
        let mut error = TransportError::new(Phase::Tls, source);
        error.kind = TransportErrorKind::Tls;
        return error;
    }
    TransportError::new(call.phase, call.closed.unwrap_or(source))
}

/// ureq's own wrapping of an IO error says nothing that the IO error does not; and what this library said comes out as it was.
fn cause(error: ::ureq::Error) -> BoxError {
    match error {
        ::ureq::Error::Io(error) => {
            match error.downcast::<crate::limits::call_limits::StopReason>() {
                Ok(stopped) => stopped.into(),
                Err(error) => error
                    .downcast::<Lost>()
                    .map_or_else(Into::into, |Lost(error)| error.into()),
            }
        }
        // Only connecting has a timeout of ureq's.
        error @ ::ureq::Error::Timeout(_) => io::Error::new(io::ErrorKind::TimedOut, error).into(),
        error => error.into(),
    }
}
