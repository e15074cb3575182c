//! What a program asks of an error.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scramjet_client_core::{ApiError, Ended, ErrorCode, ReplyError, RequestError};

use crate::error::{Error, ErrorKind};
use crate::transport::{Phase, TransportErrorKind, is_closed};

const PROXY: TransportErrorKind = TransportErrorKind::Proxy;

/// What to do about it.
impl Error {
    /// What kind of failure it is, in the words of the hub and of its TypeScript client: a refusal's own code, `CANNOT_CONNECT`
    /// where there was no answer, `INVALID_RESPONSE` where it cannot be used, `BAD_PARAMETERS` for what was not sent, `GENERAL_ERROR`
    /// for what was given up on this side.
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

    /// The refusal, where the hub (or something in front of it) refused.
    #[must_use]
    pub fn api(&self) -> Option<&ApiError> {
        match self.decisive() {
            ErrorKind::Reply(error) => error.api(),
            _ => None,
        }
    }

    /// No such sequence, instance or route (404), or no sequence of that name.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self.decisive() {
            ErrorKind::SequenceName { found, .. } => found.is_empty(),
            _ => self.api().is_some_and(ApiError::is_not_found),
        }
    }

    /// A 404 of the hub itself. Others may be those of a gateway that does not reach it.
    pub(crate) fn is_hubs_not_found(&self) -> bool {
        self.api()
            .is_some_and(|refusal| refusal.is_not_found() && refusal.is_from_hub())
    }

    /// A 409 of the hub itself.
    #[cfg(feature = "pack")]
    pub(crate) fn is_hubs_conflict(&self) -> bool {
        self.api()
            .is_some_and(|refusal| refusal.is_conflict() && refusal.is_from_hub())
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

    /// No connection could be made; nothing was sent, in no attempt.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        matches!(self.decisive(), ErrorKind::Transport(_))
            && self.phase().is_some_and(|phase| phase < Phase::Send)
    }

    /// It took too long: for its deadline, for its idle timeout, or for the limit for connecting.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self.decisive() {
            ErrorKind::Deadline { .. } | ErrorKind::Idle { .. } => true,
            ErrorKind::Transport(error) => error.io_kind() == Some(io::ErrorKind::TimedOut),
            _ => false,
        }
    }

    /// Nothing moved for as long as the idle timeout.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.decisive(), ErrorKind::Idle { .. })
    }

    /// An item of a stream could not be read; others may follow.
    pub(crate) fn is_of_item(&self) -> bool {
        matches!(
            self.decisive(),
            ErrorKind::Reply(
                ReplyError::Body { .. } | ReplyError::Text { .. } | ReplyError::TooLarge { .. }
            )
        )
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
            ErrorKind::Deadline { phase, .. } | ErrorKind::Idle { phase, .. } => {
                *phase < Phase::Send || error.is_idempotent()
            }
            ErrorKind::Reply(ReplyError::Api(refusal)) => match refusal.received_status.as_u16() {
                // Something in front of the hub has no response, and the hub may have acted.
                502 | 504 | 520..=530 => error.is_idempotent(),
                _ => refusal.is_overloaded() || refusal.is_transient(),
            },
            _ => error.is_lost(),
        }
    }

    /// Whether the same request may succeed later, as far as the network is concerned.
    pub(crate) fn may_pass(&self) -> bool {
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

    /// The connection was at fault, and the request may be sent again on another.
    pub(crate) fn is_lost(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Transport(error) => {
                let kind = error.io_kind();
                match error.phase {
                    Phase::Resolve | Phase::Connect => !self.is_forbidden_by_a_proxy(),
                    // A certificate does not get better.
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

    /// A proxy that knows the hub, but does not let this client through, will say so again; and its address in the environment does not get
    /// better.
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

    /// The time to wait before the next attempt, if the response says so (`Retry-After`). If it
    /// names a time and has no `Date`, this is the time until then by the clock of this machine.
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

    /// It was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.decisive(), ErrorKind::Cancelled { .. })
    }

    /// The hub is too old for the operation, or for an option of it; nothing was sent.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(
            self.decisive(),
            ErrorKind::Request(RequestError::Unsupported { .. })
        )
    }
}
