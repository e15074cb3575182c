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

use crate::support::chain::in_words;
use crate::support::threads::NoThread;
use crate::transport::{Phase, TransportError};

/// Why a call failed: which request, what happened, and what the hub said.
///
/// Its [`Display`](fmt::Display) is one sentence for a person. Programs match on [`kind`](Self::kind), or ask the predicates;
/// [`api`](Self::api) is the hub's refusal, with its status, code and words.
///
/// ```no_run
/// # use scramjet_client_blocking::{ErrorCode, HostClient, StartOptions};
/// # let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("x")?;
/// match sequence.start(&StartOptions::new()) {
///     Ok(instance) => println!("{} runs", instance.id()),
///     Err(error) => match error.code() {
///         ErrorCode::InsufficientResources => println!("the hub is full, try later"),
///         ErrorCode::InvalidConfig => println!("mend the package: {error}"),
///         _ => return Err(error),
///     },
/// }
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    request: Option<Request>,
    /// The attempt before, where there is nothing else to say why it came to this.
    before: Option<Error>,
    /// A possible reason, and the remedy.
    hint: Option<&'static str>,
}

/// The request that an error is about.
pub(crate) struct Request {
    pub(crate) operation: &'static str,
    /// Method and URL; none where the request could not be built.
    pub(crate) line: Option<(Method, String)>,
    /// Sending it twice does not do more than sending it once.
    pub(crate) idempotent: bool,
    /// How many times it was handed to the transport.
    pub(crate) attempts: u32,
    /// How far an attempt got that was not the last.
    pub(crate) reached: Phase,
    pub(crate) elapsed: Duration,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request was not built; nothing was sent.
    Request(RequestError),
    /// The connection could not be made, or was lost.
    Transport(TransportError),
    /// The handle's deadline passed, see for example [`InstanceClient::with_deadline`](crate::InstanceClient::with_deadline).
    #[non_exhaustive]
    Deadline {
        /// What was being waited for.
        phase: Phase,
        /// How long the call had.
        limit: Duration,
    },
    /// Nothing moved for as long as the handle's idle timeout, see for example
    /// [`InstanceClient::with_idle_timeout`](crate::InstanceClient::with_idle_timeout).
    #[non_exhaustive]
    Idle {
        /// What was being waited for.
        phase: Phase,
        /// The idle timeout.
        limit: Duration,
    },
    /// The handle's [`CancelToken`](crate::CancelToken) was cancelled, or who was told of the progress has asked for an end.
    #[non_exhaustive]
    Cancelled {
        /// What was being waited for.
        phase: Phase,
    },
    /// A thread could not be created.
    Thread(io::Error),
    /// The instance has ended: it was waited for, or it takes no more data, or nothing more comes
    /// of its streams.
    Ended(Box<Ended>),
    /// The input of the instance has ended before, or nobody reads it: the data was not taken.
    InputEnded,
    /// A [`Channel`](crate::Channel) cannot be used any more, for this reason: it is not known which
    /// answer would come next.
    OutOfStep(&'static str),
    /// No instance of the pool is alive. If the pool replaces instances, this is why the last attempt
    /// to start one has failed.
    NoInstance(Option<Arc<Error>>),
    /// The instance told by this event that it has failed to get ready. It was killed.
    Failed(Box<Event>),
    /// Not exactly one sequence of the hub has the name of a package that was looked for.
    #[non_exhaustive]
    SequenceName {
        /// The name.
        name: String,
        /// The sequences that have it: none, or several.
        found: Vec<SequenceId>,
    },
    /// Several attempts failed, each in its way.
    Attempts(Vec<Error>),
    /// What the caller gave to upload could not be read to its end. The hub may have received a part of it.
    Upload(io::Error),
    /// What the caller gave to write to did not take what came.
    Write(io::Error),
    /// The hub answered, but not what was asked for: a refusal ([`ReplyError::Api`]), or a body that cannot be used.
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

    /// With a possible reason at the end of its sentence.
    pub(crate) fn hinting(mut self, hint: &'static str) -> Self {
        self.0.hint = Some(hint);
        self
    }

    /// With the error of the attempt before as its cause, where it has none of its own.
    pub(crate) fn after(mut self, before: &mut Option<Self>) -> Self {
        if matches!(
            self.0.kind,
            ErrorKind::Deadline { .. } | ErrorKind::Idle { .. } | ErrorKind::Cancelled { .. }
        ) {
            self.0.before = before.take();
        }
        self
    }

    /// The same request, with something else that happened.
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        (self.0.kind, self.0.before) = (kind, None);
        self
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Of several attempts the last one.
    fn last(&self) -> &Self {
        match &self.0.kind {
            ErrorKind::Attempts(errors) => errors.last().map_or(self, Self::last),
            ErrorKind::NoInstance(Some(error)) => error.last(),
            _ => self,
        }
    }

    /// What happened, of several attempts in the last one.
    fn decisive(&self) -> &ErrorKind {
        &self.last().0.kind
    }

    /// What was being done, for example `start sequence`, where it was a request.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.0.request.as_ref().map(|request| request.operation)
    }

    /// How far the exchange got, where there was one; of several attempts that the client made on its own, the one that got furthest.
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

    /// How far an attempt got that was not the last.
    fn reached(&self) -> Phase {
        self.0
            .request
            .as_ref()
            .map_or(Phase::Resolve, |request| request.reached)
    }

    /// How many times the request was sent, or was tried to be: more than once where the client has repeated it on its own, see
    /// [`HostClientBuilder::retry`](crate::HostClientBuilder::retry). 0 where it was given up before.
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

    /// How long it took from the beginning of the call until it failed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0
            .request
            .as_ref()
            .map_or(Duration::ZERO, |request| request.elapsed)
    }

    /// The request's URL, where one was built.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.line().map(|(_, url)| url.as_str())
    }

    /// The request's method, where one was built.
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
    /// The cause, below what `Display` says.
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

/// The sentence and its causes: what `unwrap` and a `main` that returns an error print.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_words(self, f)
    }
}

/// With the error inside, and the kind that readers and writers expect: `UnexpectedEof` for what
/// was cut off, also by the end of the instance, `TimedOut` for a limit that was reached.
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
