//! Checks JSON lines while they are sent.

use std::io::{self, ErrorKind, Read};
use std::sync::{Arc, Mutex};

use scramjet_client_core::{NdjsonGuard, NullLine};

use crate::support::sync::lock;

/// A reader of JSON lines that fails at a line `null`. The hub would end the input there without
/// an error.
pub(crate) struct NullLineGuard<'a> {
    reader: Box<dyn Read + Send + 'a>,
    guard: Arc<Mutex<NdjsonGuard>>,
    /// Checked bytes. The first `returned` of them were returned.
    passed: Vec<u8>,
    returned: usize,
    ended: bool,
    refused: Option<NullLine>,
}

impl<'a> NullLineGuard<'a> {
    pub(crate) fn new(reader: Box<dyn Read + Send + 'a>) -> Self {
        Self {
            reader,
            guard: Arc::default(),
            passed: Vec::new(),
            returned: 0,
            ended: false,
            refused: None,
        }
    }

    /// Returns the guard, to check data that does not pass this reader.
    pub(crate) fn guard(&self) -> Arc<Mutex<NdjsonGuard>> {
        Arc::clone(&self.guard)
    }
}

impl Read for NullLineGuard<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.returned == self.passed.len() {
            if let Some(null) = self.refused {
                return Err(io::Error::new(ErrorKind::InvalidData, null));
            }
            if self.ended || buf.is_empty() {
                return Ok(0);
            }
            self.passed.clear();
            self.returned = 0;
            let read = self.reader.read(buf)?;
            self.ended = read == 0;
            let passed = match buf.get(..read) {
                Some(bytes) if read > 0 => lock(&self.guard).pass(bytes, &mut self.passed),
                _ => lock(&self.guard).end(&mut self.passed),
            };
            // `passed` has the bytes before the line. Returns them before the error.
            self.refused = passed.err();
        }
        let read = self
            .passed
            .get(self.returned..)
            .unwrap_or_default()
            .read(buf)?;
        self.returned += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guard_passes_lines_up_to_a_null_line() {
        let read = |text: &'static str| {
            let mut out = String::new();
            let result = NullLineGuard::new(Box::new(text.as_bytes())).read_to_string(&mut out);
            (
                out,
                result
                    .err()
                    .and_then(|error| error.downcast::<NullLine>().ok())
                    .map(|null| null.line),
            )
        };
        assert_eq!(
            read("1\n\"null\"\n[null]\nnul"),
            ("1\n\"null\"\n[null]\nnul".into(), None)
        );
        assert_eq!(read("1\n null \n2\n"), ("1\n ".into(), Some(2)));
        assert_eq!(read("1\n2\nnull"), ("1\n2\n".into(), Some(3)));
        assert_eq!(read(""), (String::new(), None));
    }
}
