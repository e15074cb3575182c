//! The messages of errors. All have one form:
//!
//! `<operation> (<METHOD> <url>): <what happened>; <remedy>`
//!
//! - If the request changes something, the text says if the hub may have received it.
//! - The number of attempts follows in parentheses if there were several.
//! - The message does not contain the causes: [`source`](std::error::Error::source) returns them.

use std::fmt;
use std::time::Duration;

use http::Method;
use scramjet_client_core::{Escaped, ReplyError};

use super::Request;
use crate::error::{Error, ErrorKind};
use crate::transport::error::{Phase, TransportErrorKind};

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
            write!(f, "{request}: ")?;
        }
        self.fmt_kind(f)?;
        self.fmt_attempts(f)?;
        self.0.hint.map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl Error {
    fn fmt_kind(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            ErrorKind::Request(error) if self.0.request.is_none() => write!(f, "{error}"),
            ErrorKind::Request(error) => write!(f, "request not sent: {error}"),
            ErrorKind::Transport(error) => {
                f.write_str(failed(error.phase, error.kind))?;
                f.write_str(self.consequence(error.phase))
            }
            ErrorKind::Deadline { phase, limit } => {
                write!(f, "timed out after {limit:?} {}", during(*phase))?;
                f.write_str(self.consequence(*phase))
            }
            ErrorKind::Idle { phase, limit } => {
                let during = during(*phase);
                write!(f, "timed out after {limit:?} of inactivity {during}")?;
                f.write_str(self.consequence(*phase))
            }
            ErrorKind::Cancelled { phase } => {
                write!(f, "cancelled {}", during(*phase))?;
                f.write_str(self.consequence(*phase))
            }
            ErrorKind::Ended(ended) => write!(f, "{ended}"),
            ErrorKind::InputEnded => f.write_str(
                "the instance did not accept the data; \
                 its input has ended, or the program does not read it",
            ),
            ErrorKind::OutOfStep(reason) => write!(
                f,
                "the channel cannot be used any more, because {reason}; \
                 open a channel to another instance"
            ),
            ErrorKind::NoInstance(None) => f.write_str("no instance is alive"),
            ErrorKind::NoInstance(Some(_)) => {
                f.write_str("no instance is alive, and starting one failed")
            }
            ErrorKind::Failed(event) => write!(
                f,
                "the instance reported failure with the event {:?}: {}",
                event.name,
                Escaped(&event.data)
            ),
            ErrorKind::SequenceName { name, found } => match found.len() {
                0 => write!(f, "no sequence on this hub is named {name:?}"),
                count => {
                    write!(
                        f,
                        "{count} sequences on this hub are named {name:?}; choose one by its id:"
                    )?;
                    found.iter().try_for_each(|id| write!(f, " {id}"))
                }
            },
            ErrorKind::Attempts(errors) => {
                write!(f, "all attempts failed ({} errors)", errors.len())
            }
            ErrorKind::Upload(_) => f.write_str("cannot upload the data"),
            ErrorKind::Write(_) => f.write_str("cannot write the received data"),
            ErrorKind::Thread(_) => f.write_str("thread could not be created"),
            ErrorKind::Reply(ReplyError::Api(refusal)) => {
                write!(f, "refused with status {refusal}")?;
                #[cfg(feature = "ureq")]
                if let Some(tls) = self.tls() {
                    write!(f, "; {tls}")?;
                }
                Ok(())
            }
            ErrorKind::Reply(error) => write!(f, "{error}"),
        }
    }

    /// Writes the number of attempts if there were several.
    fn fmt_attempts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.request {
            Some(Request {
                attempts, elapsed, ..
            }) if *attempts > 1 => {
                let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                let elapsed = Duration::from_millis(millis);
                write!(f, " ({attempts} attempts in {elapsed:?}")?;
                if self.is_sent_before() && !self.is_safe() {
                    f.write_str(
                        "; an earlier attempt was sent, and the hub may have processed it",
                    )?;
                }
                f.write_str(")")
            }
            _ => Ok(()),
        }
    }

    /// Returns the part of the text that says if the hub may have received a request that changes
    /// something.
    fn consequence(&self, phase: Phase) -> &'static str {
        match phase {
            Phase::Send if !self.is_safe() => "; the hub may have received part of it",
            Phase::Wait if !self.is_safe() => "; the hub may have processed the request",
            _ => "",
        }
    }

    /// Returns `true` if the request changes nothing on the hub. Then it does not matter if the hub
    /// received it.
    fn is_safe(&self) -> bool {
        self.method().is_some_and(Method::is_safe)
    }

    /// Returns `true` if the last attempt was not sent, and an earlier one was.
    fn is_sent_before(&self) -> bool {
        matches!(&self.0.kind, ErrorKind::Transport(error) if error.phase < Phase::Send)
            && self.reached() >= Phase::Send
    }
}

/// Returns the text for a failure of the transport.
fn failed(phase: Phase, kind: TransportErrorKind) -> &'static str {
    match phase {
        Phase::Resolve | Phase::Connect if kind == TransportErrorKind::Proxy => {
            "could not connect through the proxy; nothing was sent to the hub"
        }
        Phase::Resolve => "name resolution failed; is the address right?",
        Phase::Connect => "could not connect; is the hub running at this address?",
        Phase::Tls => "TLS handshake failed; nothing was sent",
        Phase::Send => "sending the request failed",
        Phase::Wait => "no valid response received",
        Phase::Read => "reading the response failed",
    }
}

/// Returns the text for what the client was doing when the exchange ended.
fn during(phase: Phase) -> &'static str {
    match phase {
        Phase::Resolve => "while resolving the host name; nothing was sent",
        Phase::Connect => "before a connection was established; nothing was sent",
        Phase::Tls => "during the TLS handshake; nothing was sent",
        Phase::Send => "while sending the request",
        Phase::Wait => "while waiting for the response",
        Phase::Read => "while reading the response",
    }
}
