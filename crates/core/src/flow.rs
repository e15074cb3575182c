//! Procedures of several requests as state machines: no IO, no clock, no threads, no randomness.
//!
//! A [`Flow`] tells its driver which requests to send and until when to wait; the driver hands in
//! what comes, and keeps the time. The same flow runs over blocking sockets, an async runtime, or a
//! simulated network in a test.
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
//! // … and hands in the response as it comes.
//! let (id, now) = (send.id, Duration::from_millis(3));
//! let headers = http::HeaderMap::new();
//! flow.handle(now, Input::Head { id, status: http::StatusCode::OK, reason: "OK", headers: &headers });
//! flow.handle(now, Input::Body { id, bytes: br#"{"version":"1.0.1"}"# });
//! flow.handle(now, Input::End { id });
//! let Command::Done(version) = flow.poll(now) else { panic!() };
//! assert_eq!(version.unwrap().version, "1.0.1");
//! # Ok::<(), scramjet_client_core::RequestError>(())
//! ```
//!
//! # Driving a flow
//! - Call [`poll`](Flow::poll) until it says [`Wait`](Command::Wait) or [`Done`](Command::Done), and
//!   after each call of [`handle`](Flow::handle). Several exchanges may be open at once.
//! - `now` is the time since the flow began. It must not go back.
//! - Send each request once. Whether to repeat it is the flow's decision.
//! - When the caller's own limits are reached, call [`give_up`](Flow::give_up) and go on driving:
//!   the flow cleans up what it has begun on the hub, which takes some seconds at most. A driver that
//!   has no time for that may do it in the background.

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

/// A procedure of several requests.
pub trait Flow {
    /// The result.
    type Output;

    /// Tells what to do next.
    fn poll(&mut self, now: Duration) -> Command<Self::Output>;

    /// Takes in what has come of an exchange. Inputs of exchanges that were aborted, or have ended,
    /// are ignored.
    fn handle(&mut self, now: Duration, input: Input<'_>);

    /// Ends the flow, because its caller waits no longer: from now on it only cleans up. Its result
    /// is [`FlowError::GivenUp`], unless it has come to another one.
    fn cancel(&mut self, now: Duration);
}

/// An instruction to a driver.
#[derive(Debug)]
pub enum Command<T> {
    /// Send this request.
    Send(Box<Send>),
    /// Close the connection of this exchange; nothing of it is wanted any more.
    Abort(ExchangeId),
    /// Wait for an input, or until this time. Without a time, for an input alone.
    Wait {
        /// The time at which to poll again, since the flow began.
        until: Option<Duration>,
    },
    /// The flow is over. Exchanges that are still open are to be aborted.
    Done(T),
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Send {
    /// Names the exchange.
    pub id: ExchangeId,
    /// The name of the operation, for messages: `get instance`.
    pub operation: &'static str,
    /// The request. An empty body of a `GET` or `DELETE` is no body.
    pub request: Request<Vec<u8>>,
    /// The time in which the whole exchange has to be over; afterwards it has
    /// [failed](Input::Failed). Without a limit, it may take for ever.
    pub timeout: Option<Duration>,
}

/// Names an exchange of a flow: a request and its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(u32);

/// Something that has come of an exchange.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The head of the response.
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
    /// The body is complete.
    End {
        /// The exchange.
        id: ExchangeId,
    },
    /// The exchange failed.
    Failed {
        /// The exchange.
        id: ExchangeId,
        /// How far it had come.
        progress: Progress,
        /// The same request may succeed later. Not if a certificate is not trusted, for example.
        transient: bool,
    },
}

impl Input<'_> {
    /// The exchange.
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

/// How far an exchange had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Progress {
    /// The hub has received nothing of the request.
    NothingSent,
    /// The hub may have received the request, and carried it out.
    MayBeReceived,
    /// The head of the response had come.
    Answered,
}

/// Why a flow did not come to its result.
#[derive(Debug)]
#[non_exhaustive]
pub enum FlowError {
    /// This exchange failed. The driver knows how.
    Failed(ExchangeId),
    /// The response of this exchange is a refusal, or cannot be read.
    Reply(ExchangeId, Box<ReplyError>),
    /// A request could not be built.
    Request(RequestError),
    /// The instance has ended.
    Ended(Box<Ended>),
    /// The instance has emitted an event that means that it failed.
    FailedEvent(Box<Event>),
    /// The flow's own time limit is over.
    TimedOut(Duration),
    /// The caller gave the flow up.
    Cancelled,
    /// Several attempts failed, each in its way.
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
                Some(last) => write!(f, "all {} attempts failed; the last: {last}", errors.len()),
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
    /// The one error that attempts came to, or all of them.
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

/// A result, once it is there; commands of a flow come before it.
type Outcome<T> = Option<Result<T, FlowError>>;
