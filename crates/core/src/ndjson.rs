use alloc::vec::Vec;

/// Stops an upload of JSON lines at a line `null`, which would end the input on every hub.
///
/// Use one guard for each upload. It passes bytes on unchanged and at once. It only holds back a
/// line that may still become `null`. Lines are not checked for anything else.
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
#[derive(Clone, Debug, Default)]
pub struct NdjsonGuard {
    /// The number of complete lines.
    lines: u64,
    /// The part of the current line that is held back: a prefix of `null`, or `null` and the
    /// whitespace after it. Whitespace before it is passed on.
    held: Vec<u8>,
    /// `true` if the current line cannot become `null`.
    harmless: bool,
    refused: bool,
}

impl NdjsonGuard {
    /// Maximum number of bytes that are held back: 1 KiB. A `null` with more whitespace after it
    /// counts as a line `null`.
    pub const LIMIT: usize = 1024;

    /// Takes the next bytes, and appends the bytes that can be sent to `out`.
    ///
    /// # Errors
    /// A line is `null`. Everything before it is in `out`. All later calls fail, too.
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

    /// Ends the upload, and appends the bytes that were held back to `out`.
    ///
    /// # Errors
    /// The last line is `null` without a line terminator, or an earlier call has failed.
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

/// The error for a line `null` in an upload of JSON lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line} is `null`, which ends the input of an instance, so nothing after it would arrive; \
     leave it out, or wrap it in an object"
)]
#[non_exhaustive]
pub struct NullLine {
    /// The number of the line, starting at 1.
    pub line: u64,
}
