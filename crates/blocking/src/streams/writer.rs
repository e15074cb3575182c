use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use scramjet_client_core::{ContentType, Operation, Streamed};
use serde::Serialize;

use crate::body::input::{Input, Sent};
use crate::body::upload::Upload;
use crate::call::context::CallContext;
use crate::client::Client;
use crate::error::Error;
use crate::limits::call_limits::StopReason;
use crate::streams::pipe::{PipeWriter, pipe};
use crate::support::threads;
use crate::transport::error::Phase;

/// How long a writer that is dropped waits for the hub's answer. A hub answers within milliseconds,
/// unless the instance does not read.
const DROP_LIMIT: Duration = Duration::from_secs(5);

/// What is written to an input, a standard input or a topic, and whether that ends with it.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct WriteOptions {
    pub(crate) content_type: ContentType,
    pub(crate) end: Option<bool>,
}

impl WriteOptions {
    /// For data of this type. A standard input takes any.
    pub const fn new(content_type: ContentType) -> Self {
        Self {
            content_type,
            end: None,
        }
    }

    /// Whether the input (or topic) ends with what is written. Where it is not said, an input ends, and a topic does not.
    pub const fn end(self, end: bool) -> Self {
        Self {
            end: Some(end),
            ..self
        }
    }
}

impl From<ContentType> for WriteOptions {
    fn from(content_type: ContentType) -> Self {
        Self::new(content_type)
    }
}

/// Writes to an instance or a topic as one goes along: each `write` and `flush` is one piece that leaves at once.
///
/// `flush` returns when what was written is on its way, so that a line that a person types arrives when it is typed. Writing waits
/// while the hub takes no more. What the hub says to it in the end is told by [`finish`](Self::finish); a write fails with
/// `BrokenPipe` as soon as nothing more is taken, and `finish` tells why.
///
/// End it with `finish`. Dropping it ends what is written in the same way, and waits for the hub's
/// answer for up to 5 seconds, but loses that answer. So does an early return by `?`: what was
/// written until then arrives as if it were all. [`abort`](Self::abort) cuts it off instead, and so
/// does dropping it in a panic: the hub does not end the input, and hands on what has arrived.
///
/// If the instance ends, writing fails within three seconds, and `finish` tells how it ended. A
/// thread of its own does the sending; it ends with the writer, or with the instance.
///
/// ```no_run
/// use std::io::Write;
/// # use scramjet_client_blocking::{ContentType, HostClient};
/// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
/// let mut input = instance.input_writer(ContentType::Text)?;
/// for line in std::io::stdin().lines() {
///     writeln!(input, "{}", line?)?;
///     input.flush()?;
/// }
/// println!("{} bytes were taken", input.finish()?.bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping a writer loses the hub's response; call finish()"]
pub struct StreamWriter {
    /// There until it is finished or aborted.
    pipe: Option<PipeWriter>,
    sent: Receiver<thread::Result<Result<Sent, Error>>>,
    call: CallContext,
}

impl StreamWriter {
    /// Starts the sending of what will be written.
    pub(crate) fn start<O>(
        client: &Client,
        options: WriteOptions,
        send: impl FnOnce(&Client, Input) -> Result<Sent, Error> + Send + 'static,
    ) -> Result<Self, Error>
    where
        O: Operation<Payload = Streamed>,
    {
        let client = client.fix_deadline();
        let (pipe, reader) = pipe(&client.limits::<O>()?);
        let input = Input::bytes(Upload::reader(reader)).content_type(options.content_type);
        let input = Input {
            end: options.end,
            ..input
        };
        let (tell, sent) = sync_channel(1);
        let work = move || {
            let result = catch_unwind(AssertUnwindSafe(|| send(&client, input)));
            // The writer may have been dropped.
            let _ = tell.send(result);
        };
        let call = CallContext::unbuilt::<O>();
        threads::start("scramjet-writer", work).map_err(|error| call.failed(error))?;
        Ok(Self {
            pipe: Some(pipe),
            sent,
            call,
        })
    }

    /// Ends what is written, and waits for the hub's answer to the end of it: when this returns,
    /// the hub has taken everything.
    ///
    /// # Errors
    /// See [`Error`]: the refusal, the lost connection, or the limit that ended it;
    /// [`ErrorKind::Ended`](crate::ErrorKind::Ended) if the instance has ended,
    /// [`ErrorKind::InputEnded`](crate::ErrorKind::InputEnded) if its input had ended before.
    pub fn finish(mut self) -> Result<Sent, Error> {
        self.pipe = None;
        match self.sent.recv() {
            Ok(sent) => sent.unwrap_or_else(|panic| resume_unwind(panic)),
            // The thread always sends something.
            Err(_) => Err(self.call.stopped(StopReason::Cancelled, Phase::Wait)),
        }
    }

    /// Cuts off what is written: the connection is closed in the midst of the request. The input
    /// does not end, and another writer can go on. What was flushed may have reached the instance.
    pub fn abort(mut self) {
        if let Some(pipe) = self.pipe.take() {
            pipe.abort();
            // It has nothing to tell. A hub that hangs is not waited for.
            let _ = self.sent.recv_timeout(DROP_LIMIT);
        }
    }

    fn pipe(&mut self) -> io::Result<&mut PipeWriter> {
        self.pipe
            .as_mut()
            .ok_or_else(|| ErrorKind::BrokenPipe.into())
    }

    /// A writer of values, one to a line.
    pub fn json_lines(self) -> JsonLinesWriter {
        JsonLinesWriter { writer: self }
    }
}

impl Write for StreamWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.pipe()?.write(buf).map_err(explained)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe()?.flush().map_err(explained)
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        let Some(pipe) = self.pipe.take() else {
            return;
        };
        if thread::panicking() {
            return pipe.abort();
        }
        drop(pipe);
        // `finish` is for those who want to know.
        let _ = self.sent.recv_timeout(DROP_LIMIT);
    }
}

fn explained(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => io::Error::new(
            ErrorKind::BrokenPipe,
            "the request has ended; finish() returns the reason",
        ),
        _ => error,
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamWriter")
    }
}

/// Writes values as lines of JSON, each of which leaves at once. Made by [`StreamWriter::json_lines`].
#[derive(Debug)]
#[must_use = "dropping a writer loses the hub's response; call finish()"]
pub struct JsonLinesWriter {
    writer: StreamWriter,
}

impl JsonLinesWriter {
    /// Writes one value, and waits until it is on its way.
    ///
    /// # Errors
    /// The value cannot be written as JSON, or is `null`: that would end an instance's input, and nothing after it would be delivered
    /// (`InvalidInput`; the next value can be written). `BrokenPipe` means that the request has ended, and
    /// [`finish`](Self::finish) returns the reason.
    pub fn send(&mut self, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)
            .map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        if line == b"null" {
            let problem = "the value is null, which ends the input of an instance, \
                           so nothing after it would arrive";
            return Err(io::Error::new(ErrorKind::InvalidInput, problem));
        }
        // Line breaks of a value that was JSON before. In strings, they are escaped.
        for byte in line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
        line.push(b'\n');
        self.writer.write_all(&line)?;
        self.writer.flush()
    }

    /// See [`StreamWriter::finish`].
    ///
    /// # Errors
    /// See [`StreamWriter::finish`].
    pub fn finish(self) -> Result<Sent, Error> {
        self.writer.finish()
    }

    /// See [`StreamWriter::abort`].
    pub fn abort(self) {
        self.writer.abort();
    }
}
