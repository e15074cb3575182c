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

/// A stream of bytes from the hub.
///
/// A read blocks until at least one byte arrives, without a limit by default. It returns `Ok(0)`
/// only if the hub has ended the stream. A lost connection is an [`io::Error`] that contains an
/// [`Error`], and further reads fail as well. After an idle timeout, the stream can be read again.
///
/// After an uncaught exception, a hub of 1.x keeps the streams of the instance open for 195
/// seconds. Streams of a [`Child`](crate::Child) and of
/// [`stream_until_ended`](crate::InstanceClient::stream_until_ended) instead fail within three
/// seconds with [`ErrorKind::Ended`](crate::ErrorKind::Ended).
///
/// [`lines`](Self::lines) and [`json_lines`](Self::json_lines) return iterators. Dropping the
/// stream closes the connection.
pub struct ByteStream {
    body: Body,
    /// Counts the bytes, without decoding them.
    reply: Reply<Discard>,
}

impl ByteStream {
    pub(crate) fn new<D: Decode>(body: Body, reply: Reply<D>) -> Self {
        Self {
            body,
            reply: reply.with_decoder(Discard::default()),
        }
    }

    /// Makes the stream end when the watched instance ends.
    pub(crate) fn ending_with(mut self, watch: Watch) -> Self {
        self.body.end_with(watch);
        self
    }

    /// Waits for the head of the response, but not longer than `until`.
    pub(crate) fn await_head(&mut self, until: Option<Instant>) -> Result<(), Error> {
        self.body.await_head(until)
    }

    /// Makes the stream empty if the hub responds with 404 from now on, because the instance has
    /// ended.
    pub(crate) fn allow_absence(&mut self) {
        self.body.allow_absence();
    }

    /// Returns the body. Nothing may have been read from it before.
    pub(crate) fn into_body(self) -> Body {
        self.body
    }

    /// Sets a callback for progress. The thread that reads calls it before the first read and after
    /// each chunk. Hubs do not announce the total of a stream of an instance. If the callback
    /// returns `Break`, the stream fails with an error that [`is_cancelled`](Error::is_cancelled).
    ///
    /// ```no_run
    /// # use std::ops::ControlFlow;
    /// # use scramjet_client_blocking::HostClient;
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// let mut output = instance.output()?.progress(|progress| {
    ///     match progress.bytes {
    ///         ..10_000_000 => ControlFlow::Continue(()),
    ///         _ => ControlFlow::Break(()),
    ///     }
    /// });
    /// std::io::copy(&mut output, &mut std::fs::File::create("output")?)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn progress(
        mut self,
        report: impl FnMut(Progress) -> ControlFlow<()> + Send + 'static,
    ) -> Self {
        self.body.set_reporter(Reporter::new(report));
        self
    }

    /// Returns an iterator over lines of text, without line terminators (`\n` or `\r\n`).
    ///
    /// If a line is not UTF-8 or longer than 1 MiB, the iterator returns an error and then
    /// continues with the next line.
    pub fn lines(self) -> Items<TextLines> {
        self.items(TextLines::default())
    }

    /// Returns an iterator over lines of bytes, without line terminators (`\n` or `\r\n`).
    ///
    /// If a line is longer than 1 MiB, the iterator returns an error and then continues with the
    /// next line.
    pub fn byte_lines(self) -> Items<Lines> {
        self.items(Lines::default())
    }

    /// Returns an iterator over the values of JSON lines. It skips empty lines.
    ///
    /// If a line cannot be deserialized or is longer than 1 MiB, the iterator returns an error and
    /// then continues with the next line.
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

    /// Returns an iterator over the items of a decoder.
    pub fn items<D: Decode>(self, decoder: D) -> Items<D> {
        Items::new(self.body, self.reply.with_decoder(decoder))
    }

    /// Like [`Read::read`], but returns the error of this crate.
    pub(crate) fn pull(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        self.body.read(&mut self.reply, buf)
    }

    /// Makes the error for a writer that failed to write the data.
    pub(crate) fn write_failed(&self, error: io::Error) -> Error {
        self.body.write_failed(error)
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
