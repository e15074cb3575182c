use alloc::string::String;

use super::text::Text;
use crate::{Decode, ReplyError, Step};

/// Decodes a body as lines of text, split like [`Lines`](crate::Lines).
///
/// A line that is not UTF-8 is an error. The decoder then continues with the next line.
#[derive(Debug, Default)]
pub struct TextLines {
    text: Text,
}

impl Decode for TextLines {
    type Item = String;

    fn feed(&mut self, bytes: &[u8]) {
        self.text.lines.feed(bytes);
    }

    fn end(&mut self) {
        self.text.lines.end();
    }

    #[inline]
    fn next_item(&mut self) -> Result<Step<String>, ReplyError> {
        Ok(match self.text.next_line()? {
            Step::Item(line) => Step::Item(line.into()),
            Step::NeedData => Step::NeedData,
            Step::End => Step::End,
        })
    }
}
