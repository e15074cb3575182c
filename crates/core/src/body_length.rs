use http::{HeaderMap, StatusCode, header};

use crate::ReplyError;

/// Counts the bytes of a response's body, and knows how many were announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyLength {
    received: u64,
    announced: Option<u64>,
}

impl BodyLength {
    /// The length of a body of which nothing has come yet. Its headers announce a length if they
    /// hold `Content-Length` and no `Transfer-Encoding`. A response with the status 1xx, 204 or 304
    /// has no body, whatever its headers say (RFC 9112, section 6.3).
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

    /// Adds bytes that have come.
    pub fn add(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.received = self.received.saturating_add(bytes);
    }

    /// How many bytes have come.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// How many bytes the headers announce. `None` if the body comes in chunks, or until its
    /// connection is closed.
    #[must_use]
    pub fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// Checks that a body is complete that ends here.
    ///
    /// # Errors
    /// [`ReplyError::Truncated`] if more was announced than came.
    pub fn end(&self) -> Result<(), ReplyError> {
        match self.announced {
            Some(announced) if self.received < announced => Err(self.cut_off()),
            _ => Ok(()),
        }
    }

    /// The error for a connection that was lost in the middle of the body.
    #[must_use]
    pub fn cut_off(&self) -> ReplyError {
        ReplyError::Truncated {
            got: self.received,
            expected: self.announced,
        }
    }
}
