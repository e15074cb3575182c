//! Readers from code outside of this crate. They may panic, or break the contract of `Read`.

use std::io::{self, Read};
use std::mem::replace;

use crate::limits::call_limits::CallLimits;
use crate::support::panics::in_drop;

/// A reader of the user, or a body from a transport. Reading fails if the reader reports more bytes
/// than fit into the buffer, and after a panic of the reader.
pub(crate) struct UserReader {
    reader: Box<dyn Read + Send>,
    /// A read is running, or it has panicked.
    reading: bool,
    /// The limits of the call, if reads that fail with `Interrupted` are retried.
    limits: Option<CallLimits>,
}

impl UserReader {
    pub(crate) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self {
            reader,
            reading: false,
            limits: None,
        }
    }

    /// Retries reads that fail with `Interrupted`, within these limits.
    pub(crate) fn retrying(mut self, limits: CallLimits) -> Self {
        self.limits = Some(limits);
        self
    }
}

impl Read for UserReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if replace(&mut self.reading, true) {
            return Err(io::Error::other("an earlier read panicked"));
        }
        let result = match &self.limits {
            Some(limits) => read_retrying(&mut self.reader, buf, limits),
            None => self.reader.read(buf),
        };
        self.reading = false;
        match result {
            Ok(read) if read > buf.len() => {
                let problem = "the reader reported more bytes than fit into the buffer";
                Err(io::Error::new(io::ErrorKind::InvalidData, problem))
            }
            result => result,
        }
    }
}

impl Drop for UserReader {
    fn drop(&mut self) {
        in_drop(|| drop(replace(&mut self.reader, Box::new(io::empty()))));
    }
}

/// Reads, and retries within the limits of the call if the reader returns `Interrupted`.
pub(crate) fn read_retrying(
    reader: &mut (impl Read + ?Sized),
    buf: &mut [u8],
    limits: &CallLimits,
) -> io::Result<usize> {
    loop {
        match reader.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => limits.check()?,
            result => return result,
        }
    }
}
