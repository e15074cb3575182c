//! The body of a response, as far as it is read.

use std::fmt;
use std::io::{self, Read};

use scramjet_client_core::{BodyLength, Decode, Reply, ReplyError, Step};

use crate::call::Call;
use crate::progress::Reporter;
use crate::{Error, ErrorKind, Observed, Phase, Stopped, TransportError, TransportErrorKind};

/// The body of a response. The only driver of [`Reply`], which counts the bytes and decodes them.
pub(crate) struct Body {
    bytes: Box<dyn Read + Send>,
    call: Call,
    lost: Option<Lost>,
    reporter: Reporter,
    /// How much had come when it was last read.
    length: BodyLength,
    /// The observer is still to be told what became of it.
    untold: bool,
}

/// Why nothing more comes.
#[derive(Clone, Copy)]
enum Lost {
    Stopped(Stopped),
    Broken(io::ErrorKind),
}

impl Body {
    /// The body of a call that tells its observer of its end.
    pub(crate) fn new(bytes: Box<dyn Read + Send>, call: Call) -> Self {
        Self {
            bytes,
            call,
            lost: None,
            reporter: Reporter::default(),
            length: BodyLength::default(),
            untold: false,
        }
    }

    /// The body of a call that is over before its body is.
    pub(crate) fn outlives_its_call(mut self) -> Self {
        self.untold = true;
        self
    }

    pub(crate) fn report_to(&mut self, reporter: Reporter) {
        self.reporter = reporter;
    }

    /// Reads on to the next item, through `buf`. `None` is the end.
    #[inline]
    pub(crate) fn next_item<D: Decode>(
        &mut self,
        reply: &mut Reply<D>,
        buf: &mut [u8],
    ) -> Result<Option<D::Item>, Error> {
        loop {
            match reply.next_item() {
                Ok(Step::Item(item)) => return Ok(Some(item)),
                Ok(Step::End) => return Ok(None),
                Ok(Step::NeedData) => self.read(reply, buf)?,
                Err(error) => return Err(self.failed(error)),
            };
        }
    }

    /// Reads on, and feeds the reply. Nothing is the end of the body.
    pub(crate) fn read<D: Decode>(
        &mut self,
        reply: &mut Reply<D>,
        buf: &mut [u8],
    ) -> Result<usize, Error> {
        self.length = reply.length();
        let read = match self.read_bytes(buf) {
            Ok(read) => read,
            // A refusal that is cut off is a refusal still.
            Err(_) if !reply.is_success() => return Err(self.failed(reply.cut_off())),
            Err(error) => return Err(self.fail(error)),
        };
        match buf.get(..read) {
            Some(bytes) if read > 0 => {
                reply.feed(bytes);
                self.length = reply.length();
                self.reporter
                    .tell(self.length.received(), self.length.announced())
                    .map_err(|error| self.fail(error))?;
            }
            _ if buf.is_empty() => {}
            _ => {
                reply
                    .end()
                    .map_err(|_| self.fail(io::ErrorKind::UnexpectedEof.into()))?;
                self.tell_end(true);
            }
        }
        Ok(read)
    }

    fn read_bytes(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.lost {
            Some(Lost::Stopped(stopped)) => return Err(stopped.into()),
            Some(Lost::Broken(kind)) => return Err(kind.into()),
            None if buf.is_empty() => return Ok(0),
            None => self.reporter.begin(self.length.announced())?,
        }
        loop {
            match self.bytes.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn fail(&mut self, error: io::Error) -> Error {
        let kind = error.kind();
        let error = TransportError::new(Phase::Read, error);
        self.lost = match error.kind {
            TransportErrorKind::Stopped(Stopped::Idle) => None,
            TransportErrorKind::Stopped(stopped) => Some(Lost::Stopped(stopped)),
            _ => Some(Lost::Broken(kind)),
        };
        let error = self.call.interrupted(error, self.length);
        if self.is_lost() && std::mem::take(&mut self.untold) {
            self.call.tell(&Observed::Failed { error: &error });
        }
        error
    }

    fn tell_end(&mut self, complete: bool) {
        if std::mem::take(&mut self.untold) {
            self.call.tell(&Observed::Body {
                bytes: self.length.received(),
                complete,
            });
        }
    }

    /// Whether there is nothing more to come.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    pub(crate) fn call(&self) -> &Call {
        &self.call
    }

    pub(crate) fn failed(&self, error: ReplyError) -> Error {
        self.call.failed(error)
    }

    /// The error for a writer that does not take what came.
    pub(crate) fn unwritten(&self, error: io::Error) -> Error {
        self.call.failed(ErrorKind::Write(error))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("of", &self.call.request().to_string())
            .field("received", &self.length.received())
            .finish_non_exhaustive()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.tell_end(false);
    }
}
