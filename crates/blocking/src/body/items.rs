use std::fmt;
use std::iter::FusedIterator;

use scramjet_client_core::{Decode, EventLines, Reply};

use crate::body::response::Body;
use crate::error::Error;

/// An iterator over the items of a stream. It blocks until the next item arrives.
///
/// If an item cannot be decoded, the iterator returns an error and then continues, unless
/// [`until_error`](Self::until_error) is set. After a lost connection it returns an error and ends.
/// After an idle timeout it can continue. Dropping it closes the connection.
pub struct Items<D> {
    body: Body,
    reply: Reply<D>,
    /// Read buffer, allocated at the first read. On the stack, it would be zeroed for each item.
    buf: Vec<u8>,
    ended: bool,
    until_error: bool,
}

/// The events of one name. The hub does not end this stream when the instance ends.
pub type EventStream = Items<EventLines>;

impl<D: Decode> Items<D> {
    pub(crate) fn new(body: Body, reply: Reply<D>) -> Self {
        Self {
            body,
            reply,
            buf: Vec::new(),
            ended: false,
            until_error: false,
        }
    }

    /// Ends the iterator after the first error of any kind.
    #[must_use]
    pub fn until_error(self) -> Self {
        Self {
            until_error: true,
            ..self
        }
    }

    /// Returns the body. Nothing may have been read from it before.
    pub(crate) fn into_body(self) -> Body {
        self.body
    }
}

impl<D: Decode> Iterator for Items<D> {
    type Item = Result<D::Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        if self.buf.is_empty() {
            // 16 KiB take up to 6 % more time (`cargo bench --bench lines`), because the data is
            // copied once more and exceeds the L1 cache.
            self.buf = vec![0; 8 << 10];
        }
        let item = self
            .body
            .next_item(&mut self.reply, &mut self.buf)
            .transpose();
        self.ended = match &item {
            None => true,
            Some(Err(_)) => self.until_error || self.body.has_failed(),
            Some(Ok(_)) => false,
        };
        item
    }
}

impl<D: Decode> FusedIterator for Items<D> {}

impl<D> fmt::Debug for Items<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Items").field(&self.body).finish()
    }
}
