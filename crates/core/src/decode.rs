//! Decoders for response bodies.

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

/// The result of [`Decode::next_item`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// The next item.
    Item(T),
    /// The next item is incomplete. Feed more bytes, or mark the end of the body.
    NeedData,
    /// The body is complete, and there are no more items.
    End,
}

/// Turns the bytes of a body into items, without IO.
///
/// The items do not depend on how the bytes were split into chunks, except for [`Chunks`]. The size
/// of the buffer is bounded.
pub trait Decode {
    /// The type of the items.
    type Item;

    /// Takes the next bytes of the body, in chunks of any size. [`next_item`](Self::next_item)
    /// reports errors.
    fn feed(&mut self, bytes: &[u8]);

    /// Marks the end of the body. Must not be called for a truncated body.
    fn end(&mut self);

    /// Returns the next item, if it is complete.
    ///
    /// # Errors
    /// The bytes cannot be decoded, or exceed the limit of the decoder. After an error there are no
    /// more items, unless the decoder's documentation says otherwise.
    fn next_item(&mut self) -> Result<Step<Self::Item>, ReplyError>;
}

/// A decoder that yields exactly one item, at the end of the body.
pub trait SingleItem: Decode {}
