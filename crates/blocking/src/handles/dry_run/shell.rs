//! Writes words for a POSIX shell.

use std::fmt::{self, Write};

/// A shell word with these bytes as its value. None of them may be zero.
pub(super) struct Word<'a>(pub(super) &'a [u8]);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `$(…)` removes line breaks at the end, but quotes keep them.
        let ends_line = || {
            std::str::from_utf8(self.0)
                .ok()
                .filter(|text| text.ends_with('\n'))
        };
        match printable(self.0).or_else(ends_line) {
            Some(text) if !text.is_empty() && text.bytes().all(needs_no_quotes) => {
                f.write_str(text)
            }
            Some(text) => {
                f.write_char('\'')?;
                for (n, part) in text.split('\'').enumerate() {
                    // Single quotes allow no escapes: end them, escape the quote, begin again.
                    f.write_str(if n > 0 { r"'\''" } else { "" })?;
                    f.write_str(part)?;
                }
                f.write_char('\'')
            }
            None => write!(f, "\"$({})\"", Printf(self.0)),
        }
    }
}

/// A `printf` command that prints these bytes. They may have any value.
pub(super) struct Printf<'a>(pub(super) &'a [u8]);

impl fmt::Display for Printf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("printf '")?;
        for (n, byte) in self.0.iter().enumerate() {
            match byte {
                // `printf` would read it as an option.
                b'-' if n == 0 => f.write_str(r"\055")?,
                b'%' => f.write_str("%%")?,
                b'\\' => f.write_str(r"\\")?,
                b'\n' => f.write_str(r"\n")?,
                b'\r' => f.write_str(r"\r")?,
                b'\t' => f.write_str(r"\t")?,
                // Always three digits, because a digit may follow.
                b'\'' | 0..=0x1f | 0x7f.. => write!(f, r"\{byte:03o}")?,
                byte => f.write_char(char::from(*byte))?,
            }
        }
        f.write_char('\'')
    }
}

/// Returns the bytes as text, if a terminal shows them unchanged on one line.
pub(super) fn printable(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains(|c: char| c.is_control() || is_invisible(c)))
}

/// Returns `true` for characters that end a line or reorder the shown text. With them, the shown
/// command would differ from the one that runs.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

/// Returns `true` for characters that have no special meaning in a shell.
fn needs_no_quotes(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_./:@+,".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_quotes_only_what_needs_quotes() {
        for (word, quoted) in [
            ("", "''"),
            (
                "http://localhost:8000/api/v1/version",
                "http://localhost:8000/api/v1/version",
            ),
            ("a b", "'a b'"),
            ("~", "'~'"),
            ("=x", "'=x'"),
            ("it's", r"'it'\''s'"),
            ("'", r"''\'''"),
            ("$HOME `id` \\ \"", "'$HOME `id` \\ \"'"),
            ("zażółć", "'zażółć'"),
            ("a\tb", r#""$(printf 'a\tb')""#),
            ("\ta\n", "'\ta\n'"),
            ("100%\u{202e}'", r#""$(printf '100%%\342\200\256\047')""#),
        ] {
            assert_eq!(Word(word.as_bytes()).to_string(), quoted);
        }
        for special in b' '..0x7f {
            let word = [b'a', special, b'b'];
            let alone = special.is_ascii_alphanumeric() || b"-_./:@+,".contains(&special);
            assert_eq!(
                Word(&word).to_string().len() == 3,
                alone,
                "{}",
                char::from(special)
            );
        }
        assert_eq!(Word(b"\xff1").to_string(), r#""$(printf '\3771')""#);
        assert_eq!(Printf(b"-e-\n").to_string(), r"printf '\055e-\n'");
        assert_eq!(
            Printf(b"\0\x01\\7\n").to_string(),
            r"printf '\000\001\\7\n'"
        );
    }
}
