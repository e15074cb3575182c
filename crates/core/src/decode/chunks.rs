use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::{Decode, ReplyError, Step};

/// Decodes a body as raw bytes. Each chunk that is fed becomes one item.
///
/// Buffers the chunks until they are taken. A driver that takes the items after each `feed` buffers
/// only one chunk.
#[derive(Debug, Default)]
pub struct Chunks {
    pieces: VecDeque<Vec<u8>>,
    ended: bool,
}

impl Decode for Chunks {
    type Item = Vec<u8>;

    fn feed(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.pieces.push_back(bytes.to_vec());
        }
    }

    fn end(&mut self) {
        self.ended = true;
    }

    fn next_item(&mut self) -> Result<Step<Vec<u8>>, ReplyError> {
        Ok(match self.pieces.pop_front() {
            Some(piece) => Step::Item(piece),
            None if self.ended => Step::End,
            None => Step::NeedData,
        })
    }
}
