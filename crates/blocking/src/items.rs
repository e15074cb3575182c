use std::fmt;
use std::iter::FusedIterator;

use scramjet_client_core::{Decode, EventLines, Step};

use crate::{ByteStream, Error};

/// The items of a stream, as they come: an iterator that waits for the next one.
///
/// An item that cannot be read is an error of its own, and the next one comes as usual, unless
/// [`until_error`](Self::until_error) was asked for. The loss of the connection is an error and the end; after an idle timeout it goes on.
/// Dropping it closes the connection.
pub struct Items<D> {
    stream: ByteStream,
    decoder: D,
    /// What is read at a time where the decoder lends no room for it, from the first read on. (On the stack it would be filled with zeros for each.)
    buf: Vec<u8>,
    over: bool,
    until_error: bool,
}

/// The events of one name. A hub does not end it with the instance.
pub type EventStream = Items<EventLines>;

impl<D: Decode> Items<D> {
    pub(crate) fn new(stream: ByteStream, decoder: D) -> Self {
        Self {
            stream,
            decoder,
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

    fn read_on(&mut self) -> Result<Option<D::Item>, Error> {
        loop {
            match self
                .decoder
                .next_item()
                .map_err(|error| self.stream.failed(error))?
            {
                Step::Item(item) => return Ok(Some(item)),
                Step::End => return Ok(None),
                Step::NeedData => {}
            }
            let room = self.decoder.room();
            if !room.is_empty() {
                match self.stream.pull(room)? {
                    0 => self.decoder.end(),
                    read => self.decoder.filled(read),
                }
                continue;
            }
            self.buf.resize(16 << 10, 0);
            match self.stream.pull(&mut self.buf)? {
                0 => self.decoder.end(),
                read => self.decoder.feed(self.buf.get(..read).unwrap_or_default()),
            }
        }
    }
}

impl<D: Decode> Iterator for Items<D> {
    type Item = Result<D::Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let item = self.read_on().transpose();
        self.over = match &item {
            None => true,
            Some(Err(_)) => self.until_error || self.stream.is_lost(),
            Some(Ok(_)) => false,
        };
        item
    }
}

impl<D: Decode> FusedIterator for Items<D> {}

impl<D> fmt::Debug for Items<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Items").field(&self.stream).finish()
    }
}
