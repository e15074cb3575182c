//! A call as errors and observers know it.

use std::io;
use std::time::{Duration, Instant};

use http::{Method, Uri};
use scramjet_client_core::{BodyLength, Operation};

use crate::call::observer::{Observing, RequestEvent, RequestInfo};
use crate::error::{Error, ErrorKind, Request};
use crate::limits::call_limits::StopReason;
use crate::support::threads::NoThread;
use crate::transport::{Phase, TransportError, TransportErrorKind};

/// What is said of a call when it fails, and on its way. Cheap to make: most calls have nothing to say.
#[derive(Clone)]
pub(crate) struct CallContext {
    pub(crate) operation: &'static str,
    /// Where the request goes; none where it could not be built.
    target: Option<(Method, Uri)>,
    /// Sending it twice does not do more than sending it once.
    idempotent: bool,
    pub(crate) began: Instant,
    /// How many times it was handed to the transport.
    pub(crate) attempts: u32,
    /// How far an attempt got that has failed.
    pub(crate) reached: Phase,
    /// How long it had, where it was limited.
    pub(crate) deadline: Duration,
    pub(crate) idle: Duration,
    pub(crate) observing: Option<Observing>,
}

impl CallContext {
    pub(crate) fn unbuilt<O: Operation>() -> Self {
        Self::in_general(O::NAME)
    }

    /// For what is no request.
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

    pub(crate) fn of(operation: &'static str, method: &Method, uri: &Uri) -> Self {
        Self {
            target: Some((method.clone(), uri.clone())),
            idempotent: method.is_idempotent(),
            ..Self::in_general(operation)
        }
    }

    /// Another request of the same whole, within its limits.
    pub(crate) fn with_request(&self, operation: &'static str, method: &Method, uri: &Uri) -> Self {
        Self {
            began: self.began,
            deadline: self.deadline,
            idle: self.idle,
            ..Self::of(operation, method, uri)
        }
    }

    /// It changes nothing on the hub.
    pub(crate) fn only_asks(&self) -> bool {
        let method = self.target.as_ref().map(|(method, _)| method);
        method.is_none_or(Method::is_safe)
    }

    /// Method and URL.
    pub(crate) fn line(&self) -> Option<(&Method, String)> {
        self.target
            .as_ref()
            .map(|(method, uri)| (method, uri.to_string()))
    }

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

    /// The request as errors tell of it.
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

    pub(crate) fn failed(&self, kind: impl Into<ErrorKind>) -> Error {
        Error::new(kind.into(), Some(self.request()))
    }

    pub(crate) fn stopped(&self, stopped: StopReason, phase: Phase) -> Error {
        // What an attempt before this one has sent stays sent.
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

    /// What a body reports instead of bytes, after so many.
    pub(crate) fn interrupted(&self, error: TransportError, length: BodyLength) -> Error {
        match error.io_kind() {
            Some(io::ErrorKind::UnexpectedEof) => self.failed(length.cut_off()),
            _ => self.unanswered(error),
        }
    }

    /// What an upload reports instead of data.
    pub(crate) fn abandoned(&self, error: io::Error) -> Error {
        match error.downcast::<StopReason>() {
            Ok(stopped) => self.stopped(stopped, Phase::Send),
            Err(error) => self.failed(ErrorKind::Upload(error)),
        }
    }
}
