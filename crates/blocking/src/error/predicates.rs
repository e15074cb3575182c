//! Predicates: methods of an error that help to decide what to do.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scramjet_client_core::{ApiError, Ended, ErrorCode, ReplyError, RequestError};

use crate::error::{Error, ErrorKind};
use crate::transport::error::{Phase, TransportErrorKind};
use crate::transport::is_closed;

const PROXY: TransportErrorKind = TransportErrorKind::Proxy;

/// Predicates. If several attempts failed, they describe the last one.
impl Error {
    /// Returns the code that the hub and its TypeScript client use for this error:
    ///
    /// - the code of the refusal, if the hub refused the request;
    /// - [`BadParameters`](ErrorCode::BadParameters) if the request is invalid and was not sent;
    /// - [`CannotConnect`](ErrorCode::CannotConnect) if there was no response;
    /// - [`InvalidResponse`](ErrorCode::InvalidResponse) if the response cannot be used;
    /// - [`GeneralError`](ErrorCode::GeneralError) for everything else, such as timeouts,
    ///   cancellations and instances that have ended.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self.decisive() {
            ErrorKind::Request(_) => ErrorCode::BadParameters,
            ErrorKind::Transport(error) if error.phase == Phase::Read => ErrorCode::InvalidResponse,
            ErrorKind::Transport(_) => ErrorCode::CannotConnect,
            ErrorKind::Reply(error) => error
                .api()
                .map_or(ErrorCode::InvalidResponse, |refusal| refusal.code.clone()),
            _ => ErrorCode::GeneralError,
        }
    }

    /// Returns the refusal, if the hub, or a proxy in front of it, refused the request.
    #[must_use]
    pub fn api(&self) -> Option<&ApiError> {
        match self.decisive() {
            ErrorKind::Reply(error) => error.api(),
            _ => None,
        }
    }

    /// Returns `true` if there is no such sequence, instance, topic or route (404), or no sequence
    /// of this name.
    ///
    /// A proxy that does not reach the hub may also respond with 404, see
    /// [`ApiError::is_from_hub`].
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self.decisive() {
            ErrorKind::SequenceName { found, .. } => found.is_empty(),
            _ => self.api().is_some_and(ApiError::is_not_found),
        }
    }

    /// Returns `true` for a 404 of the hub itself, and not of a gateway that does not reach the
    /// hub.
    pub(crate) fn is_not_found_by_hub(&self) -> bool {
        self.api()
            .is_some_and(|refusal| refusal.is_not_found() && refusal.is_from_hub())
    }

    /// Returns `true` for a 409 of the hub itself.
    #[cfg(feature = "pack")]
    pub(crate) fn is_conflict_by_hub(&self) -> bool {
        self.api()
            .is_some_and(|refusal| refusal.is_conflict() && refusal.is_from_hub())
    }

    /// Returns `true` if the sequence is in use, or the id or name is already taken (409).
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.api().is_some_and(ApiError::is_conflict)
    }

    /// Returns `true` if the hub lacks resources for another instance (419). Retry later, or stop
    /// an instance first.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.api().is_some_and(ApiError::is_overloaded)
    }

    /// Returns `true` if no attempt could establish a connection. Nothing was sent, so a retry is
    /// safe.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        matches!(self.decisive(), ErrorKind::Transport(_))
            && self.phase().is_some_and(|phase| phase < Phase::Send)
    }

    /// Returns `true` if the deadline, the idle timeout or the connect timeout expired.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self.decisive() {
            ErrorKind::Deadline { .. } | ErrorKind::Idle { .. } => true,
            ErrorKind::Transport(error) => error.io_kind() == Some(io::ErrorKind::TimedOut),
            _ => false,
        }
    }

    /// Returns `true` if the idle timeout expired.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.decisive(), ErrorKind::Idle { .. })
    }

    /// Returns `true` if one item of a stream cannot be decoded. Other items may follow.
    pub(crate) fn is_of_item(&self) -> bool {
        matches!(
            self.decisive(),
            ErrorKind::Reply(
                ReplyError::Body { .. } | ReplyError::Text { .. } | ReplyError::TooLarge { .. }
            )
        )
    }

    /// Returns how the instance ended, if the call failed because it has ended
    /// ([`ErrorKind::Ended`]).
    #[must_use]
    pub fn ended(&self) -> Option<&Ended> {
        match self.decisive() {
            ErrorKind::Ended(ended) => Some(ended),
            _ => None,
        }
    }

    /// Returns the errors of the attempts, if there were several ([`ErrorKind::Attempts`]).
    /// Otherwise the slice is empty.
    #[must_use]
    pub fn attempts(&self) -> &[Error] {
        match &self.0.kind {
            ErrorKind::Attempts(errors) => errors,
            _ => &[],
        }
    }

    /// Returns `true` if a retry may succeed and is safe, because the hub has not processed the
    /// request or the request is idempotent (`GET`, `PUT`, `DELETE`). The cases:
    ///
    /// - The connection could not be established. Exceptions: TLS failed, for example because of
    ///   the certificate, or a proxy forbids the connection.
    /// - The connection was lost, or a timeout expired, and nothing was sent or the request is
    ///   idempotent.
    /// - The hub is overloaded or busy (408, 419, 425, 429, 503).
    /// - A proxy got no response from the hub (502, 504, 520 to 530), and the request is
    ///   idempotent.
    ///
    /// [`retry_after`](Self::retry_after) returns when to retry, if the hub says so.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        let error = self.last();
        match &error.0.kind {
            ErrorKind::Deadline { phase, .. } | ErrorKind::Idle { phase, .. } => {
                *phase < Phase::Send || error.is_idempotent()
            }
            ErrorKind::Reply(ReplyError::Api(refusal)) => match refusal.received_status.as_u16() {
                // A proxy got no response, but the hub may have processed the request.
                502 | 504 | 520..=530 => error.is_idempotent(),
                _ => refusal.is_overloaded() || refusal.is_transient(),
            },
            _ => error.is_lost(),
        }
    }

    /// Returns `true` if the same request may succeed later, because of a network or proxy failure,
    /// a transient refusal, a timeout or a cancellation. Unlike
    /// [`is_retryable`](Self::is_retryable), this also returns `true` if the hub may have processed
    /// the request.
    pub(crate) fn may_be_transient(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Transport(error) => {
                let kind = error.io_kind();
                match error.phase {
                    Phase::Resolve | Phase::Connect => !self.is_forbidden_by_a_proxy(),
                    _ => {
                        kind.is_some_and(|kind| is_closed(kind) || kind == io::ErrorKind::TimedOut)
                            || error.kind == PROXY
                    }
                }
            }
            ErrorKind::Reply(error) => error.is_transient(),
            ErrorKind::Deadline { .. } | ErrorKind::Idle { .. } | ErrorKind::Cancelled { .. } => {
                true
            }
            _ => false,
        }
    }

    /// Returns `true` if the connection failed, and the request may be sent again on another one.
    pub(crate) fn is_lost(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Transport(error) => {
                let kind = error.io_kind();
                match error.phase {
                    Phase::Resolve | Phase::Connect => !self.is_forbidden_by_a_proxy(),
                    // A retry does not help if the certificate is not accepted.
                    Phase::Tls => {
                        kind.is_some_and(|kind| is_closed(kind) || kind == io::ErrorKind::TimedOut)
                    }
                    Phase::Send | Phase::Wait | Phase::Read => {
                        let lost = kind.is_some_and(is_closed) || error.kind == PROXY;
                        self.is_idempotent() && lost
                    }
                }
            }
            ErrorKind::Reply(ReplyError::Truncated { .. }) => self.is_idempotent(),
            _ => false,
        }
    }

    /// Returns `true` if a retry through the proxy is useless: the proxy forbids the connection
    /// (4xx), or its address in the environment is invalid.
    #[cfg(feature = "ureq")]
    fn is_forbidden_by_a_proxy(&self) -> bool {
        let problem = self.proxy().map(crate::transport::ProxyError::problem);
        match problem {
            Some(crate::transport::ProxyProblem::Refused(status)) => status.is_client_error(),
            problem => problem == Some(crate::transport::ProxyProblem::Setting),
        }
    }

    #[cfg(not(feature = "ureq"))]
    fn is_forbidden_by_a_proxy(&self) -> bool {
        false
    }

    fn is_idempotent(&self) -> bool {
        self.0
            .request
            .as_ref()
            .is_some_and(|request| request.idempotent)
    }

    /// Returns the time to wait before a retry, if the response has `Retry-After`. If that header
    /// is a date, and the response has no `Date`, the clock of this machine is used.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let refusal = self.api()?;
        let until = || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
            Some(refusal.retry_at?.since_unix_epoch().saturating_sub(now))
        };
        let seconds = refusal.retry_after.map(Duration::from_secs);
        seconds.or_else(until)
    }

    /// Returns `true` if the call was cancelled, see [`ErrorKind::Cancelled`].
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.decisive(), ErrorKind::Cancelled { .. })
    }

    /// Returns `true` if the hub is too old for the operation, or for one of its options. Nothing
    /// was sent.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(
            self.decisive(),
            ErrorKind::Request(RequestError::Unsupported { .. })
        )
    }
}
