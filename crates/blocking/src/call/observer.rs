//! Observers, which receive events for every request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};

use crate::error::Error;
use crate::transport::Timings;

/// Receives events for every request of a client, for logs, metrics and traces. Pass it to
/// [`HostClientBuilder::observer`](crate::HostClientBuilder::observer). Functions are observers.
///
/// The observer runs on the thread that sends the request or reads its response, and delays it, so
/// it should be quick. Events contain neither headers nor bodies, so that no secrets get into logs.
/// For panics and blocking see [`guide::your_code`](crate::guide::your_code).
///
/// The events of a request are:
///
/// 1. [`Built`](RequestEvent::Built), once.
/// 2. For each attempt: [`Attempt`](RequestEvent::Attempt), then [`Head`](RequestEvent::Head) if
///    there is a response. [`Retry`](RequestEvent::Retry) comes between two attempts.
/// 3. [`Body`](RequestEvent::Body) or [`Failed`](RequestEvent::Failed). For a stream, this comes
///    when the stream ends or is dropped.
///
/// There are no events for invalid arguments, because no request is built.
///
/// A call that waits, such as [`wait_event`](crate::InstanceClient::wait_event), sends several
/// requests, some of them on other threads. It closes those that it no longer needs. They end with
/// `Body`, in which `complete` is `false`, even without a `Head`. This event may come after the
/// call has returned.
///
/// ```no_run
/// use scramjet_client_blocking::{HostClient, RequestEvent, RequestInfo};
///
/// let host = HostClient::builder("http://localhost:8000/api/v1")
///     .observer(|request: &RequestInfo<'_>, event: &RequestEvent<'_>| match event {
///         RequestEvent::Head { status, .. } => {
///             eprintln!("#{} {} {}: {status}", request.number, request.method, request.url);
///         }
///         RequestEvent::Failed { error, .. } => eprintln!("#{}: {error}", request.number),
///         _ => {}
///     })
///     .build()?;
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
pub trait Observer: Send + Sync {
    /// Handles one event of a request.
    fn observe(&self, request: &RequestInfo<'_>, event: &RequestEvent<'_>);
}

impl<F: Fn(&RequestInfo<'_>, &RequestEvent<'_>) + Send + Sync> Observer for F {
    fn observe(&self, request: &RequestInfo<'_>, event: &RequestEvent<'_>) {
        self(request, event);
    }
}

/// The request that an event belongs to.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestInfo<'a> {
    /// Number of the request, unique in this process. Events of concurrent requests are
    /// interleaved.
    pub number: u64,
    /// Name of the operation, for example `start sequence`.
    pub operation: &'static str,
    /// HTTP method.
    pub method: &'a Method,
    /// URL. URLs of this library's operations contain no secrets.
    pub url: &'a str,
    /// Time since the request was built.
    pub elapsed: Duration,
}

/// An event of a request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RequestEvent<'a> {
    /// The request was built. Nothing was sent yet.
    Built,
    /// The client passes the request to the transport.
    #[non_exhaustive]
    Attempt {
        /// Number of the attempt, from 1.
        attempt: u32,
    },
    /// The head of a response was received, with any status.
    #[non_exhaustive]
    Head {
        /// Number of the attempt.
        attempt: u32,
        /// Status of the response.
        status: StatusCode,
        /// Number of body bytes sent.
        sent: u64,
        /// Times of the steps, as far as the transport knows them.
        timings: Timings,
    },
    /// An attempt failed, and the client will retry.
    #[non_exhaustive]
    Retry {
        /// Number of the failed attempt.
        attempt: u32,
        /// Error of the attempt.
        error: &'a Error,
        /// Delay before the next attempt.
        delay: Duration,
    },
    /// The body of the response was read, or the client closed the connection without an error
    /// because it does not need the rest. This is the last event.
    #[non_exhaustive]
    Body {
        /// Number of body bytes received.
        bytes: u64,
        /// `true` if the body was read to its end.
        complete: bool,
    },
    /// The request or the stream failed. This is the last event.
    #[non_exhaustive]
    Failed {
        /// Error of the request or stream.
        error: &'a Error,
    },
}

/// An observer, and the number of the request that it observes.
#[derive(Clone)]
pub(crate) struct RequestObserver {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) number: u64,
}

impl RequestObserver {
    pub(crate) fn new(observer: &Arc<dyn Observer>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            observer: Arc::clone(observer),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }
}
