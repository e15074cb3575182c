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

    /// Room in the decoder's own memory for the next bytes of the body, so that who reads them need not have memory from which they are copied. What is
    /// in it means nothing, and what is put there counts when [`filled`](Self::filled) says so. Empty where a decoder lends none, and they have
    /// to be [fed](Self::feed): that can be done at any time, and in turns with this.
    ///
    /// ```
    /// use std::io::Read;
    /// use scramjet_client_core::{Decode, Lines, Step};
    ///
    /// let (mut body, mut lines) = (&b"one\ntwo\n"[..], Lines::default());
    /// let read = body.read(lines.room())?;
    /// lines.filled(read);
    /// assert_eq!(lines.next_item()?, Step::Item(b"one".to_vec()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn room(&mut self) -> &mut [u8] {
        &mut []
    }

    /// So many bytes at the beginning of the [`room`](Self::room) are the next ones of the body. Nothing else may be done between the two.
    fn filled(&mut self, length: usize) {
        let _ = length;
    }

    /// The body is complete. Must not be called for a body that was cut off.
    fn end(&mut self);

    /// The next item, or what is missing for it.
    ///
    /// # Errors
    /// The bytes are not what this decoder reads, or too many. After an error the decoder is at its end, unless it says otherwise.
    fn next_item(&mut self) -> Result<Step<Self::Item>, ReplyError>;
}

/// A decoder that yields exactly one item, when the body is complete.
pub trait Single: Decode {}
