use core::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::text::Text;
use crate::{Decode, ReplyError, Step, json};

/// Decodes a body as lines of JSON, split like [`Lines`](crate::Lines). Skips blank lines.
///
/// A line that is not UTF-8 or not the expected JSON is an error. The decoder then continues with
/// the next line.
pub struct JsonLines<T> {
    text: Text,
    value: PhantomData<fn() -> T>,
}

impl<T> Default for JsonLines<T> {
    fn default() -> Self {
        Self {
            text: Text::default(),
            value: PhantomData,
        }
    }
}

impl<T> core::fmt::Debug for JsonLines<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("JsonLines").field(&self.text).finish()
    }
}

impl<T: DeserializeOwned> Decode for JsonLines<T> {
    type Item = T;

    fn feed(&mut self, bytes: &[u8]) {
        self.text.lines.feed(bytes);
    }

    fn end(&mut self) {
        self.text.lines.end();
    }

    fn next_item(&mut self) -> Result<Step<T>, ReplyError> {
        loop {
            let line = match self.text.next_line()? {
                Step::Item(line) => line,
                Step::NeedData => return Ok(Step::NeedData),
                Step::End => return Ok(Step::End),
            };
            if !line.trim_ascii().is_empty() {
                return json::parse(line)
                    .map(Step::Item)
                    .map_err(|source| ReplyError::body(source, line.as_bytes()));
            }
        }
    }
}
