//! Reading bodies: bytes are pushed in as they arrive, items are pulled out.

mod chunks;
mod discard;
mod json;
mod json_lines;
mod lines;
mod receipt;
mod text;
mod text_lines;

pub use chunks::Chunks;
pub use discard::Discard;
pub use json::Json;
pub use json_lines::JsonLines;
pub use lines::Lines;
pub use receipt::Receipt;
pub use text_lines::TextLines;

use crate::ReplyError;

/// What a decoder has to say next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// The next item.
    Item(T),
    /// Nothing yet: feed more bytes, or say that the body ended.
    NeedData,
    /// The body is complete and everything in it was handed out.
    End,
}

/// Turns the bytes of a body into items, without doing any IO.
///
/// Items never depend on how the bytes were cut, and what is buffered is bounded.
pub trait Decode {
    /// What comes out.
    type Item;

    /// Takes the next bytes of the body, however they were cut. Never fails: what is wrong with them is said by
    /// [`next_item`](Self::next_item).
    fn feed(&mut self, bytes: &[u8]);

    /// The body is complete. Must not be called for a body that was cut off.
    fn end(&mut self);

    /// The next item, or what is missing for it.
    ///
    /// # Errors
    /// The bytes are not what this decoder reads, or too many. After an error the decoder is at its end, unless it says otherwise.
    fn next_item(&mut self) -> Result<Step<Self::Item>, ReplyError>;
}

/// A decoder that yields exactly one item, when the body is complete.
pub trait SingleItem: Decode {}
