//! The limits of a call: deadline, idle timeout and cancellation.

use std::io::{self, Read};

use http::request::Parts;
use scramjet_client_blocking::transport::{CallLimits, Phase, RequestBody, TransportError};

/// Returns the limits of a request, or an error if one of them is already reached.
pub(crate) fn limits_of(head: &Parts) -> Result<CallLimits, TransportError> {
    let limits = head.extensions.get::<CallLimits>();
    let limits = limits.cloned().unwrap_or_default();
    match limits.check() {
        Ok(()) => Ok(limits),
        Err(stopped) => Err(TransportError::new(Phase::Connect, stopped)),
    }
}

/// A reader of a request body. It fails once the limits of the call are reached.
pub(crate) struct LimitedBody<'a> {
    bytes: &'a [u8],
    reader: Option<io::Take<&'a mut (dyn Read + Send)>>,
    limits: CallLimits,
}

impl<'a> LimitedBody<'a> {
    pub(crate) fn new(body: RequestBody<'a>, limits: CallLimits) -> Self {
        let (bytes, reader): (&[u8], _) = match body {
            RequestBody::Empty => (&[], None),
            RequestBody::Bytes(bytes) => (bytes, None),
            RequestBody::Reader { reader, length } => {
                (&[], Some(reader.take(length.unwrap_or(u64::MAX))))
            }
        };
        Self {
            bytes,
            reader,
            limits,
        }
    }
}

impl Read for LimitedBody<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.limits.check()?;
        match &mut self.reader {
            Some(reader) => reader.read(buf),
            None => self.bytes.read(buf),
        }
    }
}
