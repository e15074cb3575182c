//! JSON lines on their way out.

use std::io::{self, ErrorKind, Read};

use scramjet_client_core::{NdjsonGuard, NullLine};

/// A reader of JSON lines that fails before it gives out a line `null`, by which a hub would end the input without a word.
pub(crate) struct Guarded<R> {
    reader: R,
    guard: NdjsonGuard,
    /// Read and let pass; given out up to `given`.
    passed: Vec<u8>,
    given: usize,
    ended: bool,
    refused: Option<NullLine>,
}

impl<R: Read> Guarded<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            guard: NdjsonGuard::default(),
            passed: Vec::new(),
            given: 0,
            ended: false,
            refused: None,
        }
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.given == self.passed.len() {
            if let Some(null) = self.refused {
                return Err(io::Error::new(ErrorKind::InvalidData, null));
            }
            if self.ended || buf.is_empty() {
                return Ok(0);
            }
            self.passed.clear();
            self.given = 0;
            let read = self.reader.read(buf)?;
            self.ended = read == 0;
            let passed = match buf.get(..read) {
                Some(bytes) if read > 0 => self.guard.pass(bytes, &mut self.passed),
                _ => self.guard.end(&mut self.passed),
            };
            // What is before the line was let pass, and goes out first.
            self.refused = passed.err();
        }
        let read = self
            .passed
            .get(self.given..)
            .unwrap_or_default()
            .read(buf)?;
        self.given += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_pass_up_to_one_that_is_null() {
        let read = |text: &'static str| {
            let mut out = String::new();
            let result = Guarded::new(text.as_bytes()).read_to_string(&mut out);
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
