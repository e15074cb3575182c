use http::{HeaderMap, StatusCode, header};

use crate::ReplyError;

/// The number of bytes of a response's body that have arrived, and the announced number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyLength {
    received: u64,
    announced: Option<u64>,
}

impl BodyLength {
    /// Returns the length of a body of which nothing has arrived yet.
    ///
    /// The headers announce a length if they have `Content-Length` but no `Transfer-Encoding`. A
    /// response with the status 1xx, 204 or 304 has no body (RFC 9112, section 6.3).
    #[must_use]
    pub fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let length = headers
            .get(header::CONTENT_LENGTH)
            .filter(|_| !headers.contains_key(header::TRANSFER_ENCODING))
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let is_empty = status.is_informational() || matches!(status.as_u16(), 204 | 304);
        Self {
            received: 0,
            announced: if is_empty { Some(0) } else { length },
        }
    }

    /// Adds bytes that have arrived.
    pub fn add(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.received = self.received.saturating_add(bytes);
    }

    /// Returns the number of bytes that have arrived.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Returns the number of bytes that the headers announce. `None` if the body is chunked or ends
    /// with its connection.
    #[must_use]
    pub fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// Checks that the body is complete.
    ///
    /// # Errors
    /// [`ReplyError::Truncated`] if fewer bytes arrived than announced.
    pub fn end(&self) -> Result<(), ReplyError> {
        match self.announced {
            Some(announced) if self.received < announced => Err(self.cut_off()),
            _ => Ok(()),
        }
    }

    /// Returns the error for a connection that was lost while reading the body.
    #[must_use]
    pub fn cut_off(&self) -> ReplyError {
        ReplyError::Truncated {
            got: self.received,
            expected: self.announced,
        }
    }
}
