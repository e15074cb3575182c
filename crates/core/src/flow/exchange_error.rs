//! The error of an exchange, and its classification.

use alloc::boxed::Box;

use super::{Delivery, ExchangeId, FlowError};
use crate::{ApiError, ReplyError};

/// The reason why an exchange yielded no value.
#[derive(Debug)]
pub(super) struct ExchangeError {
    pub(super) id: ExchangeId,
    pub(super) kind: ErrorKind,
}

#[derive(Debug)]
pub(super) enum ErrorKind {
    /// The transport failed.
    Failed { delivery: Delivery, transient: bool },
    /// The response is a refusal or cannot be read.
    Reply(Box<ReplyError>),
    /// The response is a refusal, and its body is incomplete.
    TruncatedRefusal(Box<ReplyError>),
}

impl ExchangeError {
    /// Returns the error for a response that ended too early.
    pub(super) fn connection_lost(id: ExchangeId) -> Self {
        let kind = ErrorKind::Failed {
            delivery: Delivery::Answered,
            transient: true,
        };
        Self { id, kind }
    }

    /// Returns the refusal if the response is one.
    pub(super) fn api(&self) -> Option<&ApiError> {
        match &self.kind {
            ErrorKind::Failed { .. } => None,
            ErrorKind::Reply(error) | ErrorKind::TruncatedRefusal(error) => error.api(),
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
        match &self.kind {
            ErrorKind::Reply(error) => matches!(**error, ReplyError::Encoded { .. }),
            _ => false,
        }
    }

    /// Returns `true` if the same request may succeed later: the connection was lost, or a gateway
    /// could not reach the hub.
    pub(super) fn is_transient(&self) -> bool {
        match &self.kind {
            ErrorKind::Failed { transient, .. } => *transient,
            ErrorKind::Reply(error) => error.is_transient(),
            // The missing part of the body might have shown that a server error is transient.
            ErrorKind::TruncatedRefusal(error) => {
                let refusal = error.api();
                error.is_transient() || refusal.is_some_and(|api| api.status.is_server_error())
            }
        }
    }

    /// Returns `true` if the hub may have processed the request.
    pub(super) fn may_have_been_processed(&self) -> bool {
        match &self.kind {
            ErrorKind::Failed { delivery, .. } => *delivery >= Delivery::MayBeReceived,
            ErrorKind::Reply(error) | ErrorKind::TruncatedRefusal(error) => match error.api() {
                // With these statuses, the gateway has forwarded the request and got no response.
                Some(refusal) => matches!(refusal.received_status.as_u16(), 502 | 504 | 520..=530),
                None => true,
            },
        }
    }
}

impl From<ExchangeError> for FlowError {
    fn from(ExchangeError { id, kind }: ExchangeError) -> Self {
        match kind {
            ErrorKind::Failed { .. } => Self::Failed(id),
            ErrorKind::Reply(error) | ErrorKind::TruncatedRefusal(error) => Self::Reply(id, error),
        }
    }
}
