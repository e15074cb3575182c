use alloc::string::String;
use alloc::vec::Vec;

use crate::{Decode, ReplyError, Step};

/// The body line by line, without the line ends (`\n` or `\r\n`).
///
/// A line that is too long is reported once, and skipped; the next one is read as usual. A last line without a line end counts,
/// where the body was complete.
#[derive(Debug, Default)]
pub struct Lines {
    /// What was fed, without what was taken out at the last feeding.
    buffer: Vec<u8>,
    /// Where the next line begins in the buffer.
    start: usize,
    /// Up to where no line end was found, so that input byte by byte is not searched again and again.
    searched: usize,
    /// Within a line that was reported as too long. The buffer is empty.
    skipping: bool,
    ended: bool,
}

impl Lines {
    /// The longest line that is handed out: 1 MiB. What hubs write in lines (log records, audit records, events) has some
    /// hundred bytes; what sequences write, they can divide.
    pub const LIMIT: usize = 1 << 20;

    /// From so many bytes on, checking the text of all whole lines at once is worth its cost.
    const MANY: usize = 4 << 10;

    /// The next line, where it stands.
    #[inline]
    pub(super) fn next_line(&mut self) -> Result<Step<&[u8]>, ReplyError> {
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        match memchr::memchr(b'\n', unsearched) {
            Some(found) => {
                let end = self.searched + found;
                self.take(end, end + 1)
            }
            None => self.rest(),
        }
    }

    /// What there is to say where no line ends.
    fn rest(&mut self) -> Result<Step<&[u8]>, ReplyError> {
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

    #[inline]
    fn take(&mut self, end: usize, next: usize) -> Result<Step<&[u8]>, ReplyError> {
        let line = self.buffer.get(self.start..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (self.start, self.searched) = (next, next);
        if line.len() > Self::LIMIT {
            Err(ReplyError::TooLarge { limit: Self::LIMIT })
        } else {
            Ok(Step::Item(line))
        }
    }

    /// Puts the lines that are whole, with their ends, in the place of what is in `text`, whose memory is used again. Says no where they are not
    /// UTF-8, and where they are too few or too long for this to save anything.
    pub(super) fn take_text(&mut self, text: &mut String) -> bool {
        // After one line was taken from among them, they are what was refused before.
        let length = self.buffer.len();
        if self.start > 0 || length < Self::MANY || self.buffer.capacity() > 16 * Self::MANY {
            return false;
        }
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(last) = memchr::memrchr(b'\n', unsearched) else {
            return false;
        };
        let end = self.searched + last + 1;
        let mut next = core::mem::take(text).into_bytes();
        next.clear();
        next.extend_from_slice(self.buffer.get(end..).unwrap_or_default());
        let mut lines = core::mem::replace(&mut self.buffer, next);
        lines.truncate(end);
        match String::from_utf8(lines) {
            Ok(lines) => {
                *text = lines;
                self.searched = self.buffer.len();
                true
            }
            Err(error) => {
                let mut lines = error.into_bytes();
                lines.extend_from_slice(&self.buffer);
                self.buffer = lines;
                false
            }
        }
    }
}

impl Decode for Lines {
    type Item = Vec<u8>;

    fn feed(&mut self, mut bytes: &[u8]) {
        if self.skipping {
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                return;
            };
            self.skipping = false;
            bytes = bytes.get(end + 1..).unwrap_or_default();
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

    #[inline]
    fn next_item(&mut self) -> Result<Step<Vec<u8>>, ReplyError> {
        Ok(match self.next_line()? {
            Step::Item(line) => Step::Item(line.to_vec()),
            Step::NeedData => Step::NeedData,
            Step::End => Step::End,
        })
    }
}
