//! Transports, which send requests to a hub and return its responses. They do all network IO.
//!
//! Most programs need nothing from this module. [`HostClientBuilder`](crate::HostClientBuilder)
//! configures the default transport. Implement [`Transport`] to use another HTTP library, or to
//! reach a hub in another way than over TCP. The crate `scramjet-client-testing` has a test suite
//! for transports, and transports for tests without a hub.

#[cfg_attr(
    not(feature = "ureq"),
    expect(dead_code, reason = "only the default transport uses it")
)]
pub(crate) mod direct;
pub(crate) mod error;
#[cfg(feature = "ureq")]
mod ureq;

pub use self::error::{Phase, TransportError, TransportErrorKind};
#[cfg(feature = "ureq")]
pub use self::ureq::{
    ClientCertificate, Proxy, ProxyError, ProxyProblem, TlsBackend, TlsError, TlsProblem,
    UreqConfig, UreqTransport,
};
pub use crate::limits::call_limits::{CallLimits, StopReason};
pub use crate::limits::cancel::OnCancel;
pub use crate::support::chain::BoxError;

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use http::{Request, Response};

/// Sends requests to a hub, and returns its responses.
///
/// The default is [`UreqTransport`]. To use another one, for example for a tunnel or for tests
/// without a network, set it with
/// [`HostClientBuilder::transport`](crate::HostClientBuilder::transport).
///
/// # Contract
///
/// The request:
///
/// - `send` sends the method, URI and headers unchanged.
/// - `send` streams the body of a [`RequestBody::Reader`] while it reads it, and never collects it
///   in memory. The body has a `Content-Length` if the length is known, and is chunked otherwise.
/// - `send` sends the request once. The client decides about retries.
/// - The header `Expect: 100-continue` allows the transport to wait for the hub's `100 Continue`
///   before it sends the body. It may also send the body at once.
/// - The transport does not use an idle connection that the other end has closed.
/// - A request with [`NewConnection`] in its extensions uses no connection that was used before.
///   The client sets it on a retry.
///
/// The response:
///
/// - `send` returns `Ok` for every status, including 4xx and 5xx, because the body contains the
///   hub's reason.
/// - The transport does not follow redirects.
/// - `send` returns when it has received the head.
/// - If the hub responds with a success before the upload is complete, `send` completes the upload
///   first.
/// - If the hub refuses the request during the upload, `send` returns the refusal, and not the
///   broken pipe that may follow. It need not send the rest.
/// - The transport does not limit, decode or inspect the body.
/// - A read of the body returns as soon as there are bytes.
/// - A body that ends before its announced length, or within a chunk, is an
///   [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof) error.
/// - Dropping the body releases the connection at once, without reading the rest.
/// - The response has the [`ReasonPhrase`] of the status line in its extensions, if the transport
///   knows it.
/// - The response has [`Timings`] in its extensions, if the transport measures them.
///
/// Limits:
///
/// - Once connected, a transport has no timeout of its own, because the response to a request for
///   an event may take days.
/// - [`CallLimits`] in the extensions of the request apply to the whole exchange, up to the end of
///   the response body.
/// - The deadline and the idle timeout end the exchange in time, whatever the hub does.
/// - A cancelled token ends the exchange at once, even if it is blocked.
/// - If a limit ends the exchange, the error of `send` has the kind
///   [`TransportErrorKind::Stopped`], and the [`io::Error`] of a body contains a [`StopReason`].
/// - If a limit ended an exchange, its connection is not used for another request.
/// - If the idle timeout ended a read of the body, the next read continues.
///
/// Errors:
///
/// - `send` returns `Err` only if it has received no head.
/// - The error contains the [`Phase`] that the request reached. A transport that does not know it
///   uses [`Phase::Wait`], which means that the hub may have processed the request.
///
/// `scramjet_client_testing::conformance` checks these rules for any transport, with two
/// exceptions: it does not wait for days, and it does not check [`Timings`].
///
/// # Example
///
/// A transport can wrap another one:
///
/// ```
/// use std::io::{self, Read};
/// use std::sync::Arc;
/// use scramjet_client_blocking::http::{HeaderValue, Request, Response};
/// use scramjet_client_blocking::Transport;
/// use scramjet_client_blocking::transport::{RequestBody, Phase, TransportError};
///
/// /// Adds a new token to each request.
/// struct WithToken<F> {
///     token: F,
///     inner: Arc<dyn Transport>,
/// }
///
/// impl<F: Fn() -> String + Send + Sync> Transport for WithToken<F> {
///     fn send(
///         &self,
///         mut request: Request<RequestBody<'_>>,
///     ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
///         // `Phase::Connect`, because nothing was sent.
///         let mut value = HeaderValue::try_from(format!("Bearer {}", (self.token)()))
///             .map_err(|error| TransportError::new(Phase::Connect, error))?;
///         // Hides the value in everything that shows headers.
///         value.set_sensitive(true);
///         request.headers_mut().insert("authorization", value);
///         self.inner.send(request)
///     }
/// }
/// ```
pub trait Transport: Send + Sync {
    /// Sends one request, and returns the head of its response, with the body to read.
    ///
    /// # Errors
    /// The transport has received no head.
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError>;

    /// Returns `true` if waiting threads run the hook of [`CallLimits`], which only this crate can
    /// implement. Otherwise, waits for events need additional threads.
    #[doc(hidden)]
    fn runs_wait_hooks(&self) -> bool {
        false
    }
}

/// The body of a request.
pub enum RequestBody<'a> {
    /// No body, and no `Content-Length`. For `GET`, `HEAD` and `DELETE`.
    Empty,
    /// The bytes of the body.
    Bytes(&'a [u8]),
    /// A body to stream: the transport reads it until the reader ends, or until it has read
    /// `length` bytes.
    Reader {
        /// Reader of the body. Its `read` fails if the data ends before `length` bytes.
        reader: &'a mut (dyn Read + Send),
        /// Number of bytes, if known.
        length: Option<u64>,
    },
}

impl fmt::Debug for RequestBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Reader { length, .. } => f
                .debug_struct("Reader")
                .field("length", length)
                .finish_non_exhaustive(),
        }
    }
}

/// The reason phrase of a status line, as an extension of a response.
///
/// Some refusals of hubs contain no other text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonPhrase(pub String);

impl ReasonPhrase {
    /// Returns the reason phrase of a response with these extensions; empty if it is not known.
    pub(crate) fn of(extensions: &http::Extensions) -> &str {
        extensions.get::<Self>().map_or("", |reason| &reason.0)
    }
}

/// A requirement for a new connection, as an extension of a request. The client sets it on a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewConnection;

/// Durations of the parts of an exchange, up to the head of the response, as an extension of a
/// response.
///
/// `None` means that the duration is unknown, or that there was no such part: a reused connection
/// has no `resolve`, `connect` and `tls`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// `true` if the connection was used before.
    pub reused: Option<bool>,
    /// Time for name resolution.
    pub resolve: Option<Duration>,
    /// Time for connecting.
    pub connect: Option<Duration>,
    /// Time for the TLS handshake.
    pub tls: Option<Duration>,
    /// Time for sending the request, including the time that the reader of an upload took.
    pub send: Option<Duration>,
    /// Time waiting for the head of the response.
    pub wait: Option<Duration>,
}

/// Returns `true` for the kinds of errors of a connection that the other end has closed.
pub(crate) fn is_closed(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        kind,
        BrokenPipe | ConnectionReset | ConnectionAborted | UnexpectedEof
    )
}
