//! Words of a POSIX shell.

use core::fmt::{self, Write};

/// A word that stands for these bytes, of which none is zero.
pub(super) struct Word<'a>(pub(super) &'a [u8]);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of what a command prints, the last line breaks are lost.
        let ends_line = || {
            core::str::from_utf8(self.0)
                .ok()
                .filter(|text| text.ends_with('\n'))
        };
        match printable(self.0).or_else(ends_line) {
            Some(text) if !text.is_empty() && text.bytes().all(means_itself) => f.write_str(text),
            Some(text) => {
                f.write_char('\'')?;
                for (n, part) in text.split('\'').enumerate() {
                    // Nothing can be escaped between single quotes: they are left for one.
                    f.write_str(if n > 0 { r"'\''" } else { "" })?;
                    f.write_str(part)?;
                }
                f.write_char('\'')
            }
            None => write!(f, "\"$({})\"", Printf(self.0)),
        }
    }
}

/// A command that prints these bytes, all of which it may be given.
pub(super) struct Printf<'a>(pub(super) &'a [u8]);

impl fmt::Display for Printf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("printf '")?;
        for (n, byte) in self.0.iter().enumerate() {
            match byte {
                // It would be an option.
                b'-' if n == 0 => f.write_str(r"\055")?,
                b'%' => f.write_str("%%")?,
                b'\\' => f.write_str(r"\\")?,
                b'\n' => f.write_str(r"\n")?,
                b'\r' => f.write_str(r"\r")?,
                b'\t' => f.write_str(r"\t")?,
                // Three digits, always: a digit may follow.
                b'\'' | 0..=0x1f | 0x7f.. => write!(f, r"\{byte:03o}")?,
                byte => f.write_char(char::from(*byte))?,
            }
        }
        f.write_char('\'')
    }
}

/// The text that can stand in a line, and in a terminal, as it is.
pub(super) fn printable(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains(|c: char| c.is_control() || is_invisible(c)))
}

/// Ends a line, or changes the order in which a text is shown: what is read would not be what is run.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn means_itself(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_./:@+,".contains(&byte)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn words_are_quoted_where_they_have_to_be() {
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
