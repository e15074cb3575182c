//! Errors of calls, and the errors that they contain.

#[cfg(feature = "ureq")]
mod connection;
mod display;
mod predicates;

#[doc(inline)]
pub use scramjet_client_core::{ApiError, ErrorCode, ParseVersionError, ReplyError, RequestError};

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use http::Method;
use scramjet_client_core::{Ended, Event, SequenceId};

use crate::support::chain::fmt_chain;
use crate::support::threads::NoThread;
use crate::transport::error::{Phase, TransportError};

/// The error of every call.
///
/// [`Display`](fmt::Display) is a message in one line: the operation, the method and URL, what
/// happened, and a remedy if there is one. `Debug` adds the causes, one in each line.
///
/// To decide what to do, call the predicates, such as [`is_retryable`](Self::is_retryable) and
/// [`is_not_found`](Self::is_not_found), or match on [`code`](Self::code) or [`kind`](Self::kind).
/// [`api`](Self::api) returns the hub's refusal, with its status, code, message and body.
///
/// ```no_run
/// # use scramjet_client_blocking::{ErrorCode, HostClient, StartOptions};
/// # let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("x")?;
/// match sequence.start(&StartOptions::new()) {
///     Ok(instance) => println!("{} runs", instance.id()),
///     Err(error) => match error.code() {
///         ErrorCode::InsufficientResources => println!("the hub is full, try later"),
///         ErrorCode::InvalidConfig => println!("fix the package: {error}"),
///         _ => return Err(error),
///     },
/// }
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    request: Option<Request>,
    /// The error of the previous attempt. Only timeouts and cancellations have it, as their source.
    before: Option<Error>,
    /// A likely reason or a remedy, at the end of the message.
    hint: Option<&'static str>,
}

/// The request of an error.
pub(crate) struct Request {
    pub(crate) operation: &'static str,
    /// Method and URL. `None` if the request could not be built.
    pub(crate) line: Option<(Method, String)>,
    /// Sending the request twice has the same effect as sending it once.
    pub(crate) idempotent: bool,
    /// Number of times that the client passed the request to the transport.
    pub(crate) attempts: u32,
    /// Phase of the earlier attempt that got furthest.
    pub(crate) reached: Phase,
    /// Time since the beginning of the call.
    pub(crate) elapsed: Duration,
}

/// The kind of an [`Error`], with its details.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is invalid, or the hub is too old for it. Nothing was sent. Fix the arguments or
    /// the settings, or upgrade the hub.
    Request(RequestError),
    /// The connection could not be established or was lost, or the response is not valid HTTP.
    /// [`Error::is_retryable`] says if a retry is safe.
    Transport(TransportError),
    /// The handle's deadline passed, see [`InstanceClient::with_deadline`].
    ///
    /// [`InstanceClient::with_deadline`]: crate::InstanceClient::with_deadline
    #[non_exhaustive]
    Deadline {
        /// Part of the exchange that was in progress.
        phase: Phase,
        /// Time that the call was allowed to take.
        limit: Duration,
    },
    /// No data was sent or received for the handle's idle timeout, see
    /// [`InstanceClient::with_idle_timeout`].
    ///
    /// [`InstanceClient::with_idle_timeout`]: crate::InstanceClient::with_idle_timeout
    #[non_exhaustive]
    Idle {
        /// Part of the exchange that was in progress.
        phase: Phase,
        /// The idle timeout.
        limit: Duration,
    },
    /// The handle's [`CancelToken`](crate::CancelToken) was cancelled, or a progress callback
    /// returned [`ControlFlow::Break`](std::ops::ControlFlow::Break).
    #[non_exhaustive]
    Cancelled {
        /// Part of the exchange that was in progress.
        phase: Phase,
    },
    /// A thread could not be created.
    Thread(io::Error),
    /// The instance has ended, so the call cannot complete: it waited for the instance, sent data
    /// to it, or read one of its streams.
    Ended(Box<Ended>),
    /// The instance did not accept the data, because its input has ended, or because its program
    /// does not read it.
    InputEnded,
    /// A [`Channel`](crate::Channel) cannot be used any more, because the next response might
    /// belong to another request. Contains the reason. Open a channel to another instance.
    OutOfStep(&'static str),
    /// No instance of the pool is alive. If the pool replaces instances, contains the error of the
    /// last attempt to start one.
    NoInstance(Option<Arc<Error>>),
    /// The instance emitted this event of [`Readiness::fails_on`](crate::Readiness::fails_on)
    /// instead of becoming ready. The client has killed the instance.
    Failed(Box<Event>),
    /// The hub has no sequence of this name, or several.
    #[non_exhaustive]
    SequenceName {
        /// The name that the caller gave.
        name: String,
        /// Ids of the sequences with this name: none, or several.
        found: Vec<SequenceId>,
    },
    /// Several attempts failed. Contains their errors in order. If there were many attempts, some
    /// errors between the first and the last may be missing.
    Attempts(Vec<Error>),
    /// The data to upload could not be read or is invalid. The hub may have received a part of it.
    Upload(io::Error),
    /// The caller's writer failed.
    Write(io::Error),
    /// The hub refused the request ([`ReplyError::Api`]), or its response cannot be used.
    Reply(ReplyError),
}

impl From<RequestError> for ErrorKind {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<ReplyError> for ErrorKind {
    fn from(error: ReplyError) -> Self {
        Self::Reply(error)
    }
}

impl From<NoThread> for ErrorKind {
    fn from(error: NoThread) -> Self {
        Self::Thread(error.0)
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, request: Option<Request>) -> Self {
        Self(Box::new(Inner {
            kind,
            request,
            before: None,
            hint: None,
        }))
    }

    /// Adds a likely reason or a remedy to the end of the message.
    pub(crate) fn hinting(mut self, hint: &'static str) -> Self {
        self.0.hint = Some(hint);
        self
    }

    /// Makes the error of the previous attempt the source of a timeout or a cancellation, which
    /// have no source of their own.
    pub(crate) fn after(mut self, before: &mut Option<Self>) -> Self {
        if matches!(
            self.0.kind,
            ErrorKind::Deadline { .. } | ErrorKind::Idle { .. } | ErrorKind::Cancelled { .. }
        ) {
            self.0.before = before.take();
        }
        self
    }

    /// Replaces the kind and keeps the request.
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        (self.0.kind, self.0.before) = (kind, None);
        self
    }

    /// Returns the kind of the error, with its details.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Returns the error of the last attempt.
    fn last(&self) -> &Self {
        match &self.0.kind {
            ErrorKind::Attempts(errors) => errors.last().map_or(self, Self::last),
            ErrorKind::NoInstance(Some(error)) => error.last(),
            _ => self,
        }
    }

    /// Returns the kind of the last attempt's error.
    fn decisive(&self) -> &ErrorKind {
        &self.last().0.kind
    }

    /// Returns the name of the operation that failed, for example `start sequence`. `None` if the
    /// error does not belong to an operation, for example if a setting is invalid.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.0.request.as_ref().map(|request| request.operation)
    }

    /// Returns how far the exchange got. `None` if the error does not belong to an exchange.
    ///
    /// Before [`Phase::Send`], nothing was sent. In [`Phase::Send`], the hub may have received a
    /// part of the request. After that, the hub may have processed it. If the client retried the
    /// request, this is the phase of the attempt that got furthest.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        let last = match self.decisive() {
            ErrorKind::Transport(TransportError { phase, .. })
            | ErrorKind::Deadline { phase, .. }
            | ErrorKind::Idle { phase, .. }
            | ErrorKind::Cancelled { phase } => Some(*phase),
            ErrorKind::Upload(_) => Some(Phase::Send),
            ErrorKind::Write(_) | ErrorKind::Reply(_) => Some(Phase::Read),
            ErrorKind::Request(_)
            | ErrorKind::Ended(_)
            | ErrorKind::InputEnded
            | ErrorKind::OutOfStep(_)
            | ErrorKind::NoInstance(_)
            | ErrorKind::Failed(_)
            | ErrorKind::SequenceName { .. }
            | ErrorKind::Thread(_)
            | ErrorKind::Attempts(_) => None,
        };
        last.map(|last| last.max(self.last().reached()))
    }

    /// Returns the phase of the earlier attempt that got furthest.
    fn reached(&self) -> Phase {
        self.0
            .request
            .as_ref()
            .map_or(Phase::Resolve, |request| request.reached)
    }

    /// Returns the number of attempts to send the request. It is above 1 if the client retried the
    /// request, see [`HostClientBuilder::retry`](crate::HostClientBuilder::retry), and 0 if the
    /// call failed before the first attempt.
    #[must_use]
    pub fn attempt_count(&self) -> u32 {
        match &self.0.kind {
            ErrorKind::Attempts(errors) => errors.iter().map(Self::attempt_count).sum(),
            _ => self
                .0
                .request
                .as_ref()
                .map_or(0, |request| request.attempts),
        }
    }

    /// Returns the time from the beginning of the call until it failed. Zero if the error does not
    /// belong to an operation.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0
            .request
            .as_ref()
            .map_or(Duration::ZERO, |request| request.elapsed)
    }

    /// Returns the URL of the request. `None` if no request was built.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.line().map(|(_, url)| url.as_str())
    }

    /// Returns the method of the request. `None` if no request was built.
    #[must_use]
    pub fn method(&self) -> Option<&Method> {
        self.line().map(|(method, _)| method)
    }

    fn line(&self) -> Option<&(Method, String)> {
        self.0
            .request
            .as_ref()
            .and_then(|request| request.line.as_ref())
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        Self::new(error.into(), None)
    }
}

impl StdError for Error {
    /// Returns the cause. `Display` does not repeat it.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.kind {
            ErrorKind::Request(error) => error.source(),
            ErrorKind::Transport(error) => error.source(),
            ErrorKind::Deadline { .. } | ErrorKind::Idle { .. } | ErrorKind::Cancelled { .. } => {
                self.0
                    .before
                    .as_ref()
                    .map(|error| -> &(dyn StdError + 'static) { error })
            }
            ErrorKind::Ended(_)
            | ErrorKind::InputEnded
            | ErrorKind::OutOfStep(_)
            | ErrorKind::NoInstance(None)
            | ErrorKind::Failed(_)
            | ErrorKind::SequenceName { .. } => None,
            ErrorKind::NoInstance(Some(error)) => Some(&**error),
            ErrorKind::Attempts(errors) => errors
                .last()
                .map(|error| -> &(dyn StdError + 'static) { error }),
            ErrorKind::Upload(error) | ErrorKind::Write(error) | ErrorKind::Thread(error) => {
                Some(error)
            }
            ErrorKind::Reply(error) => error.source(),
        }
    }
}

/// Writes the message and its causes. `unwrap` and a `main` that returns an error print this.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_chain(self, f)
    }
}

/// Wraps the error, with the kind that readers and writers expect: `UnexpectedEof` if the data was
/// cut off or the instance has ended, `TimedOut` for timeouts.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error.0.kind {
            ErrorKind::Reply(ReplyError::Truncated { .. }) | ErrorKind::Ended(_) => {
                io::ErrorKind::UnexpectedEof
            }
            ErrorKind::Deadline { .. } | ErrorKind::Idle { .. } => io::ErrorKind::TimedOut,
            ErrorKind::Transport(error) => error.io_kind().unwrap_or(io::ErrorKind::Other),
            ErrorKind::Request(_) => io::ErrorKind::InvalidInput,
            ErrorKind::Upload(error) | ErrorKind::Write(error) => error.kind(),
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
