use std::error::Error as StdError;
use std::time::Duration;
use std::{fmt, io};

use http::Method;
use scramjet_client_core::{ApiError, ErrorCode, Event, ReplyError, RequestError};

use crate::{BoxError, Ended, Phase};

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
    pub(crate) elapsed: Duration,
}

impl fmt::Display for Request {
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
    pub(crate) fn new(kind: ErrorKind, request: Option<Request>) -> Self {
        Self(Box::new(Inner { kind, request }))
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

    /// How far the exchange got, where there was one.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        match self.decisive() {
            ErrorKind::Transport { phase, .. }
            | ErrorKind::Deadline { phase, .. }
            | ErrorKind::Idle { phase, .. }
            | ErrorKind::Cancelled { phase } => Some(*phase),
            ErrorKind::Upload(_) => Some(Phase::Send),
            ErrorKind::Write(_) | ErrorKind::Reply(_) => Some(Phase::Read),
            ErrorKind::Request(_) | ErrorKind::Ended(_) | ErrorKind::Failed(_) | ErrorKind::Attempts(_) => None,
        }
    }

    /// How many times the request was sent, or was tried to be: more than once where the client has repeated it on its own, see
    /// [`HostClientBuilder::retry`](crate::HostClientBuilder::retry). 0 where it was given up before.
    #[must_use]
    pub fn attempt_count(&self) -> u32 {
        match &self.0.kind {
            ErrorKind::Attempts(errors) => errors.iter().map(Self::attempt_count).sum(),
            _ => self.0.request.as_ref().map_or(0, |request| request.attempts),
        }
    }

    /// How long it took from the beginning of the call until it failed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.request.as_ref().map_or(Duration::ZERO, |request| request.elapsed)
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
        matches!(self.decisive(), ErrorKind::Transport { phase: Phase::Resolve | Phase::Connect | Phase::Tls, .. })
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

    /// Trying again may help, and does nothing twice: what was in the way may pass, and the hub has surely not acted upon the request, or
    /// acting upon it again changes nothing (`GET`, `PUT`, `DELETE`).
    ///
    /// That is so where the connection could not be made, or was lost during such a request; where such a request took too long; and where
    /// the hub is overloaded, or something in front of it does not reach it. [`retry_after`](Self::retry_after) may say when.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        let error = self.last();
        match &error.0.kind {
            ErrorKind::Deadline { phase, .. } | ErrorKind::Idle { phase, .. } => *phase < Phase::Send || error.is_idempotent(),
            ErrorKind::Reply(ReplyError::Api(refusal)) => match refusal.status.as_u16() {
                // Something in front of the hub has not heard its answer.
                502 | 504 => error.is_idempotent(),
                _ => refusal.is_overloaded() || refusal.is_passing(),
            },
            _ => error.is_lost(),
        }
    }

    /// The connection was at fault, and the request may be sent again on another.
    pub(crate) fn is_lost(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Transport { phase, source } => {
                let kind = source.downcast_ref().map(io::Error::kind);
                match phase {
                    Phase::Resolve | Phase::Connect => true,
                    // A certificate does not get better.
                    Phase::Tls => kind.is_some_and(|kind| is_closed(kind) || kind == io::ErrorKind::TimedOut),
                    Phase::Send | Phase::Wait | Phase::Read => self.is_idempotent() && kind.is_some_and(is_closed),
                }
            }
            ErrorKind::Reply(ReplyError::Truncated { .. }) => self.is_idempotent(),
            _ => false,
        }
    }

    fn is_idempotent(&self) -> bool {
        self.0.request.as_ref().is_some_and(|request| request.idempotent)
    }

    /// How long to wait before trying again, where the answer says so (`Retry-After`).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.api().and_then(|refusal| refusal.retry_after).map(Duration::from_secs)
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
        self.0.request.as_ref().and_then(|request| request.line.as_ref())
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        Self::new(error.into(), None)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(request) = &self.0.request {
            write!(f, "{request} ")?;
        }
        match (&self.0.kind, &self.0.request) {
            (ErrorKind::Request(error), None) => write!(f, "{error}"),
            (ErrorKind::Request(error), Some(_)) => write!(f, "was not sent: {error}"),
            (ErrorKind::Transport { phase, .. }, _) => f.write_str(match phase {
                Phase::Resolve => "could not find the host; is the address right?",
                Phase::Connect => "could not connect; is the hub running at this address?",
                Phase::Tls => "could not agree on encryption with what is at this address, and nothing was sent",
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
        }?;
        match &self.0.request {
            Some(Request { attempts, elapsed, .. }) if *attempts > 1 => {
                write!(f, " ({attempts} attempts in {:?})", Duration::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)))
            }
            _ => Ok(()),
        }
    }
}

/// What is said of a connection whose other side is gone.
pub(crate) fn is_closed(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionReset | ConnectionAborted | UnexpectedEof)
}

fn doing(phase: Phase) -> &'static str {
    match phase {
        Phase::Resolve => "while the host was looked for; nothing was sent",
        Phase::Connect => "before it was connected; nothing was sent",
        Phase::Tls => "while encryption was agreed upon; nothing was sent",
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
