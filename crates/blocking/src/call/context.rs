//! The context of a call: its limits, and what errors and events for observers say about it.

use std::io;
use std::time::{Duration, Instant};

use http::{Method, Uri};
use scramjet_client_core::{BodyLength, Operation};

use crate::call::observer::{RequestEvent, RequestInfo, RequestObserver};
use crate::error::{Error, ErrorKind, Request};
use crate::limits::call_limits::{CallLimits, StopReason};
use crate::support::threads::NoThread;
use crate::transport::error::{Phase, TransportError, TransportErrorKind};

/// The operation, request, limits and progress of a call. Cheap to make, because most calls neither
/// fail nor have an observer.
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
    /// The latest phase that a failed attempt has reached.
    pub(crate) reached: Phase,
    pub(crate) limits: CallLimits,
    pub(crate) observer: Option<RequestObserver>,
}

impl CallContext {
    /// Returns the context for a request that could not be built.
    pub(crate) fn unbuilt<O: Operation>() -> Self {
        Self::without_request(O::NAME)
    }

    /// Returns the context for an operation that is not a single request.
    pub(crate) fn without_request(operation: &'static str) -> Self {
        Self {
            operation,
            target: None,
            idempotent: false,
            began: Instant::now(),
            attempts: 0,
            reached: Phase::Resolve,
            limits: CallLimits::default(),
            observer: None,
        }
    }

    /// Returns the context for a request.
    pub(crate) fn new(operation: &'static str, method: &Method, uri: &Uri) -> Self {
        Self {
            target: Some((method.clone(), uri.clone())),
            idempotent: method.is_idempotent(),
            ..Self::without_request(operation)
        }
    }

    /// Returns the context for a request. `uri` is `None` if it could not be built.
    pub(crate) fn described(operation: &'static str, method: &Method, uri: Option<&Uri>) -> Self {
        match uri {
            Some(uri) => Self::new(operation, method, uri),
            None => Self::without_request(operation),
        }
    }

    /// Returns the context for another request of the same call. It has the same limits.
    pub(crate) fn with_request(&self, operation: &'static str, method: &Method, uri: &Uri) -> Self {
        Self {
            began: self.began,
            limits: self.limits.clone(),
            ..Self::new(operation, method, uri)
        }
    }

    /// Returns `true` if the request changes nothing on the hub.
    pub(crate) fn is_read_only(&self) -> bool {
        let method = self.target.as_ref().map(|(method, _)| method);
        method.is_none_or(Method::is_safe)
    }

    fn method_and_url(&self) -> Option<(&Method, String)> {
        self.target
            .as_ref()
            .map(|(method, uri)| (method, uri.to_string()))
    }

    /// Passes an event to the observer, if there is one.
    pub(crate) fn observe(&self, event: &RequestEvent<'_>) {
        let Some(RequestObserver { observer, number }) = &self.observer else {
            return;
        };
        if let Some((method, url)) = self.method_and_url() {
            let request = RequestInfo {
                number: *number,
                operation: self.operation,
                method,
                url: &url,
                elapsed: self.began.elapsed(),
            };
            observer.observe(&request, event);
        }
    }

    /// Checks if the call may continue. The error says that it was stopped in this phase.
    pub(crate) fn check(&self, phase: Phase) -> Result<(), Error> {
        self.limits
            .check()
            .map_err(|reason| self.stopped(reason, phase))
    }

    /// Sleeps for this long, or until a limit of the call is reached.
    pub(crate) fn pause(&self, pause: Duration, phase: Phase) -> Result<(), Error> {
        self.limits
            .pause(pause)
            .map_err(|reason| self.stopped(reason, phase))
    }

    /// Returns the request for an error.
    pub(crate) fn request(&self) -> Request {
        Request {
            operation: self.operation,
            line: self
                .method_and_url()
                .map(|(method, url)| (method.clone(), url)),
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
    pub(crate) fn stopped(&self, reason: StopReason, phase: Phase) -> Error {
        // An earlier attempt may have reached a later phase, so the hub may have its data.
        let phase = phase.max(self.reached);
        self.failed(match reason {
            StopReason::Deadline => ErrorKind::Deadline {
                phase,
                limit: self.limits.time_limit,
            },
            StopReason::Idle => ErrorKind::Idle {
                phase,
                limit: self.limits.idle.unwrap_or_default(),
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

    /// Makes the error for a transport that failed.
    pub(crate) fn transport_failed(&self, error: TransportError) -> Error {
        match error.kind {
            TransportErrorKind::Stopped(reason) => self.stopped(reason, error.phase),
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
    pub(crate) fn body_failed(&self, error: TransportError, length: BodyLength) -> Error {
        match error.io_kind() {
            Some(io::ErrorKind::UnexpectedEof) => self.failed(length.cut_off()),
            _ => self.transport_failed(error),
        }
    }

    /// Makes the error for an upload whose data failed.
    pub(crate) fn upload_failed(&self, error: io::Error) -> Error {
        match error.downcast::<StopReason>() {
            Ok(reason) => self.stopped(reason, Phase::Send),
            Err(error) => self.failed(ErrorKind::Upload(error)),
        }
    }
}
