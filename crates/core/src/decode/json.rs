use alloc::string::String;
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
    body: Body,
    parse: fn(&str) -> serde_json::Result<T>,
}

/// The text to parse. Not generic, so that it is compiled only once.
#[derive(Default)]
struct Body {
    bytes: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Reading,
    TooLarge,
    Complete,
    Done,
}

impl Body {
    fn feed(&mut self, bytes: &[u8]) {
        if self.state != State::Reading {
            return;
        }
        if bytes.len() > Json::<()>::LIMIT - self.bytes.len() {
            self.bytes = Vec::new();
            self.state = State::TooLarge;
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn end(&mut self) {
        if self.state == State::Reading {
            self.state = State::Complete;
        }
    }

    /// Returns the text, if it is complete.
    fn take(&mut self) -> Result<Step<String>, ReplyError> {
        match self.state {
            State::Reading => Ok(Step::NeedData),
            State::Done => Ok(Step::End),
            State::TooLarge => {
                self.state = State::Done;
                Err(ReplyError::TooLarge {
                    limit: Json::<()>::LIMIT,
                })
            }
            State::Complete => {
                self.state = State::Done;
                // Check the UTF-8 once, so that the parser need not check each string.
                String::from_utf8(core::mem::take(&mut self.bytes))
                    .map(Step::Item)
                    .map_err(|error| ReplyError::text(error.utf8_error(), error.as_bytes()))
            }
        }
    }
}

impl<T> Json<T> {
    /// Maximum length of the body: 4 MiB.
    ///
    /// The longest response of a hub is its list of instances, with about 600 bytes for each, so
    /// this is enough for 6,500 instances. A malicious server can make the buffer this large, twice
    /// as large while it grows, and the decoded value a hundred times as large.
    pub const LIMIT: usize = 4 << 20;
}

impl<T> Json<T> {
    pub(crate) fn parsed_by(parse: fn(&str) -> serde_json::Result<T>) -> Self {
        Self {
            body: Body::default(),
            parse,
        }
    }
}

impl<T: DeserializeOwned> Json<T> {
    /// Creates a decoder that fails if values are nested too deep, for data that must not be
    /// changed.
    pub(crate) fn whole() -> Self {
        Self::parsed_by(json::parse)
    }
}

impl<T: DeserializeOwned> Default for Json<T> {
    fn default() -> Self {
        Self::parsed_by(json::parse_cut)
    }
}

impl<T> core::fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Json")
            .field("buffered", &self.body.bytes.len())
            .field("state", &self.body.state)
            .finish()
    }
}

impl<T: DeserializeOwned> Decode for Json<T> {
    type Item = T;

    fn feed(&mut self, bytes: &[u8]) {
        self.body.feed(bytes);
    }

    fn end(&mut self) {
        self.body.end();
    }

    fn next_item(&mut self) -> Result<Step<T>, ReplyError> {
        let body = match self.body.take()? {
            Step::Item(body) => body,
            Step::NeedData => return Ok(Step::NeedData),
            Step::End => return Ok(Step::End),
        };
        let text = match body.trim_ascii() {
            "" => "null",
            _ => &body,
        };
        (self.parse)(text)
            .map(Step::Item)
            .map_err(|source| ReplyError::body(source, body.as_bytes()))
    }
}

impl<T: DeserializeOwned> SingleItem for Json<T> {}
