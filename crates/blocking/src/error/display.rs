//! What an error says.

use std::fmt;
use std::time::Duration;

use http::Method;
use scramjet_client_core::{Escaped, ReplyError};

use super::Request;
use crate::error::{Error, ErrorKind};
use crate::transport::{Phase, TransportErrorKind};

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        match &self.line {
            Some((method, url)) => write!(f, " ({method} {url})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(request) = &self.0.request {
            write!(f, "{request} ")?;
        }
        // Then it does not matter how much of the request has reached the hub.
        let reads = self.method().is_some_and(Method::is_safe);
        match (&self.0.kind, &self.0.request) {
            (ErrorKind::Request(error), None) => write!(f, "{error}"),
            (ErrorKind::Request(error), Some(_)) => write!(f, "was not sent: {error}"),
            (ErrorKind::Transport(error), _) => f.write_str(match error.phase {
                Phase::Resolve | Phase::Connect if error.kind == TransportErrorKind::Proxy => {
                    "could not connect through the proxy, and nothing was sent to the hub"
                }
                Phase::Resolve => "could not find the host; is the address right?",
                Phase::Connect => "could not connect; is the hub running at this address?",
                Phase::Tls => "could not agree on encryption with what is at this address, and nothing was sent",
                Phase::Send if reads => "was interrupted while the request was sent",
                Phase::Send => "was interrupted while the request was sent, and the hub may have received a part of it",
                Phase::Wait if reads => "got no answer that can be read",
                Phase::Wait => "got no answer that can be read, and the hub may have acted upon it",
                Phase::Read => "was interrupted while the answer was read",
            }),
            (ErrorKind::Deadline { phase, limit }, _) => write!(f, "was given up after {limit:?}, its deadline, {}", doing(*phase, reads)),
            (ErrorKind::Idle { phase, limit }, _) => write!(f, "was given up after {limit:?} in which nothing moved, {}", doing(*phase, reads)),
            (ErrorKind::Cancelled { phase }, _) => write!(f, "was cancelled {}", doing(*phase, reads)),
            (ErrorKind::Ended(ended), _) => write!(f, "failed: {ended}"),
            (ErrorKind::InputEnded, _) => f.write_str(
                "failed: the data was not taken; \
                 the input of the instance has ended before, or nobody reads it",
            ),
            (ErrorKind::OutOfStep(reason), _) => write!(
                f,
                "failed: the channel is out of step, because {reason}; \
                 open another one, to another instance"
            ),
            (ErrorKind::NoInstance(None), _) => f.write_str("failed: no instance is alive"),
            (ErrorKind::NoInstance(Some(_)), _) => {
                f.write_str("failed: no instance is alive, and none could be started")
            }
            (ErrorKind::Failed(event), _) => write!(f, "failed: the instance says {:?} with {}", event.name, Escaped(&event.data)),
            (ErrorKind::SequenceName { name, found }, _) => match found.len() {
                0 => write!(f, "failed: no sequence of this hub is named {name:?}"),
                count => {
                    write!(f, "failed: {count} sequences of this hub are named {name:?}; choose one by its id:")?;
                    found.iter().try_for_each(|id| write!(f, " {id}"))
                }
            },
            (ErrorKind::Attempts(errors), _) => write!(f, "failed {} times", errors.len()),
            (ErrorKind::Upload(_), _) => f.write_str("was abandoned: the data to upload cannot be used"),
            (ErrorKind::Write(_), _) => f.write_str("was abandoned: what came could not be written"),
            (ErrorKind::Thread(_), _) => f.write_str("failed: a thread could not be created"),
            (ErrorKind::Reply(ReplyError::Api(refusal)), _) => {
                write!(f, "was refused: {refusal}")?;
                #[cfg(feature = "ureq")]
                if let Some(tls) = self.tls() {
                    write!(f, "; {tls}")?;
                }
                Ok(())
            }
            (ErrorKind::Reply(error), _) => write!(f, "got a useless answer: {error}"),
        }?;
        match &self.0.request {
            Some(Request {
                attempts, elapsed, ..
            }) if *attempts > 1 => {
                write!(
                    f,
                    " ({attempts} attempts in {:?}",
                    Duration::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
                )?;
                if self.is_sent_before() && !reads {
                    f.write_str(
                        "; one before the last was sent, and the hub may have acted upon it",
                    )?;
                }
                f.write_str(")")
            }
            _ => Ok(()),
        }?;
        self.0.hint.map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl Error {
    /// The last attempt was not sent, and one before it was.
    fn is_sent_before(&self) -> bool {
        matches!(&self.0.kind, ErrorKind::Transport(error) if error.phase < Phase::Send)
            && self.reached() >= Phase::Send
    }
}

fn doing(phase: Phase, reads: bool) -> &'static str {
    match phase {
        Phase::Resolve => "while the host was looked for; nothing was sent",
        Phase::Connect => "before it was connected; nothing was sent",
        Phase::Tls => "while encryption was agreed upon; nothing was sent",
        Phase::Send if reads => "while the request was sent",
        Phase::Send => "while the request was sent, and the hub may have received a part of it",
        Phase::Wait if reads => "while the answer was waited for",
        Phase::Wait => {
            "while the answer was waited for, and the hub may have acted upon the request"
        }
        Phase::Read => "while the answer was read",
    }
}
