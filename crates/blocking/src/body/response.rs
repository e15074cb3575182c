//! The body of a response, as far as it is read.

use std::any::Any;
use std::fmt;
use std::io::{self, Read};
use std::mem::{swap, take};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use scramjet_client_core::{BodyLength, Decode, Reply, ReplyError, Step};

use crate::body::progress::Reporter;
use crate::body::user_reader::UserReader;
use crate::body::watchdog::Watch;
use crate::call::context::CallContext;
use crate::call::observer::RequestEvent;
use crate::error::{Error, ErrorKind};
use crate::limits::call_limits::StopReason;
use crate::limits::cancel::CancelToken;
use crate::support::panics::in_drop;
use crate::transport::error::{Phase, TransportError, TransportErrorKind};

/// The body of a response. The only driver of [`Reply`], which counts the bytes and decodes them.
pub(crate) struct Body {
    bytes: UserReader,
    call: CallContext,
    lost: Option<Lost>,
    reporter: Reporter,
    /// How much had come when it was last read.
    length: BodyLength,
    /// The observer is still to be told what became of it.
    untold: bool,
    /// There until the head of the response has come.
    opening: Option<Opening>,
    /// Ends it with its instance.
    watch: Option<Watch>,
}

/// A stream that is being opened on a thread.
struct Opening {
    opened: Receiver<Opened>,
    token: CancelToken,
}

/// What a thread that opens a stream sends: its body, its error, or a panic.
pub(crate) type Opened = Result<Result<Body, Error>, Box<dyn Any + Send>>;

/// Why nothing more comes.
#[derive(Clone, Copy)]
enum Lost {
    Stopped(StopReason),
    Broken(io::ErrorKind),
}

impl Body {
    /// The body of a call that tells its observer of its end.
    pub(crate) fn new(bytes: UserReader, call: CallContext) -> Self {
        Self {
            bytes,
            call,
            lost: None,
            reporter: Reporter::default(),
            length: BodyLength::default(),
            untold: false,
            opening: None,
            watch: None,
        }
    }

    /// The body of a stream that is being opened on a thread of its own: a proxy may keep the head
    /// of a response back until the first byte of its body comes. The thread sends the body, and
    /// the token ends it. `call` describes it in errors until then.
    pub(crate) fn opening(call: CallContext, opened: Receiver<Opened>, token: CancelToken) -> Self {
        let mut body = Self::new(UserReader::new(Box::new(io::empty())), call);
        body.opening = Some(Opening { opened, token });
        body
    }

    pub(crate) fn end_with(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    /// Waits for the head of the response; no longer than until this time, if one is given.
    pub(crate) fn await_head(&mut self, until: Option<Instant>) -> Result<(), Error> {
        let Some(opening) = &self.opening else {
            return Ok(());
        };
        let opened = match until {
            None => opening
                .opened
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => opening
                .opened
                .recv_timeout(until.saturating_duration_since(Instant::now())),
        };
        match opened {
            Ok(Ok(Ok(mut opened))) => {
                swap(&mut self.bytes, &mut opened.bytes);
                swap(&mut self.call, &mut opened.call);
                self.untold = take(&mut opened.untold);
                // Its token goes on.
                self.opening = None;
                Ok(())
            }
            Ok(Ok(Err(error))) => {
                self.opening = None;
                self.lost = Some(Lost::Broken(io::ErrorKind::NotConnected));
                Err(self.explain(error))
            }
            Ok(Err(panic)) => resume_unwind(panic),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            // The thread always sends something.
            Err(RecvTimeoutError::Disconnected) => {
                Err(self.fail(io::ErrorKind::UnexpectedEof.into()))
            }
        }
    }

    fn explain(&self, error: Error) -> Error {
        match &self.watch {
            Some(watch) => watch.explain(error),
            None => error,
        }
    }

    fn note_wait(&self, since: Option<Instant>) {
        let watch = self.watch.as_ref();
        if let Some(reading) = watch.and_then(|watch| watch.reading.as_ref()) {
            reading.set(since);
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
        let mut over = false;
        loop {
            match reply.next_item() {
                Ok(Step::Item(item)) => return Ok(Some(item)),
                Ok(Step::End) => return Ok(None),
                // A decoder of the user's that breaks its contract.
                Ok(Step::NeedData) if over => return Err(self.failed(reply.cut_off())),
                Ok(Step::NeedData) => over = self.read(reply, buf)? == 0,
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// Reads on, and feeds the reply. Nothing is the end of the body.
    pub(crate) fn read<D: Decode>(
        &mut self,
        reply: &mut Reply<D>,
        buf: &mut [u8],
    ) -> Result<usize, Error> {
        self.length = reply.length();
        if self.lost.is_none() && self.opening.is_some() {
            self.note_wait(Some(Instant::now()));
            let opened = self.await_head(None);
            self.note_wait(None);
            opened?;
        }
        if self.watch.is_some() {
            self.note_wait(Some(Instant::now()));
        }
        let result = self.read_bytes(buf);
        self.note_wait(None);
        let read = match result {
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
        self.bytes.read(buf)
    }

    fn fail(&mut self, error: io::Error) -> Error {
        let kind = error.kind();
        let error = TransportError::new(Phase::Read, error);
        self.lost = match error.kind {
            TransportErrorKind::Stopped(StopReason::Idle) => None,
            TransportErrorKind::Stopped(stopped) => Some(Lost::Stopped(stopped)),
            _ => Some(Lost::Broken(kind)),
        };
        let error = self.explain(self.call.interrupted(error, self.length));
        if self.is_lost() && take(&mut self.untold) {
            self.call.tell(&RequestEvent::Failed { error: &error });
        }
        error
    }

    fn tell_end(&mut self, complete: bool) {
        if take(&mut self.untold) {
            self.call.tell(&RequestEvent::Body {
                bytes: self.length.received(),
                complete,
            });
        }
    }

    /// Whether there is nothing more to come.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    pub(crate) fn call(&self) -> &CallContext {
        &self.call
    }

    pub(crate) fn failed(&self, error: ReplyError) -> Error {
        self.call.failed(error)
    }

    /// The error for a writer that does not take what came.
    pub(crate) fn unwritten(&self, error: io::Error) -> Error {
        match error.downcast::<StopReason>() {
            Ok(stopped) => self.call.stopped(stopped, Phase::Read),
            Err(error) => self.call.failed(ErrorKind::Write(error)),
        }
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
        in_drop(|| {
            if let Some(opening) = &self.opening {
                opening.token.cancel();
            }
            self.tell_end(false);
        });
    }
}
