//! What a row of the table is made of.

use scramjet_client_blocking::error::ReplyError;
use scramjet_client_blocking::transport::{Phase, TransportError};
use scramjet_client_blocking::{ErrorKind, HostClient, OutputStream};
use std::io::Read;
use std::time::Duration;

use scramjet_client_blocking::Error;
use scramjet_client_blocking::core::{EventName, InstanceId, LastEvent};

use crate::server::Fault;

/// What the client asks for.
#[derive(Clone, Copy)]
pub(crate) enum Ask {
    /// A list, which is JSON and read whole.
    Sequences,
    /// A deletion, of whose answer only the end matters.
    Deletion,
    /// The data of an event, which may be any JSON.
    Event,
    /// A stream of bytes, read to its end.
    Stream,
    /// The same line by line, up to the first error.
    Lines,
}

impl Ask {
    /// What came, in words.
    pub(crate) fn of(self, host: &HostClient) -> Result<String, Error> {
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

/// What becomes of a call.
pub(crate) enum Outcome {
    /// This came, in words.
    Gives(&'static str),
    /// It failed: what kind of error it is, and what the error and its causes say of it.
    Fails(fn(&ErrorKind) -> bool, &'static str),
}

/// One fault.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) ask: Ask,
    pub(crate) fault: Fault,
    pub(crate) outcome: Outcome,
    /// Over https, where it is another one: an encrypted connection tells an end from a cut.
    pub(crate) encrypted: Option<Outcome>,
    pub(crate) deadline: Duration,
    /// The next call is made when the server has sent all that it has to send: what comes later than that call, nobody can tell from its answer.
    pub(crate) settles: bool,
}

/// Longer than any of them takes, also on a busy machine: a case that needs its deadline says so.
const ENOUGH: Duration = Duration::from_secs(20);

/// For those that would take for ever.
const SHORT: Duration = Duration::from_millis(400);

impl Case {
    pub(crate) fn gives(name: &'static str, fault: Fault, what: &'static str) -> Self {
        Self {
            name,
            ask: Ask::Sequences,
            fault,
            outcome: Outcome::Gives(what),
            encrypted: None,
            deadline: ENOUGH,
            settles: false,
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
            ..Self::gives(name, fault, "")
        }
    }

    /// A server that would keep the client for ever.
    pub(crate) fn never_ends(name: &'static str, fault: Fault, phase: Phase) -> Self {
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

    pub(crate) fn asking(self, ask: Ask) -> Self {
        Self { ask, ..self }
    }

    /// One that would take for ever, and has something to say when it is given up.
    pub(crate) fn within_short(self) -> Self {
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

/// No answer that can be read.
pub(crate) fn unread(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Transport(TransportError {
            phase: Phase::Wait,
            ..
        })
    )
}

/// The connection was gone before all of the request was there, or before the answer.
pub(crate) fn gone(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Transport(TransportError {
            phase: Phase::Send | Phase::Wait,
            ..
        })
    )
}

/// A body whose framing is none.
pub(crate) fn damaged(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Transport(TransportError {
            phase: Phase::Read,
            ..
        })
    )
}

/// A body that ended before its end.
pub(crate) fn cut(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Reply(ReplyError::Truncated { .. }))
}

/// A success whose body is not the JSON that was expected.
pub(crate) fn useless(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Reply(ReplyError::Body { .. }))
}

/// A success whose body is not even text.
pub(crate) fn no_text(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Reply(ReplyError::Text { .. }))
}

/// A success whose body is compressed.
pub(crate) fn encoded(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Reply(ReplyError::Encoded { .. }))
}

pub(crate) fn too_large(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Reply(ReplyError::TooLarge { .. }))
}

pub(crate) fn refused<const STATUS: u16>(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Reply(ReplyError::Api(refusal)) if refusal.status.as_u16() == STATUS)
}
