//! State machines for tasks of several requests, such as "wait until an instance is ready".
//!
//! They use no IO, clocks, threads or random numbers. A [`Flow`] decides which requests to send and
//! how long to wait. Its driver sends the requests, hands in the responses and measures the time.
//! The same flow runs over blocking sockets, an async runtime, or a simulated network in a test.
//!
//! ```
//! use core::time::Duration;
//! use scramjet_client_core::flow::{Command, Flow, Input, WaitForHub};
//! use scramjet_client_core::{Endpoint, http};
//!
//! let mut flow = WaitForHub::new(Endpoint::new("http://localhost:8000/api/v1")?);
//! // The driver sends the first request …
//! let Command::Send(send) = flow.poll(Duration::ZERO) else { panic!() };
//! assert_eq!(send.request.uri(), "http://localhost:8000/api/v1/version");
//! assert!(matches!(flow.poll(Duration::ZERO), Command::Wait { until: None }));
//!
//! // … and hands in the response as it arrives.
//! let (id, now) = (send.id, Duration::from_millis(3));
//! let (status, reason, headers) = (http::StatusCode::OK, "OK", &http::HeaderMap::new());
//! flow.handle(now, Input::Head { id, status, reason, headers });
//! flow.handle(now, Input::Body { id, bytes: br#"{"version":"1.0.1"}"# });
//! flow.handle(now, Input::End { id });
//! let Command::Done(version) = flow.poll(now) else { panic!() };
//! assert_eq!(version.unwrap().version, "1.0.1");
//! # Ok::<(), scramjet_client_core::RequestError>(())
//! ```
//!
//! # Driving a flow
//! - Call [`poll`](Flow::poll) until it returns [`Wait`](Command::Wait) or [`Done`](Command::Done).
//!   Do the same after each call of [`handle`](Flow::handle), and when the wait is over. Several
//!   exchanges may be open at once.
//! - `now` is the time since the start of the flow. It must not decrease.
//! - Send each request once. Retries are the flow's decision.
//! - If the caller has a timeout of its own, call [`cancel`](Flow::cancel) when it expires, and
//!   continue to drive the flow. The flow then cleans up: it kills an instance that it has started,
//!   or hands a deletion over to the hub. This takes at most 20 seconds. The driver may do it in
//!   the background.

mod delete;
mod events;
mod exchange;
mod exchange_error;
mod follow;
mod follow_logs;
mod kill;
mod outage;
mod outbox;
mod start;
mod status;
mod sub_flow;
mod version;
mod watch;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use http::{HeaderMap, Request, StatusCode};

use crate::{Ended, Escaped, Event, ReplyError, RequestError};

pub use self::delete::{DeleteByForce, Deleted};
pub use self::events::{Since, WaitForEvent};
pub use self::follow::{Follow, Followed, Subject};
pub use self::follow_logs::{FollowLogs, InstanceLogLine};
pub use self::kill::Kill;
pub use self::outage::OutageTolerance;
pub use self::start::{Readiness, Ready, StartUntilReady};
pub use self::status::WaitForEnd;
pub use self::version::WaitForHub;
pub use self::watch::WatchInstances;

/// A state machine for a task of several requests.
pub trait Flow {
    /// The type of the result.
    type Output;

    /// Returns the next command for the driver.
    fn poll(&mut self, now: Duration) -> Command<Self::Output>;

    /// Handles an input. Ignores inputs of exchanges that were aborted or are complete.
    fn handle(&mut self, now: Duration, input: Input<'_>);

    /// Cancels the flow. From now on it only cleans up.
    ///
    /// The result is then [`FlowError::Cancelled`], or [`FlowError::Attempts`] with it as the last
    /// error, unless the flow has another result already.
    fn cancel(&mut self, now: Duration);
}

/// An instruction to a driver.
#[derive(Debug)]
pub enum Command<T> {
    /// Send this request.
    Send(Box<Send>),
    /// Close the connection of this exchange.
    Abort(ExchangeId),
    /// Wait for an input, or until this time.
    Wait {
        /// The time at which to poll again, since the start of the flow. `None` means no limit.
        until: Option<Duration>,
    },
    /// The flow has a result. Abort the exchanges that are still open, unless the documentation of
    /// the flow says that it yields more results.
    Done(T),
}

/// A request for the driver to send.
#[derive(Clone, Debug)]
pub struct Send {
    /// The exchange.
    pub id: ExchangeId,
    /// The name of the operation for error messages, such as `get instance`.
    pub operation: &'static str,
    /// The request. For `GET` and `DELETE`, an empty body means no body. For other methods, it
    /// means `Content-Length: 0`.
    pub request: Request<Vec<u8>>,
    /// Timeout for the whole exchange, after which it has [failed](Input::Failed). `None` means no
    /// timeout.
    pub timeout: Option<Duration>,
}

/// Identifies an exchange of a flow: a request and its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(u32);

/// An input from the network.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The head of the response. Skip interim responses (1xx).
    Head {
        /// The exchange.
        id: ExchangeId,
        /// The status.
        status: StatusCode,
        /// The reason phrase; empty if the transport does not know it.
        reason: &'a str,
        /// The headers.
        headers: &'a HeaderMap,
    },
    /// Bytes of the response's body.
    Body {
        /// The exchange.
        id: ExchangeId,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The end of the response's body.
    End {
        /// The exchange.
        id: ExchangeId,
    },
    /// The exchange failed.
    Failed {
        /// The exchange.
        id: ExchangeId,
        /// The point at which the exchange failed.
        delivery: Delivery,
        /// `true` if the same request may succeed later. An untrusted certificate, for example, is
        /// a permanent failure.
        transient: bool,
    },
}

impl Input<'_> {
    /// Returns the exchange that the input belongs to.
    #[must_use]
    pub fn id(&self) -> ExchangeId {
        match self {
            Self::Head { id, .. }
            | Self::Body { id, .. }
            | Self::End { id }
            | Self::Failed { id, .. } => *id,
        }
    }
}

/// The point at which an exchange failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Delivery {
    /// The hub has received nothing of the request.
    NothingSent,
    /// The hub may have received and processed the request.
    MayBeReceived,
    /// The head of the response has arrived.
    Answered,
}

/// The error of a flow.
#[derive(Debug)]
#[non_exhaustive]
pub enum FlowError {
    /// This exchange failed. The driver, which reported [`Input::Failed`], knows the cause.
    Failed(ExchangeId),
    /// The response of this exchange is a refusal or cannot be read.
    Reply(ExchangeId, Box<ReplyError>),
    /// A request could not be built.
    Request(RequestError),
    /// The instance has ended.
    Ended(Box<Ended>),
    /// The instance has emitted an event that means that it has failed.
    FailedEvent(Box<Event>),
    /// The flow's own timeout of this length has expired.
    TimedOut(Duration),
    /// The flow was cancelled.
    Cancelled,
    /// Several attempts failed. Contains the errors in order. [`WaitForHub`] keeps only the first
    /// and the last one.
    Attempts(Vec<FlowError>),
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(_) => f.write_str("a request failed"),
            Self::Reply(_, error) => error.fmt(f),
            Self::Request(error) => error.fmt(f),
            Self::Ended(ended) => ended.fmt(f),
            Self::FailedEvent(event) => {
                let data = Escaped(&event.data);
                write!(
                    f,
                    "the instance reported failure with the event {:?}: {data}",
                    event.name
                )
            }
            Self::TimedOut(limit) => write!(f, "timed out after {limit:?}"),
            Self::Cancelled => f.write_str("cancelled by the caller"),
            Self::Attempts(errors) => match errors.last() {
                Some(last) => write!(
                    f,
                    "all attempts failed ({} errors); the last: {last}",
                    errors.len()
                ),
                None => f.write_str("no attempt was made"),
            },
        }
    }
}

impl core::error::Error for FlowError {}

impl From<RequestError> for FlowError {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl FlowError {
    /// Returns the only error of the attempts, or all of them as [`Attempts`](Self::Attempts).
    fn of_attempts(mut errors: Vec<Self>) -> Self {
        match errors.pop() {
            Some(only) if errors.is_empty() => only,
            last => {
                errors.extend(last);
                Self::Attempts(errors)
            }
        }
    }
}

/// The result of a flow. `None` while the flow runs. The flow returns queued commands first.
type Outcome<T> = Option<Result<T, FlowError>>;
