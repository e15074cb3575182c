//! Escapes text from other programs for messages and logs.

use alloc::string::String;
use core::fmt::{self, Write};

/// Displays text from a hub in a form that is safe in messages and logs.
///
/// Escapes control characters, line breaks and characters that change the writing direction, as
/// `\n` or `\u{202e}`. So the text cannot add lines, reorder the message or control a terminal.
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

/// Returns the first `max` characters of a text, escaped. `None` if it is blank.
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
    fn escaped_replaces_control_and_direction_characters() {
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
            // `{:?}` escapes at least as much.
            assert!(!alloc::format!("{text:?}").contains(is_unsafe), "{text:?}");
        }
    }

    #[test]
    fn shortened_cuts_before_it_escapes() {
        assert_eq!(shortened(" ab\ncd ", 3).as_deref(), Some(r"ab\n…"));
        assert_eq!(shortened("abc", 3).as_deref(), Some("abc"));
        assert_eq!(shortened(" \n", 3), None);
    }
}
