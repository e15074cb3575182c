//! The parts of a row of the table.

use scramjet_client_blocking::error::ReplyError;
use scramjet_client_blocking::transport::{Phase, TransportError};
use scramjet_client_blocking::{ErrorKind, HostClient, OutputStream};
use std::io::Read;
use std::time::Duration;

use scramjet_client_blocking::Error;
use scramjet_client_blocking::core::{EventName, InstanceId, LastEvent};

use crate::server::Fault;

/// The call of a row.
#[derive(Clone, Copy)]
pub(crate) enum Call {
    /// A JSON list, which is read whole.
    Sequences,
    /// A deletion, whose response body is discarded.
    Deletion,
    /// The data of an event, which may be any JSON.
    Event,
    /// A byte stream, read to its end.
    Stream,
    /// A stream read by lines, up to the first error.
    Lines,
}

impl Call {
    /// Runs the call and returns the result as text.
    pub(crate) fn run(self, host: &HostClient) -> Result<String, Error> {
        match self {
            Self::Sequences => host
                .list_sequences()
                .map(|sequences| format!("{} sequences", sequences.len())),
            Self::Deletion => host.delete_sequence("x").map(|()| "deleted".to_owned()),
            Self::Event => host
                .call(&LastEvent {
                    id: &InstanceId::try_from("i")?,
                    name: &EventName::try_from("e")?,
                })
                .map(|event| event.data.to_string()),
            Self::Stream => {
                let mut stream = host.instance("i")?.stream(OutputStream::Stdout)?;
                let mut bytes = Vec::new();
                match stream.read_to_end(&mut bytes) {
                    Ok(_) => Ok(format!("{:?}", String::from_utf8_lossy(&bytes))),
                    Err(error) => Err(error.downcast::<Error>().expect("the client's own error")),
                }
            }
            Self::Lines => {
                let lines = host.instance("i")?.stream(OutputStream::Stdout)?.lines();
                let lines = lines.collect::<Result<Vec<_>, _>>()?;
                Ok(format!("{lines:?}"))
            }
        }
    }
}

/// The expected outcome of a call.
pub(crate) enum Outcome {
    /// The call returns this result, as text.
    Returns(&'static str),
    /// The call fails with this kind of error. The text is part of the error and its causes.
    Fails(fn(&ErrorKind) -> bool, &'static str),
}

/// A row: a fault, a call and its outcome.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) call: Call,
    pub(crate) fault: Fault,
    pub(crate) outcome: Outcome,
    /// The outcome over https, if it differs. TLS distinguishes an orderly end from a lost
    /// connection.
    pub(crate) encrypted: Option<Outcome>,
    pub(crate) deadline: Duration,
    /// Waits until the server has sent everything before the next call. A client cannot recognize
    /// additional bytes that arrive after its next request.
    pub(crate) waits_for_server: bool,
}

/// Longer than any call takes on a busy machine. Cases that reach their deadline set another one.
const ENOUGH: Duration = Duration::from_secs(20);

/// For calls that would never return.
const SHORT: Duration = Duration::from_millis(400);

impl Case {
    pub(crate) fn returns(name: &'static str, fault: Fault, what: &'static str) -> Self {
        Self {
            name,
            call: Call::Sequences,
            fault,
            outcome: Outcome::Returns(what),
            encrypted: None,
            deadline: ENOUGH,
            waits_for_server: false,
        }
    }

    pub(crate) fn fails(
        name: &'static str,
        fault: Fault,
        kind: fn(&ErrorKind) -> bool,
        says: &'static str,
    ) -> Self {
        Self {
            outcome: Outcome::Fails(kind, says),
            ..Self::returns(name, fault, "")
        }
    }

    /// Returns a case that only ends with its deadline, in this phase.
    pub(crate) fn ends_with_deadline(name: &'static str, fault: Fault, phase: Phase) -> Self {
        let kind: fn(&ErrorKind) -> bool = match phase {
            Phase::Wait => |kind| {
                matches!(
                    kind,
                    ErrorKind::Deadline {
                        phase: Phase::Wait,
                        ..
                    }
                )
            },
            _ => |kind| {
                matches!(
                    kind,
                    ErrorKind::Deadline {
                        phase: Phase::Read,
                        ..
                    }
                )
            },
        };
        Self {
            deadline: SHORT,
            ..Self::fails(name, fault, kind, ": timed out after 400ms ")
        }
    }

    pub(crate) fn calling(self, call: Call) -> Self {
        Self { call, ..self }
    }

    /// Sets a short deadline, for an endless response whose error is more useful than a timeout.
    pub(crate) fn with_short_deadline(self) -> Self {
        Self {
            deadline: SHORT,
            ..self
        }
    }

    pub(crate) fn encrypted(self, outcome: Outcome) -> Self {
        Self {
            encrypted: Some(outcome),
            ..self
        }
    }
}

/// The response could not be parsed.
pub(crate) fn is_unreadable(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Transport(TransportError {
            phase: Phase::Wait,
            ..
        })
    )
}

/// The connection was lost before the end of the request, or before the response.
pub(crate) fn is_connection_lost(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Transport(TransportError {
            phase: Phase::Send | Phase::Wait,
            ..
        })
    )
}

/// The framing of the body is invalid.
pub(crate) fn is_bad_framing(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Transport(TransportError {
            phase: Phase::Read,
            ..
        })
    )
}

/// The body is shorter than announced.
pub(crate) fn cut(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Reply(ReplyError::Truncated { .. }))
}

/// The body of a success is not the expected JSON.
pub(crate) fn is_not_json(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Reply(ReplyError::Body { .. }))
}

/// The body of a success is not UTF-8.
pub(crate) fn is_not_utf_8(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Reply(ReplyError::Text { .. }))
}

/// The body of a success is compressed.
pub(crate) fn is_compressed(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Reply(ReplyError::Encoded { .. }))
}

pub(crate) fn is_too_large(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Reply(ReplyError::TooLarge { .. }))
}

pub(crate) fn is_status<const STATUS: u16>(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Reply(ReplyError::Api(refusal)) if refusal.status.as_u16() == STATUS)
}
