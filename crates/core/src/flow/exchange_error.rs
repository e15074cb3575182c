//! The failure of an exchange, and the conclusions that flows draw from it.

use alloc::boxed::Box;

use super::{ExchangeId, FlowError, Progress};
use crate::{ApiError, ReplyError};

/// The reason why an exchange yielded no value.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// The transport failed.
    Failed { progress: Progress, transient: bool },
    /// The response is a refusal or cannot be read.
    Reply(Box<ReplyError>),
    /// The response is a refusal, and its body is incomplete.
    TruncatedRefusal(Box<ReplyError>),
}

impl ExchangeError {
    /// The error for a response that ended too early.
    pub(super) fn connection_lost() -> Self {
        Self::Failed {
            progress: Progress::Answered,
            transient: true,
        }
    }

    pub(super) fn into_flow_error(self, id: ExchangeId) -> FlowError {
        match self {
            Self::Failed { .. } => FlowError::Failed(id),
            Self::Reply(error) | Self::TruncatedRefusal(error) => FlowError::Reply(id, error),
        }
    }

    /// Returns the refusal if the response is one.
    pub(super) fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Failed { .. } => None,
            Self::Reply(error) | Self::TruncatedRefusal(error) => error.api(),
        }
    }

    /// Returns `true` if the refusal has this status.
    pub(super) fn has_status(&self, status: u16) -> bool {
        self.api().is_some_and(|refusal| refusal.status == status)
    }

    /// Returns `true` if the hub itself sent this `404`. A gateway that cannot reach the hub may
    /// send a `404`, too.
    pub(super) fn is_not_found_from_hub(&self) -> bool {
        self.api()
            .is_some_and(|refusal| refusal.is_not_found() && refusal.is_from_hub())
    }

    /// Returns `true` if a proxy compressed the response.
    pub(super) fn is_encoded(&self) -> bool {
        matches!(self, Self::Reply(error) if matches!(**error, ReplyError::Encoded { .. }))
    }

    /// Returns `true` if the same request may succeed later: the connection was lost, or a gateway
    /// could not reach the hub.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Failed { transient, .. } => *transient,
            Self::Reply(error) => error.is_transient(),
            // The missing part of the body might have shown that a server error is transient.
            Self::TruncatedRefusal(error) => {
                let refusal = error.api();
                error.is_transient() || refusal.is_some_and(|api| api.status.is_server_error())
            }
        }
    }

    /// Returns `true` if the hub may have processed the request.
    pub(super) fn may_have_been_processed(&self) -> bool {
        match self {
            Self::Failed { progress, .. } => *progress >= Progress::MayBeReceived,
            Self::Reply(error) | Self::TruncatedRefusal(error) => match error.api() {
                // With these statuses, the gateway has forwarded the request and got no response.
                Some(refusal) => matches!(refusal.received_status.as_u16(), 502 | 504 | 520..=530),
                None => true,
            },
        }
    }
}
