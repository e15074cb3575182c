use std::error::Error as StdError;
use std::{fmt, io};

use http::Method;
use scramjet_client_core::{ApiError, ErrorCode, Operation, ReplyError, RequestError};

use crate::{BoxError, Phase};

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
}

impl Call {
    pub(crate) fn unbuilt<O: Operation>() -> Self {
        Self { operation: O::NAME, line: None }
    }

    pub(crate) fn of<O: Operation>(uri: &http::Uri) -> Self {
        Self { operation: O::NAME, line: Some((O::METHOD, uri.to_string())) }
    }

    pub(crate) fn failed(&self, kind: impl Into<ErrorKind>) -> Error {
        Error(Box::new(Inner { kind: kind.into(), request: Some(self.clone()) }))
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
    /// What the caller gave to upload could not be read to its end. The hub may have received a part of it.
    Upload(io::Error),
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
    /// where there was no answer, `INVALID_RESPONSE` where it cannot be used, `BAD_PARAMETERS` for what was not sent.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match &self.0.kind {
            ErrorKind::Request(_) => ErrorCode::BadParameters,
            ErrorKind::Transport { phase: Phase::Read, .. } => ErrorCode::InvalidResponse,
            ErrorKind::Transport { .. } => ErrorCode::CannotConnect,
            ErrorKind::Upload(_) => ErrorCode::GeneralError,
            ErrorKind::Reply(error) => error.api().map_or(ErrorCode::InvalidResponse, |refusal| refusal.code.clone()),
        }
    }

    /// The refusal, where the hub (or something in front of it) refused.
    #[must_use]
    pub fn api(&self) -> Option<&ApiError> {
        match &self.0.kind {
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
        matches!(self.0.kind, ErrorKind::Transport { phase: Phase::Connect, .. })
    }

    /// The hub is too old for the operation, or for an option of it; nothing was sent.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Request(RequestError::Unsupported { .. }))
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
            (ErrorKind::Upload(_), _) => f.write_str("was abandoned: the data to upload could not be read"),
            (ErrorKind::Reply(ReplyError::Api(refusal)), _) => write!(f, "was refused: {refusal}"),
            (ErrorKind::Reply(error), _) => write!(f, "got a useless answer: {error}"),
        }
    }
}

impl StdError for Error {
    /// The cause, below what `Display` says.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.kind {
            ErrorKind::Request(error) => error.source(),
            ErrorKind::Transport { source, .. } => Some(&**source),
            ErrorKind::Upload(error) => Some(error),
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
