use alloc::string::String;

use crate::{Lines, ReplyError, Step};

/// Lines of text where they stand, for the decoders that make something of them.
///
/// That they are UTF-8 is found for many at once where many are there: for lines of some hundred bytes this takes a third of what it takes for
/// each, and who parses them need not look at each string again.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// What bytes are given to.
    pub(super) lines: Lines,
    /// Whole lines, with their ends.
    text: String,
    /// Where the next one begins.
    start: usize,
}

impl Text {
    /// The next line. One that is not UTF-8 is an error of its own.
    #[inline]
    pub(super) fn next_line(&mut self) -> Result<Step<&str>, ReplyError> {
        if self.start >= self.text.len() {
            if !self.lines.take_text(&mut self.text) {
                return self.next_unchecked();
            }
            self.start = 0;
        }
        let rest = self.text.get(self.start..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        self.start += end + 1;
        let line = rest.get(..end).unwrap_or_default();
        Ok(Step::Item(line.strip_suffix('\r').unwrap_or(line)))
    }

    fn next_unchecked(&mut self) -> Result<Step<&str>, ReplyError> {
        Ok(match self.lines.next_line()? {
            Step::Item(line) => Step::Item(
                core::str::from_utf8(line).map_err(|source| ReplyError::text(source, line))?,
            ),
            Step::NeedData => Step::NeedData,
            Step::End => Step::End,
        })
    }
}
