use std::fmt;
use std::io::{self, Read};
use std::ops::ControlFlow;

use scramjet_client_core::{Decode, JsonLines, Lines, ReplyError, TextLines};

use crate::call::Call;
use crate::progress::Reporter;
use crate::{Error, ErrorKind, Items, Observed, Progress, Stopped};

/// The bytes of a stream, as they come.
///
/// A read waits until there is at least one byte, for ever unless a limit was set, and does not wait for more. The end of the stream
/// is `Ok(0)`, and only where the hub ended it: a connection that is lost is an error, whose inner error is an [`Error`], and
/// remains one however often it is read on. After an idle timeout it can be read on.
///
/// [`lines`](Self::lines) and [`json_lines`](Self::json_lines) make an iterator of it. Dropping it closes the connection.
pub struct ByteStream {
    body: Box<dyn Read + Send>,
    call: Call,
    got: u64,
    expected: Option<u64>,
    lost: Option<Lost>,
    reporter: Reporter,
    /// What became of it was told to the observer.
    told: bool,
}

/// Why nothing more comes.
#[derive(Clone, Copy)]
enum Lost {
    Stopped(Stopped),
    Broken(io::ErrorKind),
}

impl ByteStream {
    pub(crate) fn new(body: Box<dyn Read + Send>, expected: Option<u64>, call: Call) -> Self {
        Self {
            body,
            call,
            got: 0,
            expected,
            lost: None,
            reporter: Reporter::default(),
            told: false,
        }
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
        self.reporter = Reporter::new(report);
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
    /// # use scramjet_client_blocking::{HostClient, LogLine};
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
        Items::new(self, decoder)
    }

    /// Reads on. Like [`Read::read`], with the library's own error.
    pub(crate) fn pull(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        if let Some(lost) = self.lost {
            return Err(self.fail(match lost {
                Lost::Stopped(stopped) => stopped.into(),
                Lost::Broken(kind) => kind.into(),
            }));
        }
        if buf.is_empty() {
            return Ok(0);
        }
        self.reporter
            .begin(self.expected)
            .map_err(|error| self.fail(error))?;
        loop {
            match self.body.read(buf) {
                Ok(0) if self.expected.is_some_and(|expected| self.got < expected) => {
                    return Err(self.fail(io::ErrorKind::UnexpectedEof.into()));
                }
                Ok(0) => {
                    self.tell_end(true);
                    return Ok(0);
                }
                Ok(read) => {
                    self.got = self
                        .got
                        .saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
                    self.reporter
                        .tell(self.got, self.expected)
                        .map_err(|error| self.fail(error))?;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    fn fail(&mut self, error: io::Error) -> Error {
        self.lost = match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(Stopped::Idle) => None,
            Some(stopped) => Some(Lost::Stopped(*stopped)),
            None => Some(Lost::Broken(error.kind())),
        };
        let error = self
            .call
            .interrupted(error, ReplyError::truncated(self.got, self.expected));
        if self.is_lost() && !std::mem::replace(&mut self.told, true) {
            self.call.tell(&Observed::Failed { error: &error });
        }
        error
    }

    fn tell_end(&mut self, complete: bool) {
        if !std::mem::replace(&mut self.told, true) {
            self.call.tell(&Observed::Body {
                bytes: self.got,
                complete,
            });
        }
    }

    /// Whether there is nothing more to come.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    pub(crate) fn failed(&self, error: ReplyError) -> Error {
        self.call.failed(error)
    }

    /// The error for a writer that does not take what came.
    pub(crate) fn unwritten(&self, error: io::Error) -> Error {
        self.call.failed(ErrorKind::Write(error))
    }
}

impl Drop for ByteStream {
    fn drop(&mut self) {
        self.tell_end(false);
    }
}

impl Read for ByteStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.pull(buf).map_err(io::Error::from)
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream")
            .field("of", &self.call.request().to_string())
            .field("got", &self.got)
            .finish_non_exhaustive()
    }
}
