//! Makes text of another side fit for messages and logs: the only place that does.

use alloc::string::String;
use core::fmt::{self, Write};

/// Text of a hub as part of a message. It stays on its line, in the direction of the message, and
/// does not command a terminal: control characters, line breaks and characters that change the
/// direction of writing are escaped, as `\n` or `\u{202e}`.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(is_unsafe) {
            match piece.chars().next_back().filter(|c| is_unsafe(*c)) {
                Some(c) => {
                    self.0
                        .write_str(piece.strip_suffix(c).unwrap_or_default())?;
                    write!(self.0, "{}", c.escape_default())?;
                }
                None => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

/// The beginning of a text, escaped. `None` if there is nothing but white space.
pub(crate) fn shortened(text: &str, max: usize) -> Option<String> {
    let text = text.trim();
    let (beginning, rest) = match text.char_indices().nth(max) {
        Some((at, _)) => (text.get(..at).unwrap_or(text), "…"),
        None => (text, ""),
    };
    (!text.is_empty()).then(|| alloc::format!("{}{rest}", Escaped(beginning)))
}

pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn what_forges_lines_or_turns_text_around_is_escaped() {
        for (text, shown) in [
            ("a\nb\r\n\tc", r"a\nb\r\n\tc"),
            (
                "\u{1b}[2J\0\u{7f}\u{9b}31m",
                r"\u{1b}[2J\u{0}\u{7f}\u{9b}31m",
            ),
            ("a\u{85}\u{2028}\u{2029}b", r"a\u{85}\u{2028}\u{2029}b"),
            (
                "\u{202a}\u{202e}x\u{2066}\u{2069}",
                r"\u{202a}\u{202e}x\u{2066}\u{2069}",
            ),
            ("\u{200e}\u{200f}\u{61c}", r"\u{200e}\u{200f}\u{61c}"),
            (
                r#"Zażółć "gęślą" \ jaźń 🐢 שלום"#,
                r#"Zażółć "gęślą" \ jaźń 🐢 שלום"#,
            ),
            ("", ""),
        ] {
            assert_eq!(Escaped(text).to_string(), shown);
            // What `{:?}` is used for is at least as safe.
            assert!(!alloc::format!("{text:?}").contains(is_unsafe), "{text:?}");
        }
    }

    #[test]
    fn what_is_long_is_cut_before_it_is_escaped() {
        assert_eq!(shortened(" ab\ncd ", 3).as_deref(), Some(r"ab\n…"));
        assert_eq!(shortened("abc", 3).as_deref(), Some("abc"));
        assert_eq!(shortened(" \n", 3), None);
    }
}
