use std::fmt;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::time::Instant;

use scramjet_client_core::{Decode, Discard, JsonLines, Lines, Reply, TextLines};

use crate::body::items::Items;
use crate::body::progress::{Progress, Reporter};
use crate::body::response::Body;
use crate::body::watchdog::Watch;
use crate::error::Error;

/// The bytes of a stream, as they come.
///
/// A read waits until there is at least one byte, for ever unless a limit was set, and does not wait for more. The end of the stream
/// is `Ok(0)`, and only if the hub ended it: a connection that is lost is an error, whose inner
/// error is an [`Error`], and remains one however often it is read on. After an idle timeout it can
/// be read on.
///
/// A hub of 1.x ends the streams of an instance only 195 seconds after an uncaught exception.
/// Streams of a [`Child`](crate::Child), and those opened by
/// [`stream_until_ended`](crate::InstanceClient::stream_until_ended), do not wait for that.
///
/// [`lines`](Self::lines) and [`json_lines`](Self::json_lines) make an iterator of it. Dropping it closes the connection.
pub struct ByteStream {
    body: Body,
    /// Counts the bytes, which the stream's reader gets as they are.
    reply: Reply<Discard>,
}

impl ByteStream {
    pub(crate) fn new<D: Decode>(body: Body, reply: Reply<D>) -> Self {
        Self {
            body,
            reply: reply.with_decoder(Discard::default()),
        }
    }

    /// Ends it with the instance that the watch is for.
    pub(crate) fn ending_with(mut self, watch: Watch) -> Self {
        self.body.end_with(watch);
        self
    }

    /// Waits for the head of the response; no longer than until this time, if one is given.
    pub(crate) fn await_head(&mut self, until: Option<Instant>) -> Result<(), Error> {
        self.body.await_head(until)
    }

    /// Its body, before anything of it was read.
    pub(crate) fn into_body(self) -> Body {
        self.body
    }

    /// Tells how far it has come: once before the first byte is waited for, and after each piece that came. The total is known where the hub
    /// announced it, which it does for none of its own streams. `Break` ends the stream; it then fails with an error of which
    /// [`is_cancelled`](Error::is_cancelled) is true.
    ///
    /// ```no_run
    /// # use std::ops::ControlFlow;
    /// # use scramjet_client_blocking::HostClient;
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// let mut output = instance.output()?.progress(|progress| {
    ///     // No more than 10 MB of it.
    ///     if progress.bytes > 10_000_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    /// });
    /// std::io::copy(&mut output, &mut std::fs::File::create("output")?)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn progress(
        mut self,
        report: impl FnMut(Progress) -> ControlFlow<()> + Send + 'static,
    ) -> Self {
        self.body.report_to(Reporter::new(report));
        self
    }

    /// Its lines, without their ends (`\n` or `\r\n`).
    ///
    /// A line that is not UTF-8 or longer than 1 MiB is an error of its own, and the next one comes as usual.
    pub fn lines(self) -> Items<TextLines> {
        self.items(TextLines::default())
    }

    /// Its lines as bytes. One that is longer than 1 MiB is an error of its own, and the next one comes as usual.
    pub fn byte_lines(self) -> Items<Lines> {
        self.items(Lines::default())
    }

    /// Its lines as values. Empty lines are passed over.
    ///
    /// A line that is not what was expected, or longer than 1 MiB, is an error of its own, and the next one comes as usual.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # use scramjet_client_blocking::types::LogLine;
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// for line in instance.log()?.json_lines::<LogLine>() {
    ///     println!("{}", line?.msg);
    /// }
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn json_lines<T: serde::de::DeserializeOwned>(self) -> Items<JsonLines<T>> {
        self.items(JsonLines::default())
    }

    /// What a decoder makes of it.
    pub fn items<D: Decode>(self, decoder: D) -> Items<D> {
        Items::new(self.body, self.reply.with_decoder(decoder))
    }

    /// Reads on. Like [`Read::read`], with the library's own error.
    pub(crate) fn pull(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        self.body.read(&mut self.reply, buf)
    }

    /// The error for a writer that does not take what came.
    pub(crate) fn unwritten(&self, error: io::Error) -> Error {
        self.body.unwritten(error)
    }
}

impl Read for ByteStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.pull(buf).map_err(io::Error::from)
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ByteStream").field(&self.body).finish()
    }
}
