use alloc::vec::Vec;

/// Lets JSON lines that are sent to an input pass, up to a line `null`, which would cut the input on every hub.
///
/// For drivers that pass bytes on as they come, one guard for each upload. What goes out is what came in, unchanged and at once;
/// only a line that may still become `null` is held back until that is known. Lines are not checked for anything else.
///
/// ```
/// let mut guard = scramjet_client_core::NdjsonGuard::default();
/// let mut out = Vec::new();
/// guard.pass(b"{\"a\":1}\nnu", &mut out)?;
/// assert_eq!(out, b"{\"a\":1}\n");
/// let refused = guard.pass(b"ll\n2\n", &mut out).unwrap_err();
/// assert_eq!((refused.line, out.as_slice()), (2, &b"{\"a\":1}\n"[..]));
/// # Ok::<(), scramjet_client_core::NullLine>(())
/// ```
#[derive(Debug, Default)]
pub struct NdjsonGuard {
    /// How many lines have ended.
    lines: u64,
    /// Of the current line: the beginning of `null`, or all of it and the whitespace after it. Whitespace before it is passed on.
    held: Vec<u8>,
    /// The current line is not `null`, whatever follows in it.
    harmless: bool,
    refused: bool,
}

impl NdjsonGuard {
    /// How much is held back at most: 1 KiB. Nobody writes so much whitespace after a `null`; a line with more of it counts as one.
    pub const LIMIT: usize = 1024;

    /// Takes the next bytes, however they were cut, and adds to `out` what can be sent.
    ///
    /// # Errors
    /// A line is `null`. Everything before it is in `out`, and nothing more comes out of this guard.
    pub fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), NullLine> {
        if self.refused {
            return Err(self.refuse());
        }
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if self.harmless {
                let Some(end) = memchr::memchr(b'\n', rest) else {
                    out.extend_from_slice(rest);
                    break;
                };
                let (line, next) = rest.split_at(end + 1);
                out.extend_from_slice(line);
                rest = next;
                self.lines += 1;
                self.harmless = false;
                continue;
            }
            match (self.held.len(), byte) {
                (0, b' ' | b'\t' | b'\r') => out.push(byte),
                (held @ 0..4, _) if NULL.get(held) == Some(&byte) => self.held.push(byte),
                (4..Self::LIMIT, b' ' | b'\t' | b'\r') => self.held.push(byte),
                (4.., b'\n' | b' ' | b'\t' | b'\r') => return Err(self.refuse()),
                _ => {
                    out.append(&mut self.held);
                    self.harmless = true;
                    continue;
                }
            }
            rest = after;
        }
        Ok(())
    }

    /// There are no more bytes: adds to `out` what was held back and is not `null`.
    ///
    /// # Errors
    /// The last line is `null`, without a line end.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<(), NullLine> {
        if self.refused || self.held.len() >= NULL.len() {
            return Err(self.refuse());
        }
        out.append(&mut self.held);
        self.harmless = true;
        Ok(())
    }

    fn refuse(&mut self) -> NullLine {
        self.refused = true;
        NullLine {
            line: self.lines + 1,
        }
    }
}

const NULL: [u8; 4] = *b"null";

/// A line of what should be sent to an input is `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line} is `null`, which ends the input of an instance, so nothing after it would arrive; \
     leave it out, or wrap it in an object"
)]
#[non_exhaustive]
pub struct NullLine {
    /// Which line, counted from 1.
    pub line: u64,
}
