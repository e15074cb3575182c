use std::fmt;
use std::iter::FusedIterator;

use scramjet_client_core::{Decode, EventLines, Reply};

use crate::body::response::Body;
use crate::error::Error;

/// The items of a stream, as they come: an iterator that waits for the next one.
///
/// An item that cannot be read is an error of its own, and the next one comes as usual, unless
/// [`until_error`](Self::until_error) was asked for. The loss of the connection is an error and the end; after an idle timeout it goes on.
/// Dropping it closes the connection.
pub struct Items<D> {
    body: Body,
    reply: Reply<D>,
    /// What is read at a time, from the first read on. On the stack, it would be zeroed each time.
    buf: Vec<u8>,
    over: bool,
    until_error: bool,
}

/// The events of one name. A hub does not end it with the instance.
pub type EventStream = Items<EventLines>;

impl<D: Decode> Items<D> {
    pub(crate) fn new(body: Body, reply: Reply<D>) -> Self {
        Self {
            body,
            reply,
            buf: Vec::new(),
            over: false,
            until_error: false,
        }
    }

    /// Ends after the first error, whatever it is.
    #[must_use]
    pub fn until_error(self) -> Self {
        Self {
            until_error: true,
            ..self
        }
    }

    /// Its body, before anything of it was read.
    pub(crate) fn into_body(self) -> Body {
        self.body
    }
}

impl<D: Decode> Iterator for Items<D> {
    type Item = Result<D::Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        if self.buf.is_empty() {
            // Twice as much takes up to 6 % more time (`cargo bench --bench lines`): it is copied once
            // more, and leaves the processor's nearest memory.
            self.buf = vec![0; 8 << 10];
        }
        let item = self
            .body
            .next_item(&mut self.reply, &mut self.buf)
            .transpose();
        self.over = match &item {
            None => true,
            Some(Err(_)) => self.until_error || self.body.is_lost(),
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
