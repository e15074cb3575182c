//! Readers of the program that uses the client: they may panic, and break their contract.

use std::io::{self, Read};
use std::mem::replace;

use crate::limits::call_limits::CallLimits;
use crate::support::panics::in_drop;

/// A reader of the user's, or a body of the user's transport. Reading fails if it claims more bytes
/// than there was room for, and after a panic of it.
pub(crate) struct UserReader {
    reader: Box<dyn Read + Send>,
    /// A read has begun, and not ended.
    reading: bool,
    /// The limits of the call, if interrupted reads are made again here.
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

    /// Makes interrupted reads again, within these limits.
    pub(crate) fn within(mut self, limits: CallLimits) -> Self {
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
            Some(limits) => read_on(&mut self.reader, buf, limits),
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

/// Reads, and makes interrupted reads again within the limits of the call.
pub(crate) fn read_on(
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
