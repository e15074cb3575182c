use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use http::{HeaderMap, StatusCode};

use crate::error::refusal_in_words;
use crate::{ApiError, Decode, Discard, ReplyError, SingleItem, Step};

/// The answer to an upload to an instance: empty, and complete once the hub has taken the last byte.
///
/// quirk: a 0.18.7 hub answers `200` to an upload for an input that has already ended, and says so only in the body
/// (`500: Internal error occurred`). That is an error here.
#[derive(Debug, Default)]
pub struct Receipt {
    kept: Vec<u8>,
    all: Discard,
}

impl Receipt {
    /// How much of the answer is looked at: 1 KiB, many times the one line that a hub may send.
    const KEPT: usize = 1024;
}

impl Decode for Receipt {
    type Item = ();

    fn feed(&mut self, bytes: &[u8]) {
        let room = Self::KEPT.saturating_sub(self.kept.len());
        self.kept.extend(bytes.iter().take(room));
        self.all.feed(bytes);
    }

    fn end(&mut self) {
        self.all.end();
    }

    fn next_item(&mut self) -> Result<Step<()>, ReplyError> {
        let step = self.all.next_item()?;
        if step == Step::Item(())
            && refusal_in_words(String::from_utf8_lossy(&self.kept).trim()).is_some()
        {
            return Err(ReplyError::Api(
                refusal(core::mem::take(&mut self.kept)).into(),
            ));
        }
        Ok(step)
    }
}

impl SingleItem for Receipt {}

fn refusal(body: Vec<u8>) -> ApiError {
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
