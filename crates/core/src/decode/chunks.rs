use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::{Decode, ReplyError, Step};

/// The body as it comes: each fed piece is one item. For streams, where a driver may as well read the bytes itself.
///
/// It buffers what was fed and not yet pulled, no more; a driver that pulls after each feed holds one piece.
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
