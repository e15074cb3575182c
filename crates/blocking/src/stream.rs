use std::fmt;
use std::io::{self, Read};

use scramjet_client_core::ReplyError;

use crate::error::{Call, ErrorKind};
use crate::{Error, Phase};

/// The bytes of a stream, as they come.
///
/// A read waits until there is at least one byte, for ever if need be, and does not wait for more. The end of the stream is
/// `Ok(0)`, and only where the hub ended it: a connection that is lost is an error, whose inner error is an [`Error`], and
/// remains one however often it is read on.
///
/// Dropping it closes the connection.
pub struct ByteStream {
    body: Box<dyn Read + Send>,
    call: Call,
    got: u64,
    expected: Option<u64>,
    lost: Option<io::ErrorKind>,
}

impl ByteStream {
    pub(crate) fn new(body: Box<dyn Read + Send>, expected: Option<u64>, call: Call) -> Self {
        Self { body, call, got: 0, expected, lost: None }
    }

    fn fail(&mut self, error: io::Error) -> io::Error {
        let kind = error.kind();
        self.lost = Some(kind);
        let error: Error = match kind {
            io::ErrorKind::UnexpectedEof => self.call.failed(ReplyError::truncated(self.got, self.expected)),
            _ => self.call.failed(ErrorKind::Transport { phase: Phase::Read, source: error.into() }),
        };
        io::Error::new(kind, error)
    }
}

impl Read for ByteStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(kind) = self.lost {
            return Err(self.fail(kind.into()));
        }
        if buf.is_empty() {
            return Ok(0);
        }
        match self.body.read(buf) {
            Ok(0) if self.expected.is_some_and(|expected| self.got < expected) => Err(self.fail(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => {
                self.got = self.got.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => Err(self.fail(error)),
        }
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream").field("of", &self.call.to_string()).field("got", &self.got).finish_non_exhaustive()
    }
}
