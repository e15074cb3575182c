use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::panic::resume_unwind;
use std::thread::{self, JoinHandle};

use scramjet_client_core::{ContentType, Operation, Streamed};
use serde::Serialize;

use crate::call::Call;
use crate::client::Client;
use crate::pipe::{PipeWriter, pipe};
use crate::{Error, Input, Sent, TransportError, Upload};

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
/// Dropping it without `finish` ends what is written in the same way, but nobody learns whether it arrived: what was written and flushed
/// is sent, and the hub's answer is lost. A thread of its own does the sending.
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
pub struct StreamWriter {
    pipe: PipeWriter,
    sending: JoinHandle<Result<Sent, Error>>,
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
        let client = client.begin();
        let (pipe, reader) = pipe(&client.limits::<O>()?);
        let input = Input::bytes(Upload::reader(reader)).content_type(options.content_type);
        let input = Input {
            end: options.end,
            ..input
        };
        let thread = thread::Builder::new().name("scramjet-writer".into());
        let sending = thread.spawn(move || send(&client, input));
        Ok(Self {
            pipe,
            sending: sending
                .map_err(|error| Call::unbuilt::<O>().unanswered(TransportError::connect(error)))?,
        })
    }

    /// Ends what is written, and waits for the hub's answer to the end of it: when this returns, the hub has taken everything.
    ///
    /// # Errors
    /// See [`Error`]: the refusal, the lost connection, or the limit that ended it.
    pub fn finish(self) -> Result<Sent, Error> {
        let Self { pipe, sending } = self;
        drop(pipe);
        sending.join().unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// A writer of values, one to a line.
    pub fn json_lines(self) -> JsonLinesWriter {
        JsonLinesWriter { writer: self }
    }
}

impl Write for StreamWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.pipe.write(buf).map_err(explained)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush().map_err(explained)
    }
}

fn explained(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => io::Error::new(
            ErrorKind::BrokenPipe,
            "nothing more is taken; finish() tells why",
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
pub struct JsonLinesWriter {
    writer: StreamWriter,
}

impl JsonLinesWriter {
    /// Writes one value, and waits until it is on its way.
    ///
    /// # Errors
    /// The value cannot be written as JSON, or is `null`: that would end an instance's input, and nothing after it would be delivered
    /// (`InvalidInput`; the next value can be written). Or nothing more is taken (`BrokenPipe`): [`finish`](Self::finish) tells why.
    pub fn send(&mut self, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)
            .map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        if line == b"null" {
            let problem =
                "the value is null, which would end the input: nothing after it would be delivered";
            return Err(io::Error::new(ErrorKind::InvalidInput, problem));
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
}
