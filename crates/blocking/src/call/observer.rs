//! Looking on at what a client does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};

use crate::error::Error;
use crate::transport::Timings;

/// Is told of every request of a client: for logs, metrics and traces. Set with [`HostClientBuilder::observer`](crate::HostClientBuilder::observer).
///
/// Functions are observers. What an observer is told holds no header and no body, so that no secret can get into a log by it. It is called by the
/// thread that makes the call or reads the stream, which waits for it, so it has to be quick. A panic of it goes out of the call, see
/// [Your code](crate::guide::your_code).
///
/// For each request, [`Built`](RequestEvent::Built) comes first and once; then, for each attempt, [`Attempt`](RequestEvent::Attempt) and, where there is
/// an answer, [`Head`](RequestEvent::Head); between two attempts [`Retry`](RequestEvent::Retry); and in the end [`Body`](RequestEvent::Body) or
/// [`Failed`](RequestEvent::Failed), for a stream when it is read to its end or dropped. What is refused before it is a request is not observed.
///
/// ```no_run
/// use scramjet_client_blocking::{HostClient, RequestEvent, RequestInfo};
///
/// let host = HostClient::builder("http://localhost:8000/api/v1")
///     .observer(|request: &RequestInfo<'_>, event: &RequestEvent<'_>| match event {
///         RequestEvent::Head { status, .. } => eprintln!("#{} {} {}: {status}", request.number, request.method, request.url),
///         RequestEvent::Failed { error, .. } => eprintln!("#{}: {error}", request.number),
///         _ => {}
///     })
///     .build()?;
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
pub trait Observer: Send + Sync {
    /// Something happened to a request.
    fn observe(&self, request: &RequestInfo<'_>, event: &RequestEvent<'_>);
}

impl<F: Fn(&RequestInfo<'_>, &RequestEvent<'_>) + Send + Sync> Observer for F {
    fn observe(&self, request: &RequestInfo<'_>, event: &RequestEvent<'_>) {
        self(request, event);
    }
}

/// The request that something happened to.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestInfo<'a> {
    /// A number that no other request of this program has: what is told of requests that run at the same time comes mixed.
    pub number: u64,
    /// What is done by it, for example `start sequence`.
    pub operation: &'static str,
    /// The method.
    pub method: &'a Method,
    /// The URL. Those of this library hold no secrets.
    pub url: &'a str,
    /// Since the request was built.
    pub elapsed: Duration,
}

/// What happened to a request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RequestEvent<'a> {
    /// It was built. Nothing was sent yet.
    Built,
    /// It is handed to the transport.
    #[non_exhaustive]
    Attempt {
        /// Which attempt it is, from 1.
        attempt: u32,
    },
    /// The head of an answer was received, whatever its status.
    #[non_exhaustive]
    Head {
        /// Which attempt was answered.
        attempt: u32,
        /// The status.
        status: StatusCode,
        /// How many bytes of a body were sent.
        sent: u64,
        /// How long the parts of it took, and whether the connection had served before, where the transport knows.
        timings: Timings,
    },
    /// An attempt was in vain, and another will be made.
    #[non_exhaustive]
    Retry {
        /// Which attempt it was.
        attempt: u32,
        /// Why it was in vain.
        error: &'a Error,
        /// How long until the next one.
        delay: Duration,
    },
    /// The body of a success was read. The end, unless more is said.
    #[non_exhaustive]
    Body {
        /// How many bytes there were.
        bytes: u64,
        /// It was read to its end, and not dropped before.
        complete: bool,
    },
    /// The call has failed, or the stream. The end.
    #[non_exhaustive]
    Failed {
        /// In what way.
        error: &'a Error,
    },
}

/// The observer of a request, and its number.
#[derive(Clone)]
pub(crate) struct Observing {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) number: u64,
}

impl Observing {
    pub(crate) fn of(observer: &Arc<dyn Observer>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            observer: Arc::clone(observer),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }
}
