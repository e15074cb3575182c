//! The default transport: HTTP/1.1 over ureq.
//!
//! ureq keeps the connection pool, writes and parses HTTP, and performs TLS. Only this folder uses
//! its `unversioned` API: it replaces the connectors and the resolver of ureq.
//!
//! # The path of a request
//!
//! 1. [`UreqTransport::send`] starts a `send_context` and calls the ureq agent (`agent`). The agent
//!    reads an upload through `body::RequestReader`.
//! 2. The agent takes an idle connection from its pool. If there is none, it calls the connectors:
//!    1. `connect::TcpConnector` chooses a proxy (`proxy`), resolves the host name (`resolve`),
//!       tries the addresses (`happy_eyeballs`), and opens a proxy tunnel to an `https` hub.
//!    2. `tls::TlsConnector` performs the TLS handshake.
//!    3. `monitor::MonitorConnector` wraps the result in an `ExchangeMonitor`.
//! 3. The agent passes the bytes of the request down the layers of the connection:
//!
//!    ```text
//!    ExchangeMonitor              records progress, detects early responses
//!    TlsTransport/PlainTransport  encrypts (in ureq), explains TLS errors
//!    Socket                       owns the `LazyBuffers`
//!    SharedSocket                 keeps the limits of the call (`WaitBudget`), can be shut down
//!    TimedStream                  limits each wait of the operating system's socket
//!    ```
//!
//! 4. The bytes of the response pass the same layers upwards. The agent parses the head, and `send`
//!    returns. The caller reads the body through `body::ResponseBody`. Then the connection returns
//!    to the pool.
//!
//! # Why each part exists
//!
//! Each part provides something that ureq 3.5 lacks, and can be deleted when ureq provides it:
//!
//! - `monitor`, `response_head`, `body`: responses during an upload, `100 Continue` with headers,
//!   the reason phrase, the phase of an error, `Keep-Alive: timeout`.
//! - `shared_socket`, `wait_budget`, `timed_stream`: cancellation and a deadline per call, and an
//!   idle timeout for both directions together.
//! - `shared_socket` also sends the chunks of `transport::direct`, on the thread of their writer.
//! - `lazy_buffers`: large buffers that use memory only as far as they are filled.
//! - `connect`: TCP keep-alive.
//! - `resolve`: name resolution only for new connections, and cancellation during it.
//! - `happy_eyeballs`: concurrent attempts (RFC 8305), and cancellation during them.
//! - `proxy`: forwarded requests to `http` hubs, a proxy per scheme, networks in `NO_PROXY`.
//! - `tls`: errors with a remedy, and checks of certificates and keys in advance.
//!
//! # New versions of ureq
//!
//! The compiler finds items of ureq that have changed. The tests `transports`, `limits` and `tls`
//! fail if ureq uses the same items differently, for example if it
//!
//! - calls `is_open` only when a connection enters the pool, or only when it leaves,
//! - collects several reads of an upload before it sends them,
//! - fills the whole buffer of the caller before it returns a part of a body,
//! - connects on another thread than the caller's,
//! - reads input again of which it has consumed nothing,
//! - waits for `100 Continue` with another timeout than `Await100`.
//!
//! They may miss a new method of `Transport` that has a default body. Each transport of this folder
//! that wraps another one must forward such a method.
//!
//! # The thread-local
//!
//! ureq does not pass the request to its connectors and transports. But it runs them on the thread
//! that called the agent, until it has read the head of the response. So `send_context` keeps the
//! state of one `send` in a thread-local:
//!
//! - for the connectors and transports: the limits of the call, and if it needs a new connection,
//! - from `TcpConnector` to `ExchangeMonitor`, past TLS: the socket and the forwarding proxy,
//! - for `send`: phase, timings, status line, and if and why the upload ended early.
//!
//! The body of a response needs no context, because the socket keeps the limits of the call. The
//! thread-local can be deleted when ureq passes request extensions to connectors and transports.

mod agent;
mod body;
mod config;
mod connect;
mod error;
mod happy_eyeballs;
mod lazy_buffers;
mod monitor;
mod proxy;
mod resolve;
mod response_head;
mod send_context;
mod shared_socket;
mod socket;
mod timed_stream;
mod tls;
mod wait_budget;

pub use self::config::{ClientCertificate, Proxy, TlsBackend, UreqConfig};
pub use self::proxy::{ProxyError, ProxyProblem};
pub use self::tls::{TlsError, TlsProblem};

use std::io::{self, Read};

use ::ureq::{Agent, Body, SendBody};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, header};
use scramjet_client_core::RequestError;

use self::body::{RequestReader, ResponseBody};
use self::send_context::SendContext;
use super::direct::DirectUpload;
use super::{
    BoxError, NewConnection, Phase, ReasonPhrase, RequestBody, Transport, TransportError,
    TransportErrorKind,
};
use crate::limits::call_limits::CallLimits;
use crate::support::threads;

/// The default transport: HTTP/1.1 over [ureq](https://docs.rs/ureq), with a connection pool. TLS
/// needs the feature `rustls` or `native-tls`.
///
/// A connection is reused for up to 3 seconds after the start of its last response, because hubs
/// close idle connections after 5 seconds. If the server announces another time with `Keep-Alive`,
/// three fifths of it apply, but no more than 3 seconds. The pool keeps at most 64 idle connections
/// by default, see [`UreqConfig::max_idle_connections`]. The transport ignores the proxy variables
/// of the environment unless the configuration has [`Proxy::Environment`].
#[derive(Debug)]
pub struct UreqTransport {
    agent: Agent,
}

impl UreqTransport {
    /// Creates a transport with a connection pool of its own.
    ///
    /// # Errors
    /// A certificate, a key or the URL of a proxy is invalid, or the options need a feature that is
    /// not enabled.
    pub fn new(config: &UreqConfig) -> Result<Self, RequestError> {
        Ok(Self {
            agent: agent::build(config)?,
        })
    }

    /// Runs the request. Returns ureq's result, and `true` if ureq has read the whole upload.
    fn run(
        &self,
        mut parts: Parts,
        body: RequestBody<'_>,
    ) -> (Result<Response<Body>, ::ureq::Error>, bool) {
        let head_size = head_size(&parts);
        send_context::with(|context| context.head_size = head_size);
        match body {
            RequestBody::Empty => (self.agent.run(Request::from_parts(parts, ())), true),
            RequestBody::Bytes(bytes) => (self.run_bytes(Request::from_parts(parts, bytes)), true),
            RequestBody::Reader { reader, length } => {
                if let Some(length) = length {
                    parts.headers.insert(header::CONTENT_LENGTH, length.into());
                }
                let mut upload = RequestReader::new(reader, length);
                let result = self.run_reader(Request::from_parts(parts, &mut upload));
                (result, upload.is_complete())
            }
        }
    }

    // These two are not inlined, so that a thread that waits for the response to a request without
    // a body occupies less of its stack.
    #[inline(never)]
    fn run_bytes(&self, request: Request<&[u8]>) -> Result<Response<Body>, ::ureq::Error> {
        self.agent.run(request)
    }

    #[inline(never)]
    fn run_reader(
        &self,
        request: Request<&mut RequestReader<'_>>,
    ) -> Result<Response<Body>, ::ureq::Error> {
        self.agent
            .run(request.map(|reader| SendBody::from_reader(reader)))
    }
}

impl Default for UreqTransport {
    fn default() -> Self {
        Self {
            agent: agent::build_default(),
        }
    }
}

impl Transport for UreqTransport {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        if !send_context::is_available() {
            // The destructor of another thread-local makes this call while its thread exits.
            let sent = threads::run_on_thread("scramjet-call", || self.send(request));
            return sent.map_err(TransportError::connect)?;
        }
        let (mut parts, body) = request.into_parts();
        let direct = DirectUpload::take(&mut parts, &body);
        let extensions = &mut parts.extensions;
        let limits = extensions.remove::<CallLimits>().unwrap_or_default();
        let needs_new_connection = extensions.remove::<NewConnection>().is_some();
        let ((result, is_complete), context) =
            send_context::run(limits, direct, needs_new_connection, || {
                self.run(parts, body)
            });
        finish(result, is_complete, context)
    }

    fn runs_wait_hooks(&self) -> bool {
        true
    }
}

/// Converts the result of ureq.
// Not inlined, so that a thread that waits for the response occupies less of its stack.
#[inline(never)]
fn finish(
    result: Result<Response<Body>, ::ureq::Error>,
    is_complete: bool,
    context: Box<SendContext>,
) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
    let response = match result {
        Ok(response) => response,
        Err(error) => return Err(no_response(error::source_of(error), context)),
    };
    if let Some(proxy) = &context.forward_proxy {
        if let Some((phase, error)) = proxy.own_response(response.status(), response.headers()) {
            return Err(TransportError::new(phase, io::Error::from(error)));
        }
    }
    if response.status().is_success() {
        check_upload(is_complete, context.closed)?;
    }
    let mut response =
        response.map(|body| -> Box<dyn Read + Send> { Box::new(ResponseBody(body.into_reader())) });
    if let Some((status, reason)) = context.status_line {
        if status == response.status().as_u16() {
            response.extensions_mut().insert(ReasonPhrase(reason));
        }
    }
    response.extensions_mut().insert(context.timings);
    Ok(response)
}

/// Returns an upper bound for the size of the head that ureq writes.
fn head_size(parts: &Parts) -> usize {
    // The method, the version, and the headers that ureq adds. It writes the user of the URL twice,
    // the second time in Base64.
    const REST: usize = 512;
    let authority = parts.uri.authority().map_or(0, |part| part.as_str().len());
    let path = parts
        .uri
        .path_and_query()
        .map_or(0, |part| part.as_str().len());
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len() + ": \r\n".len() + value.len()
    };
    REST + 3 * authority + path + parts.headers.iter().map(header).sum::<usize>()
}

/// Checks that a successful response refers to the whole upload.
fn check_upload(is_complete: bool, closed: Option<BoxError>) -> Result<(), TransportError> {
    if let Some(source) = closed {
        return Err(TransportError::new(Phase::Send, source));
    }
    // The server responded to `Expect: 100-continue` with a success instead of `100 Continue`.
    if !is_complete {
        let message = "the hub reported success before the upload was complete";
        let source = io::Error::new(io::ErrorKind::UnexpectedEof, message);
        return Err(TransportError::new(Phase::Send, source));
    }
    Ok(())
}

/// Converts the error of a request without a response.
fn no_response(source: BoxError, context: Box<SendContext>) -> TransportError {
    if tls::is_client_rejected(&*source) {
        let mut error = TransportError::new(Phase::Tls, source);
        error.kind = TransportErrorKind::Tls;
        return error;
    }
    TransportError::new(context.phase, context.closed.unwrap_or(source))
}
