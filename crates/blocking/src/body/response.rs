//! Reads the body of a response.

use std::fmt;
use std::io::{self, Read};
use std::mem::{swap, take};
use std::panic::resume_unwind;
use std::thread;
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
use crate::support::channel::{Receiver, RecvTimeoutError};
use crate::support::panics::in_drop;
use crate::transport::error::{Phase, TransportError, TransportErrorKind};

/// The body of a response. It feeds a [`Reply`], which counts and decodes the bytes.
pub(crate) struct Body {
    bytes: UserReader,
    call: CallContext,
    failure: Option<Failure>,
    reporter: Reporter,
    /// Copy of the reply's length, for errors and events.
    length: BodyLength,
    /// The observer must still get an event for the end of the body.
    reports_end: bool,
    /// `Some` until [`await_head`](Self::await_head) has received the head of the response.
    opening: Option<Opening>,
    /// Ends the body when its instance ends.
    watch: Option<Watch>,
    /// The body is empty if the hub responds with 404.
    may_be_absent: bool,
}

/// A stream that a thread is opening.
struct Opening {
    result: Receiver<OpenResult>,
    token: CancelToken,
}

/// The result of a thread that opens a stream: the body, an error, or a panic.
type OpenResult = thread::Result<Result<Body, Error>>;

/// The reason why all further reads fail.
#[derive(Clone, Copy)]
enum Failure {
    Stopped(StopReason),
    Lost(io::ErrorKind),
}

impl Body {
    pub(crate) fn new(bytes: UserReader, call: CallContext) -> Self {
        Self {
            bytes,
            call,
            failure: None,
            reporter: Reporter::default(),
            length: BodyLength::default(),
            reports_end: false,
            opening: None,
            watch: None,
            may_be_absent: false,
        }
    }

    /// Creates the body of a stream that a thread is opening, because a proxy may delay the head of
    /// a response until the body has data. `call` describes the stream in errors before the head.
    /// Dropping the body before the head cancels `token`.
    pub(crate) fn opening(
        call: CallContext,
        result: Receiver<OpenResult>,
        token: CancelToken,
    ) -> Self {
        let mut body = Self::new(UserReader::new(Box::new(io::empty())), call);
        body.opening = Some(Opening { result, token });
        body
    }

    pub(crate) fn end_with(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    /// Makes the body empty if the hub responds with 404 from now on.
    pub(crate) fn allow_absence(&mut self) {
        self.may_be_absent = true;
    }

    /// Waits for the head of the response, but not longer than `until`.
    pub(crate) fn await_head(&mut self, until: Option<Instant>) -> Result<(), Error> {
        let Some(Opening { result, .. }) = &self.opening else {
            return Ok(());
        };
        match result.recv_until(until) {
            Ok(Ok(Ok(mut opened))) => {
                swap(&mut self.bytes, &mut opened.bytes);
                swap(&mut self.call, &mut opened.call);
                self.reports_end = take(&mut opened.reports_end);
                self.opening = None;
                Ok(())
            }
            Ok(Ok(Err(error))) if self.may_be_absent && error.is_not_found_by_hub() => {
                self.opening = None;
                Ok(())
            }
            Ok(Ok(Err(error))) => {
                self.opening = None;
                self.failure = Some(Failure::Lost(io::ErrorKind::NotConnected));
                Err(self.explain(error))
            }
            Ok(Err(panic)) => resume_unwind(panic),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            // Unreachable: the thread always sends a result.
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

    /// Runs `read`, and lets the watchdog know that a reader is waiting.
    fn while_reading<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        if let Some(watch) = &self.watch {
            watch.set_reading(true);
        }
        let result = read(self);
        if let Some(watch) = &self.watch {
            watch.set_reading(false);
        }
        result
    }

    /// Makes the body report its end to the observer. For streams, whose call ends before the body.
    pub(crate) fn reporting_end(mut self) -> Self {
        self.reports_end = true;
        self
    }

    pub(crate) fn set_reporter(&mut self, reporter: Reporter) {
        self.reporter = reporter;
    }

    /// Reads until the next item, through `buf`. Returns `None` at the end.
    #[inline]
    pub(crate) fn next_item<D: Decode>(
        &mut self,
        reply: &mut Reply<D>,
        buf: &mut [u8],
    ) -> Result<Option<D::Item>, Error> {
        let mut ended = false;
        loop {
            match reply.next_item() {
                Ok(Step::Item(item)) => return Ok(Some(item)),
                Ok(Step::End) => return Ok(None),
                // Unreachable for decoders that keep the contract.
                Ok(Step::NeedData) if ended => return Err(self.failed(reply.cut_off())),
                Ok(Step::NeedData) => ended = self.read(reply, buf)? == 0,
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// Reads bytes and feeds them to the reply. Returns zero at the end of the body.
    pub(crate) fn read<D: Decode>(
        &mut self,
        reply: &mut Reply<D>,
        buf: &mut [u8],
    ) -> Result<usize, Error> {
        self.length = reply.length();
        let read = match self.read_opened(buf)? {
            Ok(read) => read,
            // An incomplete error response is still an error response.
            Err(_) if !reply.is_success() => return Err(self.failed(reply.cut_off())),
            Err(error) => return Err(self.fail(error)),
        };
        match buf.get(..read) {
            Some(bytes) if read > 0 => {
                reply.feed(bytes);
                self.report_progress(reply.length())?;
            }
            _ if buf.is_empty() => {}
            _ => {
                let ended = reply.end();
                self.report_result(ended.is_ok())?;
            }
        }
        Ok(read)
    }

    /// Reads bytes, after the head of the response was received.
    fn read_opened(&mut self, buf: &mut [u8]) -> Result<io::Result<usize>, Error> {
        if self.failure.is_none() && self.opening.is_some() {
            self.while_reading(|body| body.await_head(None))?;
        }
        Ok(self.while_reading(|body| body.read_bytes(buf)))
    }

    fn report_progress(&mut self, length: BodyLength) -> Result<(), Error> {
        self.length = length;
        self.reporter
            .report(length.received(), length.announced())
            .map_err(|error| self.fail(error))
    }

    /// Reports the end of the body. It is an error if the body is not complete.
    fn report_result(&mut self, complete: bool) -> Result<(), Error> {
        if !complete {
            return Err(self.fail(io::ErrorKind::UnexpectedEof.into()));
        }
        self.report_end(true);
        Ok(())
    }

    fn read_bytes(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.failure {
            Some(Failure::Stopped(reason)) => return Err(reason.into()),
            Some(Failure::Lost(kind)) => return Err(kind.into()),
            None if buf.is_empty() => return Ok(0),
            None => self.reporter.report_start(self.length.announced())?,
        }
        self.bytes.read(buf)
    }

    fn fail(&mut self, error: io::Error) -> Error {
        let kind = error.kind();
        let error = TransportError::new(Phase::Read, error);
        self.failure = match error.kind {
            // The stream can be read again after an idle timeout.
            TransportErrorKind::Stopped(StopReason::Idle) => None,
            TransportErrorKind::Stopped(reason) => Some(Failure::Stopped(reason)),
            _ => Some(Failure::Lost(kind)),
        };
        let error = self.explain(self.call.body_failed(error, self.length));
        if self.has_failed() && take(&mut self.reports_end) {
            self.call.observe(&RequestEvent::Failed { error: &error });
        }
        error
    }

    fn report_end(&mut self, complete: bool) {
        if take(&mut self.reports_end) {
            self.call.observe(&RequestEvent::Body {
                bytes: self.length.received(),
                complete,
            });
        }
    }

    /// Returns `true` if all further reads fail.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    pub(crate) fn call(&self) -> &CallContext {
        &self.call
    }

    pub(crate) fn failed(&self, error: ReplyError) -> Error {
        self.call.failed(error)
    }

    /// Makes the error for a writer that failed to write the data.
    pub(crate) fn write_failed(&self, error: io::Error) -> Error {
        match error.downcast::<StopReason>() {
            Ok(reason) => self.call.stopped(reason, Phase::Read),
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
            self.report_end(false);
        });
    }
}
