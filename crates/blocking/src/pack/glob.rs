//! Matches the patterns of `.gitignore` files byte by byte, as git does.

mod parser;
mod token;

use token::Token;

/// A pattern. Matching takes time proportional to the product of the lengths of pattern and path,
/// so no pattern is slow.
#[derive(Debug)]
pub(crate) struct Glob(Vec<Token>);

impl Glob {
    /// Parses a pattern. An error is a description of the problem.
    pub(crate) fn new(pattern: &[u8]) -> Result<Self, &'static str> {
        parser::parse(pattern).map(Self)
    }

    /// Returns `true` if the pattern matches the whole text.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        // `states[i]` is `true` if the rest of the text may match the tokens from `i`. The state
        // after the last token means that the text matches.
        let mut states = vec![false; self.0.len() + 1];
        let mut next = states.clone();
        activate(&mut states, 0);
        self.skip_optional(&mut states, true);
        for byte in text {
            next.fill(false);
            for (at, token) in self.0.iter().enumerate() {
                if !is_active(&states, at) {
                    continue;
                }
                match token {
                    Token::Star if *byte != b'/' => activate(&mut next, at),
                    Token::Folders | Token::Rest => activate(&mut next, at),
                    token if token.matches(*byte) => activate(&mut next, at + 1),
                    _ => {}
                }
            }
            std::mem::swap(&mut states, &mut next);
            self.skip_optional(&mut states, *byte == b'/');
        }
        is_active(&states, self.0.len())
    }

    /// Activates the states after tokens that may match nothing.
    fn skip_optional(&self, states: &mut [bool], is_start_of_name: bool) {
        for (at, token) in self.0.iter().enumerate() {
            let is_optional = match token {
                Token::Star | Token::Rest => true,
                Token::Folders => is_start_of_name,
                _ => false,
            };
            if is_optional && is_active(states, at) {
                activate(states, at + 1);
            }
        }
    }
}

fn is_active(states: &[bool], at: usize) -> bool {
    states.get(at) == Some(&true)
}

fn activate(states: &mut [bool], at: usize) {
    if let Some(state) = states.get_mut(at) {
        *state = true;
    }
}
