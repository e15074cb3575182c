//! Parts of a pattern.

/// A part of a pattern.
#[derive(Debug)]
pub(super) enum Token {
    Byte(u8),
    /// `?`: any byte except `/`.
    Any,
    /// `[a-z]`
    Class(Class),
    /// `*`: any bytes except `/`.
    Star,
    /// `**/` at the start of a name: zero or more folders.
    Folders,
    /// `**` at the end of the pattern: any bytes.
    Rest,
}

/// A set of bytes. Never contains `/`.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) negated: bool,
    pub(super) members: Vec<ClassMember>,
}

/// A part of a class.
#[derive(Debug)]
pub(super) enum ClassMember {
    /// `a-z`, or a single byte.
    Range(u8, u8),
    /// `[:alpha:]`
    Named(fn(&u8) -> bool),
}

impl Token {
    /// Returns `true` if the token matches exactly this byte.
    pub(super) fn matches(&self, byte: u8) -> bool {
        match self {
            Self::Byte(expected) => *expected == byte,
            Self::Any => byte != b'/',
            Self::Class(class) => {
                let is_member = class.members.iter().any(|member| member.contains(byte));
                byte != b'/' && is_member != class.negated
            }
            Self::Star | Self::Folders | Self::Rest => false,
        }
    }
}

impl ClassMember {
    /// Returns the member for the name of a POSIX character class.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let contains: fn(&u8) -> bool = match name {
            b"alnum" => u8::is_ascii_alphanumeric,
            b"alpha" => u8::is_ascii_alphabetic,
            b"blank" => |byte| matches!(byte, b' ' | b'\t'),
            b"cntrl" => u8::is_ascii_control,
            b"digit" => u8::is_ascii_digit,
            b"graph" => u8::is_ascii_graphic,
            b"lower" => u8::is_ascii_lowercase,
            b"print" => |byte| matches!(byte, b' '..=b'~'),
            b"punct" => u8::is_ascii_punctuation,
            b"space" => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
            b"upper" => u8::is_ascii_uppercase,
            b"xdigit" => u8::is_ascii_hexdigit,
            _ => return None,
        };
        Some(Self::Named(contains))
    }

    fn contains(&self, byte: u8) -> bool {
        match self {
            Self::Range(first, last) => (*first..=*last).contains(&byte),
            Self::Named(contains) => contains(&byte),
        }
    }
}
