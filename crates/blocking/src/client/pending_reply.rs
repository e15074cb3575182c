//! A reply whose body is still to be read.

use scramjet_client_core::{Decode, Reply, SingleItem};

use crate::body::byte_stream::ByteStream;
use crate::body::items::Items;
use crate::body::response::Body;
use crate::call::observer::RequestEvent;
use crate::error::Error;

/// A reply whose head was received.
pub(super) struct PendingReply<D> {
    reply: Reply<D>,
    body: Body,
}

impl<D> PendingReply<D> {
    pub(super) fn new(reply: Reply<D>, body: Body) -> Self {
        Self { reply, body }
    }
}

impl<D: Decode> PendingReply<D> {
    fn next(&mut self) -> Result<Option<D::Item>, Error> {
        // Nearly every reply of a hub fits. Zeroing a larger buffer for each call would cost 2 % of
        // a small request.
        self.body.next_item(&mut self.reply, &mut [0; 4 << 10])
    }

    /// Returns the reply, or the error of an error response.
    fn successful(mut self) -> Result<Self, Error> {
        if self.reply.is_success() {
            return Ok(self);
        }
        Err(match self.next() {
            Err(error) => error,
            Ok(_) => self.body.failed(self.reply.cut_off()),
        })
    }

    /// Reads the only item of the reply.
    pub(super) fn item(mut self) -> Result<D::Item, Error>
    where
        D: SingleItem,
    {
        match self.next()? {
            Some(item) => {
                self.body.call().observe(&RequestEvent::Body {
                    bytes: self.reply.length().received(),
                    complete: true,
                });
                Ok(item)
            }
            // Unreachable for decoders that keep the contract.
            None => Err(self.body.failed(self.reply.cut_off())),
        }
    }

    /// Returns the bytes of the reply as a stream.
    pub(super) fn stream(self) -> Result<ByteStream, Error> {
        let Self { reply, body } = self.successful()?;
        Ok(ByteStream::new(body.reporting_end(), reply))
    }

    /// Returns the items of the reply as a stream.
    pub(super) fn items(self) -> Result<Items<D>, Error> {
        let Self { reply, body } = self.successful()?;
        Ok(Items::new(body.reporting_end(), reply))
    }
}
