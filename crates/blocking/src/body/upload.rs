pub(crate) mod reader;
mod source;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::body::null_line_guard::NullLineGuard;
use crate::body::progress::{Progress, Reporter};
use crate::body::upload::reader::{Counters, UploadReader};
use crate::body::upload::source::{UploadSource, bytes_left, check_gzip};
use crate::body::user_reader::UserReader;
use crate::limits::call_limits::CallLimits;
use crate::transport::direct::DirectWrites;

/// Data to upload: bytes, a file, or a reader. Files and readers are streamed.
///
/// ```
/// # use scramjet_client_blocking::Upload;
/// let upload = Upload::path("dist/package.tar.gz");
/// let upload = Upload::reader(std::io::stdin());
/// let upload = Upload::from(vec![0x1f, 0x8b]);
/// ```
pub struct Upload {
    source: UploadSource,
    check: Check,
    expects_continue: bool,
    reporter: Reporter,
    counters: Counters,
    direct: Option<DirectWrites>,
}

/// The check of the data of an upload.
#[derive(Clone, Copy)]
enum Check {
    Nothing,
    /// Refuses lines `null`, which would end an input.
    NullLines,
    /// Refuses data that is not gzip-compressed.
    Gzip,
}

impl Upload {
    fn new(source: UploadSource) -> Self {
        Self {
            source,
            check: Check::Nothing,
            expects_continue: false,
            reporter: Reporter::default(),
            counters: Counters::default(),
            direct: None,
        }
    }

    /// Uploads bytes from memory.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(UploadSource::Bytes(bytes.into()))
    }

    /// Uploads the content of a file. The call opens it before it connects.
    #[must_use]
    pub fn path(path: impl AsRef<Path>) -> Self {
        Self::new(UploadSource::Path(path.as_ref().to_owned()))
    }

    /// Uploads an open file from its current position to its current end. Pipes and devices are
    /// read until they end.
    #[must_use]
    pub fn file(mut file: File) -> Self {
        let length = bytes_left(&mut file);
        Self::new(UploadSource::Reader(
            UserReader::new(Box::new(file)),
            length,
        ))
    }

    /// Uploads the data of a reader with chunked encoding. Each `read` is sent without delay.
    #[must_use]
    pub fn reader(reader: impl Read + Send + 'static) -> Self {
        Self::new(UploadSource::Reader(
            UserReader::new(Box::new(reader)),
            None,
        ))
    }

    /// Uploads `length` bytes from a reader. If it has fewer, the upload fails. If it has more, the
    /// rest is not read.
    #[must_use]
    pub fn sized_reader(reader: impl Read + Send + 'static, length: u64) -> Self {
        Self::new(UploadSource::Reader(
            UserReader::new(Box::new(reader)),
            Some(length),
        ))
    }

    /// Sends `Expect: 100-continue`, and waits up to a second for the `100 Continue` of the hub
    /// before it sends the data.
    ///
    /// Even without this, the client stops sending as soon as the hub refuses an upload. So this is
    /// useful only if sending data is expensive. It costs a round trip.
    #[must_use]
    pub fn expect_continue(self) -> Self {
        Self {
            expects_continue: true,
            ..self
        }
    }

    /// Sets a callback for progress. The thread that sends the data calls it before the first byte
    /// and after each chunk. If the callback returns `Break`, the upload fails with an error that
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

    /// Refuses lines `null`, which would end an input.
    pub(crate) fn without_null_lines(self) -> Self {
        Self {
            check: Check::NullLines,
            ..self
        }
    }

    /// Sets the way by which the writer of the data can send it itself.
    pub(crate) fn direct(self, writes: DirectWrites) -> Self {
        Self {
            direct: Some(writes),
            ..self
        }
    }

    /// Refuses data that is not gzip-compressed.
    pub(crate) fn package(self) -> Self {
        Self {
            check: Check::Gzip,
            ..self
        }
    }

    /// Returns the number of bytes that the transport has read, for other threads.
    pub(crate) fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.counters.sent)
    }

    /// Returns a flag that is set when the transport has read all data, for other threads.
    pub(crate) fn complete(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.counters.complete)
    }

    /// Returns `true` if there is no data. Opens a file, and reads the first chunk if the length is
    /// unknown.
    pub(crate) fn is_empty(&mut self, limits: &CallLimits) -> io::Result<bool> {
        self.source.is_empty(limits)
    }

    /// Opens the data for a call with these limits.
    pub(crate) fn open(self, limits: &CallLimits) -> io::Result<UploadReader> {
        if let (Check::NullLines, UploadSource::Bytes(bytes)) = (self.check, &self.source) {
            // Checks data in memory before anything is sent.
            let mut guard = NullLineGuard::new(Box::new(&**bytes));
            io::copy(&mut guard, &mut io::sink())?;
        }
        let (reader, length) = self.source.open()?;
        let reader = match self.check {
            Check::NullLines => {
                let reader = NullLineGuard::new(reader);
                if let Some(direct) = &self.direct {
                    direct.check_null_lines(reader.guard());
                }
                Box::new(reader)
            }
            Check::Gzip => check_gzip(reader, length, limits)?,
            Check::Nothing => reader,
        };
        Ok(UploadReader {
            reader,
            length,
            limits: limits.clone(),
            expects_continue: self.expects_continue,
            reporter: self.reporter,
            counters: self.counters,
            direct: self.direct,
            started: false,
            sent: 0,
            error: None,
        })
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            UploadSource::Bytes(bytes) => write!(f, "Upload({} bytes)", bytes.len()),
            UploadSource::Path(path) => write!(f, "Upload({})", path.display()),
            UploadSource::Reader(_, Some(length)) => write!(f, "Upload(reader of {length} bytes)"),
            UploadSource::Reader(_, None) => f.write_str("Upload(reader)"),
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
