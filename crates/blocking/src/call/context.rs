//! The context of a call, from which errors and events for observers are made.

use std::io;
use std::time::{Duration, Instant};

use http::{Method, Uri};
use scramjet_client_core::{BodyLength, Operation};

use crate::call::observer::{Observing, RequestEvent, RequestInfo};
use crate::error::{Error, ErrorKind, Request};
use crate::limits::call_limits::StopReason;
use crate::support::threads::NoThread;
use crate::transport::error::{Phase, TransportError, TransportErrorKind};

/// The operation, request and progress of a call. Cheap to make, because most calls neither fail
/// nor have an observer.
#[derive(Clone)]
pub(crate) struct CallContext {
    pub(crate) operation: &'static str,
    /// Method and URL. `None` if there is no request, or it could not be built.
    target: Option<(Method, Uri)>,
    /// Sending the request twice has the same effect as sending it once.
    idempotent: bool,
    pub(crate) began: Instant,
    /// Number of times that the transport got the request.
    pub(crate) attempts: u32,
    /// Phase of the failed attempt that got furthest.
    pub(crate) reached: Phase,
    /// Time that the call may take. Zero if there is no deadline.
    pub(crate) deadline: Duration,
    /// Idle timeout. Zero if there is none.
    pub(crate) idle: Duration,
    pub(crate) observing: Option<Observing>,
}

impl CallContext {
    /// Returns the context for a request that could not be built.
    pub(crate) fn unbuilt<O: Operation>() -> Self {
        Self::in_general(O::NAME)
    }

    /// Returns the context for an operation that is not a single request.
    pub(crate) fn in_general(what: &'static str) -> Self {
        Self {
            operation: what,
            target: None,
            idempotent: false,
            began: Instant::now(),
            attempts: 0,
            reached: Phase::Resolve,
            deadline: Duration::ZERO,
            idle: Duration::ZERO,
            observing: None,
        }
    }

    /// Returns the context for a request.
    pub(crate) fn of(operation: &'static str, method: &Method, uri: &Uri) -> Self {
        Self {
            target: Some((method.clone(), uri.clone())),
            idempotent: method.is_idempotent(),
            ..Self::in_general(operation)
        }
    }

    /// Returns the context for another request of the same call. It has the same limits.
    pub(crate) fn with_request(&self, operation: &'static str, method: &Method, uri: &Uri) -> Self {
        Self {
            began: self.began,
            deadline: self.deadline,
            idle: self.idle,
            ..Self::of(operation, method, uri)
        }
    }

    /// Returns `true` if the request changes nothing on the hub.
    pub(crate) fn only_asks(&self) -> bool {
        let method = self.target.as_ref().map(|(method, _)| method);
        method.is_none_or(Method::is_safe)
    }

    /// Returns method and URL.
    pub(crate) fn line(&self) -> Option<(&Method, String)> {
        self.target
            .as_ref()
            .map(|(method, uri)| (method, uri.to_string()))
    }

    /// Passes an event to the observer, if there is one.
    pub(crate) fn tell(&self, event: &RequestEvent<'_>) {
        let Some(observing) = &self.observing else {
            return;
        };
        if let Some((method, url)) = self.line() {
            let request = RequestInfo {
                number: observing.number,
                operation: self.operation,
                method,
                url: &url,
                elapsed: self.began.elapsed(),
            };
            observing.observer.observe(&request, event);
        }
    }

    /// Returns the request for an error.
    pub(crate) fn request(&self) -> Request {
        Request {
            operation: self.operation,
            line: self.line().map(|(method, url)| (method.clone(), url)),
            idempotent: self.idempotent,
            attempts: self.attempts,
            reached: self.reached,
            elapsed: self.began.elapsed(),
        }
    }

    /// Makes an error of this call.
    pub(crate) fn failed(&self, kind: impl Into<ErrorKind>) -> Error {
        Error::new(kind.into(), Some(self.request()))
    }

    /// Makes the error for a limit that ended the call.
    pub(crate) fn stopped(&self, stopped: StopReason, phase: Phase) -> Error {
        // An earlier attempt may have got further, and what it sent stays sent.
        let phase = phase.max(self.reached);
        self.failed(match stopped {
            StopReason::Deadline => ErrorKind::Deadline {
                phase,
                limit: self.deadline,
            },
            StopReason::Idle => ErrorKind::Idle {
                phase,
                limit: self.idle,
            },
            StopReason::Cancelled => ErrorKind::Cancelled { phase },
        })
    }

    /// Makes the error for several attempts. A single attempt is its own error.
    pub(crate) fn of_attempts(&self, mut errors: Vec<Error>) -> Error {
        match errors.pop() {
            Some(only) if errors.is_empty() => only,
            last => {
                errors.extend(last);
                self.failed(ErrorKind::Attempts(errors))
            }
        }
    }

    /// Makes the error for a transport that returned no response.
    pub(crate) fn unanswered(&self, error: TransportError) -> Error {
        match error.kind {
            TransportErrorKind::Stopped(stopped) => self.stopped(stopped, error.phase),
            TransportErrorKind::Thread => self.failed(ErrorKind::Thread(
                match error.source.downcast::<NoThread>() {
                    Ok(no_thread) => no_thread.0,
                    Err(source) => io::Error::other(source),
                },
            )),
            _ => self.failed(ErrorKind::Transport(error)),
        }
    }

    /// Makes the error for a response body that failed. `length` has the number of bytes received.
    pub(crate) fn interrupted(&self, error: TransportError, length: BodyLength) -> Error {
        match error.io_kind() {
            Some(io::ErrorKind::UnexpectedEof) => self.failed(length.cut_off()),
            _ => self.unanswered(error),
        }
    }

    /// Makes the error for an upload whose data failed.
    pub(crate) fn abandoned(&self, error: io::Error) -> Error {
        match error.downcast::<StopReason>() {
            Ok(stopped) => self.stopped(stopped, Phase::Send),
            Err(error) => self.failed(ErrorKind::Upload(error)),
        }
    }
}
