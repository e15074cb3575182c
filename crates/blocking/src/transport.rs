//! The one place that does IO: what carries requests to a hub and replies back.
//!
//! Most programs need nothing from here. Implement [`Transport`] to reach a hub other than over plain
//! HTTP. The crate `scramjet-client-testing` has a test suite for transports, and transports for
//! tests without a hub.

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

/// Carries requests to a hub and its replies back. The default is [`UreqTransport`]; bring your own with
/// [`HostClientBuilder::transport`](crate::HostClientBuilder::transport), to go through a tunnel or to test without a network.
///
/// # Contract
/// - Every status is `Ok`, also 4xx and 5xx: the hub's explanation is in the body. `Err` means that no head was received.
/// - Redirects are not followed.
/// - The request's method, URI and headers go out as they are. For [`RequestBody::Reader`] the body is streamed as it is read,
///   with `Content-Length` where the length is known and in chunks otherwise; it is never collected in memory.
/// - `send` returns when the head is there. Where the hub answers with a success before the upload is over, the upload is carried on first.
///   Where it refuses, the refusal is what is returned, and not the broken pipe that it may cause; the rest need not be sent.
/// - The reply's body is neither capped, decoded nor inspected. A read returns as soon as there are bytes; a body that ends
///   before its announced length, or in the middle of a chunk, is an [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof)
///   error, never a clean end.
/// - `Expect: 100-continue` among the headers offers to wait with an upload until it is asked for. A transport need not take the offer.
/// - No time limit that nobody asked for: a wait for an event may take days.
/// - What was asked for is in the request's extensions as [`CallLimits`], and holds for all of the exchange, to the end of
///   the body: a deadline and an idle timeout end it in time, whatever the other side does, and a cancelled token ends it at once, whatever it is
///   blocked in. The kind of the error is [`TransportErrorKind::Stopped`], and the [`io::Error`] of
///   a body holds a [`StopReason`].
///   The connection is then not used again; but a body whose read ended by the idle timeout can be read on.
/// - Dropping the body releases the connection, at once and without reading the rest.
/// - A connection that the other side has closed while it was idle is not used; and for a request with [`NewConnection`] in its extensions, which is
///   one that was sent before in vain, none that was used before.
/// - A request is sent once: whether it may be sent again is for who asked for it to say.
/// - Where the reason phrase of the status line is known, it is in the response's extensions as [`ReasonPhrase`].
/// - Where it is known how long the parts of the exchange took, it is in the response's extensions as [`Timings`].
/// - The error says how far the request got. If the transport does not know, it is
///   [`Phase::Wait`]: the hub may have acted upon the request.
///
/// `scramjet_client_testing::conformance` checks these rules for any transport, with two exceptions:
/// it does not wait for days, and it does not check [`Timings`].
///
/// # Example
/// A transport is often another one with something around it:
///
/// ```
/// use std::io::{self, Read};
/// use std::sync::Arc;
/// use scramjet_client_blocking::http::{HeaderValue, Request, Response};
/// use scramjet_client_blocking::Transport;
/// use scramjet_client_blocking::transport::{RequestBody, Phase, TransportError};
///
/// /// Asks for a new token for each request.
/// struct SignedIn<F> {
///     token: F,
///     inner: Arc<dyn Transport>,
/// }
///
/// impl<F: Fn() -> String + Send + Sync> Transport for SignedIn<F> {
///     fn send(
///         &self,
///         mut request: Request<RequestBody<'_>>,
///     ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
///         // Nothing was sent.
///         let mut value = HeaderValue::try_from(format!("Bearer {}", (self.token)()))
///             .map_err(|error| TransportError::new(Phase::Connect, error))?;
///         // Kept out of everything that shows headers.
///         value.set_sensitive(true);
///         request.headers_mut().insert("authorization", value);
///         self.inner.send(request)
///     }
/// }
/// ```
pub trait Transport: Send + Sync {
    /// Sends one request and receives the head of its reply.
    ///
    /// # Errors
    /// No head was received.
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError>;
}

/// The body of a request.
pub enum RequestBody<'a> {
    /// None, for a method that needs none: GET, HEAD, DELETE. No length is announced either.
    Empty,
    /// These bytes.
    Bytes(&'a [u8]),
    /// What the reader gives, until it ends or its announced length is reached.
    Reader {
        /// Where the bytes come from. It ends with an error rather than before `length`.
        reader: &'a mut (dyn Read + Send),
        /// How many bytes there are, where that is known.
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

/// The reason phrase of a status line, as a response extension. Some refusals of a hub have no other text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonPhrase(pub String);

impl ReasonPhrase {
    /// Returns the reason phrase of a response with these extensions; empty if it is not known.
    pub(crate) fn of(extensions: &http::Extensions) -> &str {
        extensions.get::<Self>().map_or("", |reason| &reason.0)
    }
}

/// As a request extension: the request was sent before in vain, and is to have a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewConnection;

/// How long the parts of an exchange took, up to the head of the answer, as a response extension. What is not known, or was not done, is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// Whether the connection had served before.
    pub reused: Option<bool>,
    /// Finding the host's address.
    pub resolve: Option<Duration>,
    /// Connecting.
    pub connect: Option<Duration>,
    /// Agreeing on encryption.
    pub tls: Option<Duration>,
    /// Sending, with the time that a reader took which is uploaded.
    pub send: Option<Duration>,
    /// Waiting for the head of the answer.
    pub wait: Option<Duration>,
}

/// What is said of a connection whose other side is gone.
pub(crate) fn is_closed(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        kind,
        BrokenPipe | ConnectionReset | ConnectionAborted | UnexpectedEof
    )
}
