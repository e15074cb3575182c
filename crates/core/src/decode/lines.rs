use alloc::string::String;
use alloc::vec::Vec;

use crate::{Decode, ReplyError, Step};

/// The body line by line, without the line ends (`\n` or `\r\n`).
///
/// A line that is too long is reported once, and skipped; the next one is read as usual. A last line without a line end counts,
/// where the body was complete.
#[derive(Debug, Default)]
pub struct Lines {
    /// What was fed, and behind it the room for more.
    buffer: Vec<u8>,
    /// Up to where the buffer holds what was fed.
    filled: usize,
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

    /// As much as is read at a time. It stays in the processor's nearest memory while lines are cut from it.
    const ROOM: usize = 16 << 10;

    /// The next line, where it stands.
    #[inline]
    pub(super) fn next_line(&mut self) -> Result<Step<&[u8]>, ReplyError> {
        let unsearched = self
            .buffer
            .get(self.searched..self.filled)
            .unwrap_or_default();
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
        self.searched = self.filled;
        let rest = self.filled - self.start;
        // One more than the limit may still be a line of just that length and its `\r`.
        if rest > Self::LIMIT + 1 {
            self.buffer = Vec::new();
            (self.filled, self.start, self.searched, self.skipping) = (0, 0, 0, true);
            return Err(ReplyError::TooLarge { limit: Self::LIMIT });
        }
        match self.ended {
            false => Ok(Step::NeedData),
            true if rest == 0 => Ok(Step::End),
            true => self.take(self.filled, self.filled),
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
        if self.start > 0 || self.filled < Self::ROOM / 4 || self.buffer.capacity() > 4 * Self::ROOM
        {
            return false;
        }
        let unsearched = self
            .buffer
            .get(self.searched..self.filled)
            .unwrap_or_default();
        let Some(last) = memchr::memrchr(b'\n', unsearched) else {
            return false;
        };
        let end = self.searched + last + 1;
        let rest = self.buffer.get(end..self.filled).unwrap_or_default();
        let mut next = core::mem::take(text).into_bytes();
        write_at(&mut next, 0, rest);
        let rest = rest.len();
        let mut lines = core::mem::replace(&mut self.buffer, next);
        lines.truncate(end);
        match String::from_utf8(lines) {
            Ok(lines) => {
                *text = lines;
                (self.filled, self.searched) = (rest, rest);
                true
            }
            Err(error) => {
                let mut lines = error.into_bytes();
                lines.extend_from_slice(self.buffer.get(..rest).unwrap_or_default());
                self.buffer = lines;
                false
            }
        }
    }

    /// Moves what was not handed out to the front.
    fn move_up(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.searched -= self.start;
            self.start = 0;
        }
    }
}

/// Writes over what is there from `at` on.
fn write_at(buffer: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    match buffer.get_mut(at..at + bytes.len()) {
        Some(room) => room.copy_from_slice(bytes),
        None => {
            buffer.truncate(at);
            buffer.extend_from_slice(bytes);
        }
    }
}

impl Decode for Lines {
    type Item = Vec<u8>;

    fn feed(&mut self, bytes: &[u8]) {
        self.move_up();
        write_at(&mut self.buffer, self.filled, bytes);
        self.filled(bytes.len());
    }

    fn room(&mut self) -> &mut [u8] {
        self.move_up();
        let length = Self::ROOM.max(self.filled + Self::ROOM / 2);
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    fn filled(&mut self, length: usize) {
        let begin = self.filled;
        self.filled = begin.saturating_add(length).min(self.buffer.len());
        if self.skipping {
            // There is nothing else in the buffer.
            let found = memchr::memchr(
                b'\n',
                self.buffer.get(begin..self.filled).unwrap_or_default(),
            );
            self.skipping = found.is_none();
            self.start = found.map_or(self.filled, |found| begin + found + 1);
            self.searched = self.start;
        }
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
