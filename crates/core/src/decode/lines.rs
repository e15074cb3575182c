use alloc::string::String;
use alloc::vec::Vec;

use crate::{Decode, ReplyError, Step};

/// Splits a body into lines, without the line terminators (`\n` or `\r\n`).
///
/// A line that is too long is an error. The decoder skips it and continues with the next line. At
/// the end of a complete body, the last line needs no terminator.
#[derive(Debug, Default)]
pub struct Lines {
    /// The bytes that were fed. Lines that were taken are removed at the next `feed`.
    buffer: Vec<u8>,
    /// Position of the next line in the buffer.
    start: usize,
    /// Position up to which the buffer was searched for a line terminator, to search each byte
    /// once.
    searched: usize,
    /// `true` within a line that was reported as too long. The buffer is empty then.
    skipping: bool,
    ended: bool,
}

impl Lines {
    /// Maximum length of a line: 1 MiB. Lines from hubs (log records, audit records, events) have a
    /// few hundred bytes. Sequences can split longer data.
    pub const LIMIT: usize = 1 << 20;

    /// Minimum number of buffered bytes for which [`take_text`](Self::take_text) is worth its cost.
    const MIN_TEXT: usize = 4 << 10;

    /// Returns the next line, borrowed from the buffer.
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

    /// Handles a buffer without a line terminator: more data is needed, or this is the last line,
    /// the end, or a line that is too long.
    fn rest(&mut self) -> Result<Step<&[u8]>, ReplyError> {
        self.searched = self.buffer.len();
        let rest = self.buffer.len() - self.start;
        // One byte more than the limit may be a line of maximum length and its `\r`.
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

    /// Moves all complete lines with their terminators to `text`, and reuses the memory of `text`.
    ///
    /// Returns `false` and moves nothing if they are not UTF-8, or if they are too few or too long
    /// for this to be faster.
    pub(super) fn take_text(&mut self, text: &mut String) -> bool {
        // After a call that returned `false`, a single line was taken (`start > 0`). The next call
        // would return `false` for the same reason, so skip the work.
        let length = self.buffer.len();
        if self.start > 0 || length < Self::MIN_TEXT || self.buffer.capacity() > 16 * Self::MIN_TEXT
        {
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
