use alloc::string::String;

use crate::{Decode, Lines, ReplyError, Step};

/// The body as lines of text, cut as by [`Lines`].
///
/// A line that is not UTF-8 is an error of its own; the next line is read as usual.
#[derive(Debug, Default)]
pub struct TextLines {
    lines: Lines,
}

impl Decode for TextLines {
    type Item = String;

    fn feed(&mut self, bytes: &[u8]) {
        self.lines.feed(bytes);
    }

    fn end(&mut self) {
        self.lines.end();
    }

    fn next_item(&mut self) -> Result<Step<String>, ReplyError> {
        Ok(match self.lines.next_line()? {
            Step::Item(line) => Step::Item(core::str::from_utf8(line).map_err(|source| ReplyError::text(source, line))?.into()),
            Step::NeedData => Step::NeedData,
            Step::End => Step::End,
        })
    }
}
