use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use http::{HeaderMap, StatusCode};

use crate::error::refusal_in_words;
use crate::{ApiError, Decode, Discard, ReplyError, SingleItem, Step};

/// Decodes the response to an upload to an instance. The body is empty, and ends when the hub has
/// read the last byte of the upload.
///
/// Quirk: if the input has already ended, a hub of 0.18.7 answers `200` with the body
/// `500: Internal error occurred`. The decoder reports that as an error.
#[derive(Debug, Default)]
pub struct Receipt {
    body: Vec<u8>,
    discard: Discard,
}

impl Receipt {
    /// Maximum number of bytes that are searched for the text of an error: 1 KiB. A hub sends a
    /// single line.
    const LIMIT: usize = 1024;
}

impl Decode for Receipt {
    type Item = ();

    fn feed(&mut self, bytes: &[u8]) {
        let free = Self::LIMIT.saturating_sub(self.body.len());
        self.body.extend(bytes.iter().take(free));
        self.discard.feed(bytes);
    }

    fn end(&mut self) {
        self.discard.end();
    }

    fn next_item(&mut self) -> Result<Step<()>, ReplyError> {
        let step = self.discard.next_item()?;
        if step == Step::Item(())
            && refusal_in_words(String::from_utf8_lossy(&self.body).trim()).is_some()
        {
            return Err(ReplyError::Api(
                input_ended(core::mem::take(&mut self.body)).into(),
            ));
        }
        Ok(step)
    }
}

impl SingleItem for Receipt {}

fn input_ended(body: Vec<u8>) -> ApiError {
    let error = ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "",
        &HeaderMap::new(),
        body,
    );
    let message = format!("{}; has this input ended already?", error.message);
    ApiError {
        received_status: StatusCode::OK,
        message,
        ..error
    }
}
