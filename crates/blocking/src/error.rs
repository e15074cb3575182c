use std::error::Error as StdError;
use std::time::Duration;
use std::{fmt, io};

use http::Method;
use scramjet_client_core::{ApiError, ErrorCode, Event, Operation, ReplyError, RequestError};

use crate::{BoxError, Ended, Phase, Stopped, TransportError};

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
    request: Option<Call>,
}

/// The request that an error is about.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    operation: &'static str,
    /// Method and URL; none where the request could not be built.
    line: Option<(Method, String)>,
    /// How long it had, where it was limited.
    pub(crate) deadline: Duration,
    pub(crate) idle: Duration,
}

impl Call {
    pub(crate) fn unbuilt<O: Operation>() -> Self {
        Self::in_general(O::NAME)
    }

    /// For what is no request.
    pub(crate) fn in_general(what: &'static str) -> Self {
        Self { operation: what, line: None, deadline: Duration::ZERO, idle: Duration::ZERO }
    }

    pub(crate) fn of<O: Operation>(uri: &http::Uri) -> Self {
        Self { line: Some((O::METHOD, uri.to_string())), ..Self::unbuilt::<O>() }
    }

    pub(crate) fn failed(&self, kind: impl Into<ErrorKind>) -> Error {
        Error(Box::new(Inner { kind: kind.into(), request: Some(self.clone()) }))
    }

    pub(crate) fn stopped(&self, stopped: Stopped, phase: Phase) -> Error {
        self.failed(match stopped {
            Stopped::Deadline => ErrorKind::Deadline { phase, limit: self.deadline },
            Stopped::Idle => ErrorKind::Idle { phase, limit: self.idle },
            Stopped::Cancelled => ErrorKind::Cancelled { phase },
        })
    }

    /// One attempt is its own error.
    pub(crate) fn of_attempts(&self, mut errors: Vec<Error>) -> Error {
        match errors.pop() {
            Some(only) if errors.is_empty() => only,
            last => {
                errors.extend(last);
                self.failed(ErrorKind::Attempts(errors))
            }
        }
    }

    /// What a transport reports instead of an answer.
    pub(crate) fn unanswered(&self, error: BoxError) -> Error {
        let (phase, source) = match error.downcast::<TransportError>() {
            Ok(error) => (error.phase, error.source),
            // A transport that does not say how far it got may have sent everything.
            Err(source) => (Phase::Wait, source),
        };
        match source.downcast::<Stopped>() {
            Ok(stopped) => self.stopped(*stopped, phase),
            Err(source) => self.failed(ErrorKind::Transport { phase, source }),
        }
    }

    /// What a body reports instead of bytes; `cut_off` is the error for one that ended early.
    pub(crate) fn interrupted(&self, error: io::Error, cut_off: ReplyError) -> Error {
        match error.downcast::<Stopped>() {
            Ok(stopped) => self.stopped(stopped, Phase::Read),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.failed(cut_off),
            Err(error) => self.failed(ErrorKind::Transport { phase: Phase::Read, source: error.into() }),
        }
    }

    /// What an upload reports instead of data.
    pub(crate) fn abandoned(&self, error: io::Error) -> Error {
        match error.downcast::<Stopped>() {
            Ok(stopped) => self.stopped(stopped, Phase::Send),
            Err(error) => self.failed(ErrorKind::Upload(error)),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        match &self.line {
            Some((method, url)) => write!(f, " ({method} {url})"),
            None => Ok(()),
        }
    }
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request was not built; nothing was sent.
    Request(RequestError),
    /// The connection could not be made, or was lost.
    #[non_exhaustive]
    Transport {
        /// How far the exchange got.
        phase: Phase,
        /// What the transport says.
        source: BoxError,
    },
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
    /// The instance that was waited for has ended.
    Ended(Box<Ended>),
    /// The instance told by this event that it has failed to get ready. It was killed.
    Failed(Box<Event>),
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

impl Error {
    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What happened, of several attempts in the last one.
    fn decisive(&self) -> &ErrorKind {
        match &self.0.kind {
            ErrorKind::Attempts(errors) => errors.last().map_or(&self.0.kind, Self::decisive),
            kind => kind,
        }
    }

    /// What was being done, for example `start sequence`, where it was a request.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.0.request.as_ref().map(|call| call.operation)
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

    /// What kind of failure it is, in the words of the hub and of its TypeScript client: a refusal's own code, `CANNOT_CONNECT`
    /// where there was no answer, `INVALID_RESPONSE` where it cannot be used, `BAD_PARAMETERS` for what was not sent, `GENERAL_ERROR`
    /// for what was given up on this side.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self.decisive() {
            ErrorKind::Request(_) => ErrorCode::BadParameters,
            ErrorKind::Transport { phase: Phase::Read, .. } => ErrorCode::InvalidResponse,
            ErrorKind::Transport { .. } => ErrorCode::CannotConnect,
            ErrorKind::Reply(error) => error.api().map_or(ErrorCode::InvalidResponse, |refusal| refusal.code.clone()),
            _ => ErrorCode::GeneralError,
        }
    }

    /// The refusal, where the hub (or something in front of it) refused.
    #[must_use]
    pub fn api(&self) -> Option<&ApiError> {
        match self.decisive() {
            ErrorKind::Reply(error) => error.api(),
            _ => None,
        }
    }

    /// No such sequence, instance or route (404).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.api().is_some_and(ApiError::is_not_found)
    }

    /// In use, or already there (409).
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.api().is_some_and(ApiError::is_conflict)
    }

    /// The hub has no room for another instance at the moment (419).
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.api().is_some_and(ApiError::is_overloaded)
    }

    /// No connection could be made; nothing was sent.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        matches!(self.decisive(), ErrorKind::Transport { phase: Phase::Connect, .. })
    }

    /// It took too long: for its deadline, for its idle timeout, or for the limit for connecting.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self.decisive() {
            ErrorKind::Deadline { .. } | ErrorKind::Idle { .. } => true,
            ErrorKind::Transport { source, .. } => {
                source.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
            }
            _ => false,
        }
    }

    /// Nothing moved for as long as the idle timeout.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.decisive(), ErrorKind::Idle { .. })
    }

    /// How the instance has ended that was waited for, where that is what happened.
    #[must_use]
    pub fn ended(&self) -> Option<&Ended> {
        match self.decisive() {
            ErrorKind::Ended(ended) => Some(ended),
            _ => None,
        }
    }

    /// The errors of all attempts, where there were several.
    #[must_use]
    pub fn attempts(&self) -> &[Error] {
        match &self.0.kind {
            ErrorKind::Attempts(errors) => errors,
            _ => &[],
        }
    }

    /// It was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.decisive(), ErrorKind::Cancelled { .. })
    }

    /// The hub is too old for the operation, or for an option of it; nothing was sent.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self.decisive(), ErrorKind::Request(RequestError::Unsupported { .. }))
    }

    fn line(&self) -> Option<&(Method, String)> {
        self.0.request.as_ref().and_then(|call| call.line.as_ref())
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        Self(Box::new(Inner { kind: error.into(), request: None }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(call) = &self.0.request {
            write!(f, "{call} ")?;
        }
        match (&self.0.kind, &self.0.request) {
            (ErrorKind::Request(error), None) => write!(f, "{error}"),
            (ErrorKind::Request(error), Some(_)) => write!(f, "was not sent: {error}"),
            (ErrorKind::Transport { phase, .. }, _) => f.write_str(match phase {
                Phase::Connect => "could not connect; is the hub running at this address?",
                Phase::Send => "was interrupted while the request was sent, and the hub may have received a part of it",
                Phase::Wait => "got no answer that can be read, and the hub may have acted upon it",
                Phase::Read => "was interrupted while the answer was read",
            }),
            (ErrorKind::Deadline { phase, limit }, _) => write!(f, "was given up after {limit:?}, its deadline, {}", doing(*phase)),
            (ErrorKind::Idle { phase, limit }, _) => write!(f, "was given up after {limit:?} in which nothing moved, {}", doing(*phase)),
            (ErrorKind::Cancelled { phase }, _) => write!(f, "was cancelled {}", doing(*phase)),
            (ErrorKind::Ended(ended), _) => write!(f, "waits in vain: {ended}"),
            (ErrorKind::Failed(event), _) => write!(f, "failed: the instance says {:?} with {}", event.name, event.data),
            (ErrorKind::Attempts(errors), _) => write!(f, "failed {} times", errors.len()),
            (ErrorKind::Upload(_), _) => f.write_str("was abandoned: the data to upload cannot be used"),
            (ErrorKind::Write(_), _) => f.write_str("was abandoned: what came could not be written"),
            (ErrorKind::Reply(ReplyError::Api(refusal)), _) => write!(f, "was refused: {refusal}"),
            (ErrorKind::Reply(error), _) => write!(f, "got a useless answer: {error}"),
        }
    }
}

fn doing(phase: Phase) -> &'static str {
    match phase {
        Phase::Connect => "before it was connected; nothing was sent",
        Phase::Send => "while the request was sent, and the hub may have received a part of it",
        Phase::Wait => "while the answer was waited for, and the hub may have acted upon the request",
        Phase::Read => "while the answer was read",
    }
}

impl StdError for Error {
    /// The cause, below what `Display` says.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.kind {
            ErrorKind::Request(error) => error.source(),
            ErrorKind::Transport { source, .. } => Some(&**source),
            ErrorKind::Deadline { .. }
            | ErrorKind::Idle { .. }
            | ErrorKind::Cancelled { .. }
            | ErrorKind::Ended(_)
            | ErrorKind::Failed(_) => None,
            ErrorKind::Attempts(errors) => errors.last().map(|error| -> &(dyn StdError + 'static) { error }),
            ErrorKind::Upload(error) | ErrorKind::Write(error) => Some(error),
            ErrorKind::Reply(error) => error.source(),
        }
    }
}

/// The sentence and its causes: what `unwrap` and a `main` that returns an error print.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, "\n  caused by: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// With the error inside, and the kind that readers and writers expect: `UnexpectedEof` for what was cut off, `TimedOut` for a
/// limit that was reached.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error.0.kind {
            ErrorKind::Reply(ReplyError::Truncated { .. }) => io::ErrorKind::UnexpectedEof,
            ErrorKind::Deadline { .. } | ErrorKind::Idle { .. } => io::ErrorKind::TimedOut,
            ErrorKind::Transport { source, .. } => source.downcast_ref().map_or(io::ErrorKind::Other, io::Error::kind),
            ErrorKind::Request(_) => io::ErrorKind::InvalidInput,
            ErrorKind::Upload(error) | ErrorKind::Write(error) => error.kind(),
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
