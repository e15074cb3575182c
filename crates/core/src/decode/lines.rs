use alloc::vec::Vec;

use crate::{Decode, ReplyError, Step};

/// The body line by line, without the line ends (`\n` or `\r\n`).
///
/// A line that is too long is reported once, and skipped; the next one is read as usual. A last line without a line end counts,
/// where the body was complete.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Where the next line begins in the buffer.
    start: usize,
    /// Up to where no line end was found, so that input byte by byte is not searched again and again.
    searched: usize,
    /// Within a line that was reported as too long.
    skipping: bool,
    ended: bool,
}

impl Lines {
    /// The longest line that is handed out: 1 MiB. What hubs write in lines (log records, audit records, events) has some
    /// hundred bytes; what sequences write, they can divide.
    pub const LIMIT: usize = 1 << 20;

    /// The next line, where it stands.
    pub(super) fn next_line(&mut self) -> Result<Step<&[u8]>, ReplyError> {
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        if let Some(found) = memchr::memchr(b'\n', unsearched) {
            let end = self.searched + found;
            return self.take(end, end + 1);
        }
        self.searched = self.buffer.len();
        let rest = self.buffer.len() - self.start;
        // One more than the limit may still be a line of just that length and its `\r`.
        if rest > Self::LIMIT + 1 {
            self.buffer = Vec::new();
            (self.start, self.searched, self.skipping) = (0, 0, true);
            return Err(ReplyError::TooLarge { limit: Self::LIMIT });
        }
        match self.ended {
            false => Ok(Step::NeedData),
            true if rest == 0 => Ok(Step::End),
            true => self.take(self.buffer.len(), self.buffer.len()),
        }
    }

    fn take(&mut self, end: usize, next: usize) -> Result<Step<&[u8]>, ReplyError> {
        let line = self.buffer.get(self.start..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (self.start, self.searched) = (next, next);
        if line.len() > Self::LIMIT { Err(ReplyError::TooLarge { limit: Self::LIMIT }) } else { Ok(Step::Item(line)) }
    }
}

impl Decode for Lines {
    type Item = Vec<u8>;

    fn feed(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        if self.skipping {
            let Some(end) = memchr::memchr(b'\n', bytes) else { return };
            bytes = bytes.get(end + 1..).unwrap_or_default();
            self.skipping = false;
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        self.ended = true;
    }

    fn next_item(&mut self) -> Result<Step<Vec<u8>>, ReplyError> {
        Ok(match self.next_line()? {
            Step::Item(line) => Step::Item(line.to_vec()),
            Step::NeedData => Step::NeedData,
            Step::End => Step::End,
        })
    }
}
