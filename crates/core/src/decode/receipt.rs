use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use http::{HeaderMap, StatusCode};

use crate::{ApiError, Decode, ReplyError, Single, Step};

/// The answer to an upload to an instance: empty, and complete once the hub has taken the last byte.
///
/// quirk: a 0.18.7 hub answers `200` to an upload for an input that has already ended, and says so only in the body
/// (`500: Internal error occurred`). That is an error here.
#[derive(Debug, Default)]
pub struct Receipt {
    body: Vec<u8>,
    ended: bool,
    done: bool,
}

impl Receipt {
    /// How much of the answer is kept: 1 KiB, many times the one line that a hub may send. The rest is read and dropped.
    const KEPT: usize = 1024;
}

impl Decode for Receipt {
    type Item = ();

    fn feed(&mut self, bytes: &[u8]) {
        let room = Self::KEPT.saturating_sub(self.body.len());
        self.body.extend(bytes.iter().take(room));
    }

    fn end(&mut self) {
        self.ended = true;
    }

    fn next_item(&mut self) -> Result<Step<()>, ReplyError> {
        if self.done {
            return Ok(Step::End);
        }
        if !self.ended {
            return Ok(Step::NeedData);
        }
        self.done = true;
        let text = String::from_utf8_lossy(&self.body);
        match text.split_once(": ").and_then(|(status, _)| status.parse::<StatusCode>().ok()) {
            Some(_) => {
                let body = core::mem::take(&mut self.body);
                let error = ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "", &HeaderMap::new(), body);
                let message = format!("{}; has this input ended already?", error.message);
                let status = error.status;
                Err(ReplyError::Api(error.meaning(status, &message).into()))
            }
            None => Ok(Step::Item(())),
        }
    }
}

impl Single for Receipt {}
