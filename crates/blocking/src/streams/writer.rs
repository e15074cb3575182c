use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::panic::resume_unwind;
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
use crate::support::channel::Receiver;
use crate::support::threads;
use crate::transport::error::Phase;

/// Upper bound for the time that dropping a writer waits for the hub's response. The hub responds
/// within milliseconds, unless the instance does not read.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);

/// Options for writing to an input, a standard input or a topic.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct WriteOptions {
    pub(crate) content_type: ContentType,
    pub(crate) end: Option<bool>,
}

impl WriteOptions {
    /// Creates options for data of this type. A standard input accepts every type.
    pub const fn new(content_type: ContentType) -> Self {
        Self {
            content_type,
            end: None,
        }
    }

    /// Sets if the input or topic ends when the writer is finished. By default, an input ends and a
    /// topic does not.
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

/// Writes to the input of an instance or to a topic.
///
/// The data is sent without delay, by `write` or by a thread. The thread ends with the writer or
/// the instance. `write` blocks while the hub accepts no more data. `flush` returns when the data
/// was sent. Writes without a `flush` between them may arrive as one chunk. When the hub has ended
/// the request, writing fails with `BrokenPipe`, and [`finish`](Self::finish) returns the reason.
///
/// Call `finish` at the end. Dropping the writer, for example by an early return with `?`, also
/// ends the data: the instance gets the data written so far as if it were complete. Dropping waits
/// at most 5 seconds for the hub's response, and discards it.
///
/// [`abort`](Self::abort) closes the connection instead: the input stays open, and the instance
/// gets what was sent. Dropping the writer during a panic does the same.
///
/// If the instance ends, writing fails within three seconds, and `finish` returns how it ended.
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
/// println!("{} bytes sent", input.finish()?.bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping a writer loses the hub's response; call finish()"]
pub struct StreamWriter {
    /// `None` after `finish` or `abort`.
    pipe: Option<PipeWriter>,
    sent: Receiver<thread::Result<Result<Sent, Error>>>,
    call: CallContext,
}

impl StreamWriter {
    /// Starts the thread that sends the data.
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
        let direct = reader.direct();
        let input =
            Input::bytes(Upload::reader(reader).direct(direct)).content_type(options.content_type);
        let input = Input {
            end: options.end,
            ..input
        };
        let call = CallContext::unbuilt::<O>();
        let sent = threads::start_with_result("scramjet-writer", move || send(&client, input))
            .map_err(|error| call.failed(error))?;
        Ok(Self {
            pipe: Some(pipe),
            sent,
            call,
        })
    }

    /// Ends the data and waits until the hub has accepted all of it.
    ///
    /// # Errors
    /// The hub refused the data, the connection was lost, or a limit was reached.
    /// [`ErrorKind::Ended`](crate::ErrorKind::Ended) if the instance has ended,
    /// [`ErrorKind::InputEnded`](crate::ErrorKind::InputEnded) if its input had ended before.
    pub fn finish(mut self) -> Result<Sent, Error> {
        self.pipe = None;
        match self.sent.recv_until(None) {
            Ok(sent) => sent.unwrap_or_else(|panic| resume_unwind(panic)),
            // Unreachable: the thread always sends a result.
            Err(_) => Err(self.call.stopped(StopReason::Cancelled, Phase::Wait)),
        }
    }

    /// Closes the connection before the end of the request, and waits at most 5 seconds for that.
    /// The input stays open, so another writer can continue. The instance may have received the
    /// data that was sent.
    pub fn abort(mut self) {
        if let Some(pipe) = self.pipe.take() {
            pipe.abort();
            // Waits until the connection is closed. The timeout is for transports that hang.
            let _ = self.sent.recv_timeout(DROP_TIMEOUT);
        }
    }

    fn pipe(&mut self) -> io::Result<&mut PipeWriter> {
        self.pipe
            .as_mut()
            .ok_or_else(|| ErrorKind::BrokenPipe.into())
    }

    /// Returns a writer of JSON values, one on each line.
    pub fn json_lines(self) -> JsonLinesWriter {
        JsonLinesWriter { writer: self }
    }
}

impl Write for StreamWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.pipe()?.write(buf).map_err(explained)
    }

    /// Writes the text in one piece. In several, only the first could be sent directly.
    fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        let mut written = String::new();
        fmt::write(&mut written, text).map_err(io::Error::other)?;
        self.write_all(written.as_bytes())
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
        // `finish` returns the result; dropping discards it.
        let _ = self.sent.recv_timeout(DROP_TIMEOUT);
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

/// Writes values as lines of JSON, and sends each without delay. See [`StreamWriter::json_lines`].
#[derive(Debug)]
#[must_use = "dropping a writer loses the hub's response; call finish()"]
pub struct JsonLinesWriter {
    writer: StreamWriter,
}

impl JsonLinesWriter {
    /// Writes one value, and returns when it was sent.
    ///
    /// # Errors
    /// - `InvalidInput`: the value cannot be serialized to JSON, or is `null`. A line with `null`
    ///   would end the input of an instance, and later lines would be lost. Nothing was written,
    ///   and the writer can be used further.
    /// - `BrokenPipe`: the request has ended, and [`finish`](Self::finish) returns the reason.
    pub fn send(&mut self, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)
            .map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        if line == b"null" {
            let problem = "the value is null, which ends the input of an instance, \
                           so nothing after it would arrive";
            return Err(io::Error::new(ErrorKind::InvalidInput, problem));
        }
        // Raw JSON values may contain line breaks between tokens. Those in strings are escaped.
        for byte in line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
        line.push(b'\n');
        self.writer.write_all(&line)?;
        self.writer.flush()
    }

    /// Ends the data, see [`StreamWriter::finish`].
    ///
    /// # Errors
    /// See [`StreamWriter::finish`].
    pub fn finish(self) -> Result<Sent, Error> {
        self.writer.finish()
    }

    /// Closes the connection, see [`StreamWriter::abort`].
    pub fn abort(self) {
        self.writer.abort();
    }
}
