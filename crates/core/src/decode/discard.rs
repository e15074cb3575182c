use crate::{Decode, ReplyError, SingleItem, Step};

/// Reads a body to its end and discards it.
#[derive(Debug, Default)]
pub struct Discard {
    seen: usize,
    ended: bool,
    done: bool,
}

impl Discard {
    /// Maximum length of the body: 1 MiB. Hubs send a few hundred bytes. The limit stops servers
    /// that send an endless body.
    pub const LIMIT: usize = 1 << 20;
}

impl Decode for Discard {
    type Item = ();

    fn feed(&mut self, bytes: &[u8]) {
        self.seen = self.seen.saturating_add(bytes.len());
    }

    fn end(&mut self) {
        self.ended = true;
    }

    fn next_item(&mut self) -> Result<Step<()>, ReplyError> {
        if self.done {
            Ok(Step::End)
        } else if self.seen > Self::LIMIT {
            self.done = true;
            Err(ReplyError::TooLarge { limit: Self::LIMIT })
        } else if self.ended {
            self.done = true;
            Ok(Step::Item(()))
        } else {
            Ok(Step::NeedData)
        }
    }
}

impl SingleItem for Discard {}
