use alloc::vec::Vec;

use serde::de::DeserializeOwned;

use crate::{Decode, ReplyError, SingleItem, Step, json};

/// The whole body as one JSON value. An empty body (also that of a `204`) reads as `null`.
///
/// It is read as JavaScript writes it: half of a surrogate pair becomes U+FFFD, and of a member that
/// comes twice the last one counts. Arrays and objects nested 128 deep or deeper become `null`, so
/// that one instance with such arguments does not hide all others; in an event they are an error, as
/// in lines of JSON. These are errors ([`ReplyError::Body`]) everywhere: a number beyond the range of
/// `f64` such as `1e400`, which JavaScript never writes; and a member twice that the type of the
/// value names.
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
    /// The longest body that is read: 4 MiB. The longest reply of a hub is its list of instances, at about 600 bytes each, and each a process;
    /// this has room for 6,500 of them. A server that means harm can claim that much for the buffer and twice as much while it grows, and a
    /// hundred times as much for a value of nothing but the smallest members.
    pub const LIMIT: usize = 4 << 20;
}

impl<T: DeserializeOwned> Json<T> {
    /// Fails if something is nested too deep, for data that must not be changed.
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
                // Once for all of it, and not for each string in it.
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
