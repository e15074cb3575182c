//! The bodies of requests and responses.

use std::io::{self, Read};

use ::ureq::BodyReader;

use super::error::body_error;
use super::send_context;

/// Reads an upload until the server has responded or closed the connection.
///
/// ureq reads the response only after the whole upload. So if the server has responded early, this
/// reader reports the end of the upload. If the upload has an announced length, it instead returns
/// arbitrary bytes up to that length, which `ExchangeMonitor` discards.
pub(super) struct RequestReader<'a> {
    reader: &'a mut (dyn Read + Send),
    /// The rest of the announced length.
    left: Option<u64>,
    is_complete: bool,
}

impl<'a> RequestReader<'a> {
    pub(super) fn new(reader: &'a mut (dyn Read + Send), length: Option<u64>) -> Self {
        Self {
            reader,
            left: length,
            is_complete: length == Some(0),
        }
    }

    /// Returns `true` if ureq has read everything.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }
}

impl Read for RequestReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let is_over = send_context::with(|context| context.upload_is_over);
        let read = match self.left {
            None if is_over => 0,
            None => self.reader.read(buf)?,
            Some(left) => {
                let max = usize::try_from(left).unwrap_or(buf.len()).min(buf.len());
                if is_over {
                    max
                } else {
                    self.reader.read(buf.get_mut(..max).unwrap_or_default())?
                }
            }
        };
        self.left = self
            .left
            .map(|left| left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX)));
        self.is_complete = self.left.map_or(read == 0, |left| left == 0);
        Ok(read)
    }
}

/// Reads the body of a response.
pub(super) struct ResponseBody(pub(super) BodyReader<'static>);

impl Read for ResponseBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(body_error)
    }
}
