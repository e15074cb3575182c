//! The patterns of gitignore files, as git matches them: byte by byte, `*` and `?` within a name, `**` across folders.

/// A pattern. Matching takes time in proportion to its length and that of the path, whatever the pattern.
#[derive(Debug)]
pub(crate) struct Glob(Vec<Token>);

#[derive(Debug)]
enum Token {
    Byte(u8),
    /// `?`
    Any,
    /// `[a-z]`
    Class(Class),
    /// `*`
    Star,
    /// `**/` at the beginning of a name: any number of folders, also none.
    Folders,
    /// `**` at the end: whatever comes.
    Rest,
}

#[derive(Debug)]
struct Class {
    negated: bool,
    members: Vec<Member>,
}

#[derive(Debug)]
enum Member {
    Range(u8, u8),
    Named(fn(&u8) -> bool),
}

impl Glob {
    /// Or what is wrong with it.
    pub(crate) fn new(pattern: &[u8]) -> Result<Self, &'static str> {
        let mut rest = Pattern {
            bytes: pattern,
            at: 0,
        };
        let mut tokens = Vec::new();
        while let Some(byte) = rest.next() {
            tokens.push(match byte {
                b'?' => Token::Any,
                b'[' => Token::Class(rest.class()?),
                b'\\' => Token::Byte(
                    rest.next()
                        .ok_or("it ends with a backslash, which must be followed by a character")?,
                ),
                b'*' => rest.stars(),
                byte => Token::Byte(byte),
            });
        }
        Ok(Self(tokens))
    }

    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        // Which tokens may come next. The one behind the last is the end.
        let mut states = vec![false; self.0.len() + 1];
        let mut next = states.clone();
        enter(&mut states, 0);
        self.skip(&mut states, true);
        for byte in text {
            next.fill(false);
            for (at, token) in self.0.iter().enumerate() {
                if !states.get(at).is_some_and(|state| *state) {
                    continue;
                }
                match token {
                    Token::Star if *byte != b'/' => enter(&mut next, at),
                    Token::Folders | Token::Rest => enter(&mut next, at),
                    token if token.takes(*byte) => enter(&mut next, at + 1),
                    _ => {}
                }
            }
            std::mem::swap(&mut states, &mut next);
            self.skip(&mut states, *byte == b'/');
        }
        states.last().is_some_and(|state| *state)
    }

    /// Goes past what may stand for nothing.
    fn skip(&self, states: &mut [bool], name_begins: bool) {
        for (at, token) in self.0.iter().enumerate() {
            let may_be_nothing = match token {
                Token::Star | Token::Rest => true,
                Token::Folders => name_begins,
                _ => false,
            };
            if may_be_nothing && states.get(at).is_some_and(|state| *state) {
                enter(states, at + 1);
            }
        }
    }
}

fn enter(states: &mut [bool], at: usize) {
    if let Some(state) = states.get_mut(at) {
        *state = true;
    }
}

impl Token {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Byte(expected) => *expected == byte,
            Self::Any => byte != b'/',
            Self::Class(class) => {
                byte != b'/' && class.members.iter().any(|member| member.has(byte)) != class.negated
            }
            Self::Star | Self::Folders | Self::Rest => false,
        }
    }
}

impl Member {
    fn has(&self, byte: u8) -> bool {
        match self {
            Self::Range(first, last) => (*first..=*last).contains(&byte),
            Self::Named(is) => is(&byte),
        }
    }
}

struct Pattern<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Pattern<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// After the first star of some.
    fn stars(&mut self) -> Token {
        let before = self.at.checked_sub(2).and_then(|at| self.bytes.get(at));
        let name_begins = before.is_none_or(|before| *before == b'/');
        let mut several = false;
        while self.peek() == Some(b'*') {
            self.at += 1;
            several = true;
        }
        match self.peek() {
            None if several && name_begins => Token::Rest,
            Some(b'/') if several && name_begins => {
                self.at += 1;
                Token::Folders
            }
            _ => Token::Star,
        }
    }

    /// After its bracket.
    fn class(&mut self) -> Result<Class, &'static str> {
        const UNCLOSED: &str = "it has a [ without a ]; write \\[ for the character itself";
        let negated = matches!(self.peek(), Some(b'!' | b'^'));
        self.at += usize::from(negated);
        let mut members = Vec::new();
        // Where it could begin a range.
        let mut first = None;
        loop {
            let byte = self.next().ok_or(UNCLOSED)?;
            match byte {
                // The first is one of the members.
                b']' if !members.is_empty() => return Ok(Class { negated, members }),
                b'-' if first.is_some() && self.peek().is_some_and(|next| next != b']') => {
                    let last = self.literal().ok_or(UNCLOSED)?;
                    members.extend(first.take().map(|first| Member::Range(first, last)));
                }
                b'[' if self.peek() == Some(b':') && self.named().is_some() => {
                    let (name, end) = self.named().ok_or(UNCLOSED)?;
                    members.push(Member::Named(
                        named(name).ok_or("it has a [:class:] with an unknown name")?,
                    ));
                    self.at = end;
                    first = None;
                }
                byte => {
                    self.at -= 1;
                    let member = self.literal().ok_or(UNCLOSED)?;
                    debug_assert!(
                        member == byte || byte == b'\\',
                        "the byte itself, or what is escaped"
                    );
                    members.push(Member::Range(member, member));
                    first = Some(member);
                }
            }
        }
    }

    fn literal(&mut self) -> Option<u8> {
        match self.next()? {
            b'\\' => self.next(),
            byte => Some(byte),
        }
    }

    /// The name in `:name:]`, and where that ends.
    fn named(&self) -> Option<(&[u8], usize)> {
        let rest = self.bytes.get(self.at + 1..)?;
        let length = rest.iter().position(|byte| *byte == b']')?;
        let name = rest.get(..length)?.strip_suffix(b":")?;
        Some((name, self.at + 1 + length + 1))
    }
}

fn named(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
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
    })
}
