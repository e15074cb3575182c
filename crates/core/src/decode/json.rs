use alloc::vec::Vec;

use serde::de::DeserializeOwned;

use crate::{Decode, ReplyError, SingleItem, Step, json};

/// Decodes the whole body as one JSON value. An empty body, including that of a `204`, is `null`.
///
/// The decoder accepts what JavaScript writes:
/// - Half of a surrogate pair becomes U+FFFD.
/// - If an object has two members of the same name, the last one counts. It is an error
///   ([`ReplyError::Body`]) if `T` has a field for that member.
/// - Arrays and objects nested 128 deep or deeper become `null`, so that the arguments of one
///   instance cannot make a list of instances unreadable. In events and in JSON lines, they are an
///   error.
/// - Numbers beyond the range of `f64`, such as `1e400`, are an error. JavaScript never writes
///   them.
pub struct Json<T> {
    body: Vec<u8>,
    parse: fn(&str) -> serde_json::Result<T>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Reading,
    TooLarge,
    Complete,
    Done,
}

impl<T> Json<T> {
    /// Maximum length of the body: 4 MiB.
    ///
    /// The longest response of a hub is its list of instances, with about 600 bytes for each, so
    /// this is enough for 6,500 instances. A malicious server can make the buffer this large, twice
    /// as large while it grows, and the decoded value a hundred times as large.
    pub const LIMIT: usize = 4 << 20;
}

impl<T: DeserializeOwned> Json<T> {
    /// Creates a decoder that fails if values are nested too deep, for data that must not be
    /// changed.
    pub(crate) fn whole() -> Self {
        Self {
            parse: json::parse,
            ..Self::default()
        }
    }
}

impl<T: DeserializeOwned> Default for Json<T> {
    fn default() -> Self {
        Self {
            body: Vec::new(),
            parse: json::parse_cut,
            state: State::Reading,
        }
    }
}

impl<T> core::fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Json")
            .field("buffered", &self.body.len())
            .field("state", &self.state)
            .finish()
    }
}

impl<T: DeserializeOwned> Decode for Json<T> {
    type Item = T;

    fn feed(&mut self, bytes: &[u8]) {
        if self.state != State::Reading {
            return;
        }
        if bytes.len() > Self::LIMIT - self.body.len() {
            self.body = Vec::new();
            self.state = State::TooLarge;
        } else {
            self.body.extend_from_slice(bytes);
        }
    }

    fn end(&mut self) {
        if self.state == State::Reading {
            self.state = State::Complete;
        }
    }

    fn next_item(&mut self) -> Result<Step<T>, ReplyError> {
        match self.state {
            State::Reading => Ok(Step::NeedData),
            State::Done => Ok(Step::End),
            State::TooLarge => {
                self.state = State::Done;
                Err(ReplyError::TooLarge { limit: Self::LIMIT })
            }
            State::Complete => {
                self.state = State::Done;
                let body = core::mem::take(&mut self.body);
                // Check the UTF-8 once, so that the parser need not check each string.
                let text = core::str::from_utf8(&body)
                    .map_err(|source| ReplyError::text(source, &body))?;
                let text = if text.trim_ascii().is_empty() {
                    "null"
                } else {
                    text
                };
                (self.parse)(text)
                    .map(Step::Item)
                    .map_err(|source| ReplyError::body(source, &body))
            }
        }
    }
}

impl<T: DeserializeOwned> SingleItem for Json<T> {}
