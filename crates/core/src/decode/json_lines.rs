use core::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::{Decode, Lines, ReplyError, Step};

/// The body as lines of JSON. Empty lines are passed over.
///
/// A line that is not the JSON expected is an error of its own; the next line is read as usual.
pub struct JsonLines<T> {
    lines: Lines,
    value: PhantomData<fn() -> T>,
}

impl<T> Default for JsonLines<T> {
    fn default() -> Self {
        Self { lines: Lines::default(), value: PhantomData }
    }
}

impl<T> core::fmt::Debug for JsonLines<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("JsonLines").field(&self.lines).finish()
    }
}

impl<T: DeserializeOwned> Decode for JsonLines<T> {
    type Item = T;

    fn feed(&mut self, bytes: &[u8]) {
        self.lines.feed(bytes);
    }

    fn end(&mut self) {
        self.lines.end();
    }

    fn next_item(&mut self) -> Result<Step<T>, ReplyError> {
        loop {
            let line = match self.lines.next_line()? {
                Step::Item(line) => line,
                Step::NeedData => return Ok(Step::NeedData),
                Step::End => return Ok(Step::End),
            };
            if !line.trim_ascii().is_empty() {
                return serde_json::from_slice(line).map(Step::Item).map_err(|source| ReplyError::body(source, line));
            }
        }
    }
}
