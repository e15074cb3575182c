//! Reads the data of an upload while it is sent.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::body::progress::Reporter;
use crate::body::user_reader::read_retrying;
use crate::limits::call_limits::CallLimits;
use crate::transport::direct::{DirectUpload, DirectWrites, address};

/// The data of an upload. It returns exactly the announced number of bytes, or fails. It keeps its
/// error for the client, because the error of the transport does not tell if the data or the
/// connection failed.
pub(crate) struct UploadReader {
    pub(super) reader: Box<dyn Read + Send>,
    pub(super) length: Option<u64>,
    pub(super) limits: CallLimits,
    pub(super) expects_continue: bool,
    pub(super) reporter: Reporter,
    pub(super) counters: Counters,
    pub(super) direct: Option<DirectWrites>,
    pub(super) started: bool,
    pub(super) sent: u64,
    pub(super) error: Option<io::Error>,
}

/// The progress of an upload, for other threads.
#[derive(Default)]
pub(super) struct Counters {
    /// Number of bytes that the transport has read.
    pub(super) sent: Arc<AtomicU64>,
    /// The transport has read all data.
    pub(super) complete: Arc<AtomicBool>,
}

impl UploadReader {
    /// Returns `true` if the request needs `Expect: 100-continue`.
    pub(crate) fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    pub(crate) fn sent(&self) -> u64 {
        let direct = self.direct.as_ref().map_or(0, DirectWrites::sent);
        self.sent + direct
    }

    /// Returns the direct writes of this data, for a transport.
    pub(crate) fn direct(&self) -> Option<DirectUpload> {
        self.direct.as_ref().map(|writes| DirectUpload {
            writes: writes.clone(),
            reader: address(self),
        })
    }

    /// Returns `true` if all data was read.
    pub(crate) fn is_complete(&self) -> bool {
        self.length == Some(self.sent) || self.counters.complete.load(Ordering::SeqCst)
    }

    /// Returns `true` if a read was attempted.
    pub(crate) fn is_started(&self) -> bool {
        self.started
    }

    pub(crate) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// Keeps the error. Returns another one of the same kind for the transport.
    fn fail(&mut self, error: io::Error) -> io::Error {
        let other = io::Error::new(error.kind(), "cannot upload the data");
        self.error = Some(error);
        other
    }

    fn set_complete(&self) {
        self.counters.complete.store(true, Ordering::SeqCst);
    }

    fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reporter.report_start(self.length)?;
        let left = self.length.map(|length| length - self.sent);
        let max = left
            .and_then(|left| usize::try_from(left).ok())
            .unwrap_or(buf.len())
            .min(buf.len());
        let buf = buf.get_mut(..max).unwrap_or_default();
        if buf.is_empty() {
            if left == Some(0) {
                self.set_complete();
            }
            return Ok(0);
        }
        let read = read_retrying(&mut *self.reader, buf, &self.limits)?;
        if let (0, Some(left)) = (read, left) {
            let text = format!("the data ended {left} bytes before its announced length");
            return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
        }
        self.sent += u64::try_from(read).unwrap_or(u64::MAX);
        self.counters.sent.store(self.sent, Ordering::Relaxed);
        if read == 0 || self.length == Some(self.sent) {
            self.set_complete();
        }
        if read > 0 {
            self.reporter.report(self.sent, self.length)?;
        }
        Ok(read)
    }
}

impl Read for UploadReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.started = true;
        self.try_read(buf).map_err(|error| self.fail(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::upload::Upload;

    fn read_all(upload: Upload) -> (io::Result<Vec<u8>>, Option<io::Error>) {
        let mut reader = upload
            .open(&CallLimits::default())
            .unwrap_or_else(|error| unreachable!("{error}"));
        let mut bytes = Vec::new();
        let result = reader.read_to_end(&mut bytes).map(|_| bytes);
        (result, reader.take_error())
    }

    #[test]
    fn sized_reader_uploads_exactly_its_length() {
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
    fn interrupted_reads_are_retried() {
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
