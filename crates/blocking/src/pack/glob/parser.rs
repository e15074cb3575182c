//! Parses patterns.

use super::token::{Class, ClassMember, Token};

const UNCLOSED: &str = "it has a [ without a ]; write \\[ for the character itself";

/// Splits a pattern into its parts. An error is a description of the problem.
pub(super) fn parse(pattern: &[u8]) -> Result<Vec<Token>, &'static str> {
    let mut parser = Parser {
        bytes: pattern,
        at: 0,
    };
    let mut tokens = Vec::new();
    while let Some(byte) = parser.next() {
        tokens.push(match byte {
            b'?' => Token::Any,
            b'[' => Token::Class(parser.class()?),
            b'*' => parser.stars(),
            byte => Token::Byte(
                parser
                    .unescape(byte)
                    .ok_or("it ends with a backslash, which must be followed by a character")?,
            ),
        });
    }
    Ok(tokens)
}

/// A position in a pattern.
struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Returns the byte, or the next one if it is a backslash.
    fn unescape(&mut self, byte: u8) -> Option<u8> {
        if byte == b'\\' {
            self.next()
        } else {
            Some(byte)
        }
    }

    /// Parses one or more stars, after the first one.
    fn stars(&mut self) -> Token {
        let before = self.at.checked_sub(2).and_then(|at| self.bytes.get(at));
        let is_start_of_name = before.is_none_or(|before| *before == b'/');
        let first = self.at;
        while self.peek() == Some(b'*') {
            self.at += 1;
        }
        let spans_folders = self.at > first && is_start_of_name;
        match self.peek() {
            None if spans_folders => Token::Rest,
            Some(b'/') if spans_folders => {
                self.at += 1;
                Token::Folders
            }
            _ => Token::Star,
        }
    }

    /// Parses a class, after its opening bracket.
    fn class(&mut self) -> Result<Class, &'static str> {
        let negated = matches!(self.peek(), Some(b'!' | b'^'));
        self.at += usize::from(negated);
        let mut members = Vec::new();
        // The byte before a `-`, which may be the first one of a range.
        let mut first = None;
        loop {
            let byte = self.next().ok_or(UNCLOSED)?;
            match byte {
                // A bracket at the beginning is a member.
                b']' if !members.is_empty() => return Ok(Class { negated, members }),
                b'-' if first.is_some() && self.peek().is_some_and(|next| next != b']') => {
                    let last = self.next().and_then(|last| self.unescape(last));
                    let last = last.ok_or(UNCLOSED)?;
                    members.extend(first.take().map(|first| ClassMember::Range(first, last)));
                }
                byte => {
                    if let Some((name, end)) = self.class_name(byte) {
                        let member = ClassMember::named(name);
                        members.push(member.ok_or("it has a [:class:] with an unknown name")?);
                        self.at = end;
                        first = None;
                    } else {
                        let byte = self.unescape(byte).ok_or(UNCLOSED)?;
                        members.push(ClassMember::Range(byte, byte));
                        first = Some(byte);
                    }
                }
            }
        }
    }

    /// Returns the name in `[:name:]` after the opening bracket, and the position after it.
    fn class_name(&self, bracket: u8) -> Option<(&[u8], usize)> {
        let rest = self.bytes.get(self.at..)?;
        let rest = rest.strip_prefix(b":").filter(|_| bracket == b'[')?;
        let length = rest.iter().position(|byte| *byte == b']')?;
        let name = rest.get(..length)?.strip_suffix(b":")?;
        Some((name, self.at + 1 + length + 1))
    }
}
