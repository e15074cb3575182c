use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::body::null_line_guard::NullLineGuard;
use crate::body::progress::{Progress, Reporter};
use crate::body::user_reader::{UserReader, read_on};
use crate::limits::call_limits::CallLimits;

/// Data to upload: bytes, a file, or a reader. Files and readers are streamed.
///
/// ```
/// # use scramjet_client_blocking::Upload;
/// let upload = Upload::path("dist/package.tar.gz");
/// let upload = Upload::reader(std::io::stdin());
/// let upload = Upload::from(vec![0x1f, 0x8b]);
/// ```
pub struct Upload {
    source: Source,
    sent: Arc<AtomicU64>,
    whole: Arc<AtomicBool>,
    expects: bool,
    check: Check,
    reporter: Reporter,
}

/// The check of the data of an upload.
#[derive(Clone, Copy)]
enum Check {
    Nothing,
    /// Refuses lines of `null`.
    Input,
    /// Refuses data that is not gzip-compressed.
    Package,
}

enum Source {
    Bytes(Vec<u8>),
    Path(PathBuf),
    Reader(UserReader, Option<u64>),
}

impl Upload {
    fn of(source: Source) -> Self {
        Self {
            source,
            sent: Arc::default(),
            whole: Arc::default(),
            expects: false,
            check: Check::Nothing,
            reporter: Reporter::default(),
        }
    }

    /// Uploads bytes from memory.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(Source::Bytes(bytes.into()))
    }

    /// Uploads the content of a file. The call opens it before it connects.
    #[must_use]
    pub fn path(path: impl AsRef<Path>) -> Self {
        Self::of(Source::Path(path.as_ref().to_owned()))
    }

    /// Uploads an open file from its current position to its current end. Pipes and devices are
    /// read until they end.
    #[must_use]
    pub fn file(mut file: File) -> Self {
        let length = bytes_left(&mut file);
        Self::of(Source::Reader(UserReader::new(Box::new(file)), length))
    }

    /// Uploads the data of a reader with chunked encoding. Each `read` is sent without delay.
    #[must_use]
    pub fn reader(reader: impl Read + Send + 'static) -> Self {
        Self::of(Source::Reader(UserReader::new(Box::new(reader)), None))
    }

    /// Uploads `length` bytes from a reader. If it has fewer, the upload fails. If it has more, the
    /// rest is not read.
    #[must_use]
    pub fn sized_reader(reader: impl Read + Send + 'static, length: u64) -> Self {
        Self::of(Source::Reader(
            UserReader::new(Box::new(reader)),
            Some(length),
        ))
    }

    /// Sends `Expect: 100-continue` and waits for the hub's permission before it sends the data,
    /// for at most a second.
    ///
    /// The hub refuses uploads early even without this, and the client stops sending then. So this
    /// is useful only if sending data is expensive. It costs a round trip.
    #[must_use]
    pub fn expect_continue(self) -> Self {
        Self {
            expects: true,
            ..self
        }
    }

    /// Sets a callback for progress. The thread that sends calls it before the first byte and after
    /// each chunk. If the callback returns `Break`, the upload fails with an error that
    /// [`is_cancelled`](crate::Error::is_cancelled).
    ///
    /// ```no_run
    /// # use std::ops::ControlFlow;
    /// # use scramjet_client_blocking::{HostClient, Upload};
    /// # let host = HostClient::new("http://localhost:8000/api/v1")?;
    /// host.send_sequence(Upload::path("package.tar.gz").progress(|progress| {
    ///     eprint!("\r{:>3} %", progress.percent().unwrap_or(0));
    ///     ControlFlow::Continue(())
    /// }))?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn progress(
        self,
        report: impl FnMut(Progress) -> ControlFlow<()> + Send + 'static,
    ) -> Self {
        Self {
            reporter: Reporter::new(report),
            ..self
        }
    }

    /// Refuses lines of `null`, which would end an input.
    pub(crate) fn guarded(self) -> Self {
        Self {
            check: Check::Input,
            ..self
        }
    }

    /// Refuses data that is not gzip-compressed.
    pub(crate) fn package(self) -> Self {
        Self {
            check: Check::Package,
            ..self
        }
    }

    /// Returns the counter of bytes passed to the transport, for other threads.
    pub(crate) fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    /// Returns a flag that is set when all data was passed to the transport, for other threads.
    pub(crate) fn whole(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.whole)
    }

    /// Returns `true` if there is no data. Opens a file, and reads the first chunk if the length is
    /// unknown.
    pub(crate) fn is_empty(&mut self, limits: &CallLimits) -> io::Result<bool> {
        match &mut self.source {
            Source::Bytes(bytes) => Ok(bytes.is_empty()),
            Source::Path(path) => {
                let (reader, length) = open(path)?;
                self.source = Source::Reader(reader, length);
                self.is_empty(limits)
            }
            Source::Reader(_, Some(length)) => Ok(*length == 0),
            Source::Reader(reader, None) => {
                let rest = std::mem::replace(reader, UserReader::new(Box::new(io::empty())));
                let (first, again) = peek(Box::new(rest), None, 1, limits)?;
                *reader = UserReader::new(again);
                Ok(first.is_empty())
            }
        }
    }

    /// Opens the data for a call with these limits.
    pub(crate) fn open(self, limits: &CallLimits) -> io::Result<Opened> {
        let (reader, length): (Box<dyn Read + Send>, _) = match self.source {
            Source::Bytes(bytes) => {
                if let Check::Input = self.check {
                    // Checks data in memory before anything is sent.
                    io::copy(&mut NullLineGuard::new(&*bytes), &mut io::sink())?;
                }
                let length = u64::try_from(bytes.len()).ok();
                (Box::new(io::Cursor::new(bytes)), length)
            }
            Source::Reader(reader, length) => (Box::new(reader), length),
            Source::Path(path) => {
                let (reader, length) = open(&path)?;
                (Box::new(reader), length)
            }
        };
        let reader = match self.check {
            Check::Input => Box::new(NullLineGuard::new(reader)),
            Check::Package => gzip(reader, length, limits)?,
            Check::Nothing => reader,
        };
        Ok(Opened {
            reader,
            limits: limits.clone(),
            length,
            expects: self.expects,
            begun: false,
            sent: 0,
            told: self.sent,
            whole: self.whole,
            reporter: self.reporter,
            error: None,
        })
    }
}

/// Fails if the data does not begin like a gzip file.
fn gzip(
    reader: Box<dyn Read + Send>,
    length: Option<u64>,
    limits: &CallLimits,
) -> io::Result<Box<dyn Read + Send>> {
    const MAGIC: [u8; 2] = [0x1f, 0x8b];
    let (first, reader) = peek(reader, length, MAGIC.len(), limits)?;
    if first.starts_with(&MAGIC) {
        return Ok(reader);
    }
    let begins = match first.as_slice() {
        [] => "it is empty".to_owned(),
        [byte] => format!("it begins with {byte:02x}"),
        [first, second, ..] => format!("it begins with {first:02x} {second:02x}"),
    };
    let text = format!(
        "the package is not gzip-compressed: {begins}, but a gzip file begins with 1f 8b; \
         send a .tar.gz, for example from `tar -czf`"
    );
    Err(io::Error::new(io::ErrorKind::InvalidData, text))
}

/// Reads at least `wanted` bytes, or fewer at the end of the data. Returns them, and a reader that
/// returns them again.
fn peek(
    mut reader: Box<dyn Read + Send>,
    length: Option<u64>,
    wanted: usize,
    limits: &CallLimits,
) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let length = length.and_then(|length| usize::try_from(length).ok());
    let mut first = vec![0; length.map_or(8 << 10, |length| length.min(8 << 10))];
    let mut count = 0;
    while count < wanted {
        let space = first.get_mut(count..).unwrap_or_default();
        match read_on(&mut reader, space, limits)? {
            0 => break,
            read => count += read,
        }
    }
    first.truncate(count);
    let again = io::Cursor::new(first.clone()).chain(reader);
    Ok((first, Box::new(again)))
}

/// Opens a file. Returns its content and length. Errors contain the path.
fn open(path: &Path) -> io::Result<(UserReader, Option<u64>)> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut file = File::open(path).map_err(named)?;
    if file.metadata().map_err(named)?.is_dir() {
        return Err(named(io::ErrorKind::IsADirectory.into()));
    }
    let length = bytes_left(&mut file);
    Ok((UserReader::new(Box::new(file)), length))
}

/// Returns the number of bytes after the position of a regular file. `None` for other files.
fn bytes_left(file: &mut File) -> Option<u64> {
    let data = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    data.len().checked_sub(file.stream_position().ok()?)
}

/// An open upload. It returns exactly the announced number of bytes, or fails. It stores its error,
/// because a transport cannot tell it from errors of the connection.
pub(crate) struct Opened {
    reader: Box<dyn Read + Send>,
    limits: CallLimits,
    length: Option<u64>,
    expects: bool,
    begun: bool,
    sent: u64,
    told: Arc<AtomicU64>,
    whole: Arc<AtomicBool>,
    reporter: Reporter,
    error: Option<io::Error>,
}

impl Opened {
    /// Returns `true` if `Expect: 100-continue` is to be sent.
    pub(crate) fn expects(&self) -> bool {
        self.expects
    }

    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns `true` if all data was read.
    pub(crate) fn is_whole(&self) -> bool {
        self.length == Some(self.sent) || self.whole.load(Ordering::SeqCst)
    }

    /// Returns `true` if a read was attempted.
    pub(crate) fn is_begun(&self) -> bool {
        self.begun
    }

    pub(crate) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    fn fail(&mut self, error: io::Error) -> io::Error {
        let told = io::Error::new(error.kind(), "cannot upload the data");
        self.error = Some(error);
        told
    }
}

impl Read for Opened {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.begun = true;
        self.reporter
            .begin(self.length)
            .map_err(|error| self.fail(error))?;
        let left = self.length.map(|length| length - self.sent);
        let max = left
            .and_then(|left| usize::try_from(left).ok())
            .unwrap_or(buf.len())
            .min(buf.len());
        let buf = buf.get_mut(..max).unwrap_or_default();
        if buf.is_empty() {
            if left == Some(0) {
                self.whole.store(true, Ordering::SeqCst);
            }
            return Ok(0);
        }
        let read = match read_on(&mut *self.reader, buf, &self.limits) {
            Ok(read) => read,
            Err(error) => return Err(self.fail(error)),
        };
        if read == 0 {
            if let Some(left) = left {
                let text = format!("the data ended {left} bytes before its announced length");
                return Err(self.fail(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
            }
        }
        self.sent += u64::try_from(read).unwrap_or(u64::MAX);
        self.told.store(self.sent, Ordering::Relaxed);
        if read == 0 || self.length == Some(self.sent) {
            self.whole.store(true, Ordering::SeqCst);
        }
        if read > 0 {
            self.reporter
                .tell(self.sent, self.length)
                .map_err(|error| self.fail(error))?;
        }
        Ok(read)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Bytes(bytes) => write!(f, "Upload({} bytes)", bytes.len()),
            Source::Path(path) => write!(f, "Upload({})", path.display()),
            Source::Reader(_, Some(length)) => write!(f, "Upload(reader of {length} bytes)"),
            Source::Reader(_, None) => f.write_str("Upload(reader)"),
        }
    }
}

impl From<Vec<u8>> for Upload {
    fn from(bytes: Vec<u8>) -> Self {
        Self::bytes(bytes)
    }
}

impl From<&[u8]> for Upload {
    fn from(bytes: &[u8]) -> Self {
        Self::bytes(bytes)
    }
}

impl From<File> for Upload {
    fn from(file: File) -> Self {
        Self::file(file)
    }
}

impl From<&Path> for Upload {
    fn from(path: &Path) -> Self {
        Self::path(path)
    }
}

impl From<PathBuf> for Upload {
    fn from(path: PathBuf) -> Self {
        Self::path(path)
    }
}

impl From<&PathBuf> for Upload {
    fn from(path: &PathBuf) -> Self {
        Self::path(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(upload: Upload) -> (io::Result<Vec<u8>>, Option<io::Error>) {
        let mut opened = upload
            .open(&CallLimits::default())
            .unwrap_or_else(|error| unreachable!("{error}"));
        let mut bytes = Vec::new();
        let result = opened.read_to_end(&mut bytes).map(|_| bytes);
        (result, opened.take_error())
    }

    #[test]
    fn a_sized_reader_gives_neither_more_nor_less() {
        let (result, _) = read_all(Upload::sized_reader(&b"0123456789"[..], 4));
        assert_eq!(result.ok().as_deref(), Some(&b"0123"[..]));
        let (result, error) = read_all(Upload::sized_reader(&b"0123"[..], 6));
        assert_eq!(
            result.map_err(|error| error.kind()),
            Err(io::ErrorKind::UnexpectedEof)
        );
        assert!(error.is_some_and(|error| error.to_string().contains("2 bytes before")));
    }

    #[test]
    fn an_interrupted_read_is_made_again() {
        struct Interrupted(bool);
        impl Read for Interrupted {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, false) {
                    Err(io::ErrorKind::Interrupted.into())
                } else {
                    Ok(0)
                }
            }
        }
        let (result, error) = read_all(Upload::reader(Interrupted(true)));
        assert_eq!((result.ok(), error.is_none()), (Some(Vec::new()), true));
    }
}
