use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use http::{HeaderMap, StatusCode, header};

use crate::{ApiError, Decode, ReplyError, Step};

/// The reading half of one exchange: a head was received, the bytes of the body are pushed in, items are pulled out.
///
/// On success the operation's decoder reads the body; otherwise a bounded part of it is collected and becomes an
/// [`ApiError`]. Made by [`Endpoint::reply`](crate::Endpoint::reply); every driver is the same loop over it.
pub struct Reply<D> {
    reading: Reading<D>,
    got: u64,
    expected: Option<u64>,
}

enum Reading<D> {
    Success(D),
    Refusal(Box<Refusal>),
    Over,
}

struct Refusal {
    status: StatusCode,
    reason: String,
    headers: HeaderMap,
    body: Vec<u8>,
    complete: bool,
    correct: fn(ApiError) -> ApiError,
}

impl Refusal {
    fn new(
        status: StatusCode,
        reason: &str,
        headers: &HeaderMap,
        correct: fn(ApiError) -> ApiError,
    ) -> Box<Self> {
        let (reason, headers) = (reason.to_string(), headers.clone());
        Box::new(Self {
            status,
            reason,
            headers,
            body: Vec::new(),
            complete: false,
            correct,
        })
    }
}

/// How long the head says that the body is.
fn announced(headers: &HeaderMap) -> Option<u64> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse().ok());
    length.filter(|_| !headers.contains_key(header::TRANSFER_ENCODING))
}

impl<D: Decode> Reply<D> {
    pub(crate) fn new(
        status: StatusCode,
        reason: &str,
        headers: &HeaderMap,
        decoder: D,
        correct: fn(ApiError) -> ApiError,
    ) -> Self {
        let reading = if status.is_success() {
            Reading::Success(decoder)
        } else {
            Reading::Refusal(Refusal::new(status, reason, headers, correct))
        };
        Self {
            reading,
            got: 0,
            expected: announced(headers),
        }
    }

    /// Whether the status says success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self.reading, Reading::Success(_))
    }

    /// How long the body is, where its head says so. Where it comes in chunks, they alone tell.
    #[must_use]
    pub fn announced(&self) -> Option<u64> {
        self.expected
    }

    /// How many bytes of the body have come.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.got
    }

    /// The decoder of a success, for a driver that hands the bytes of the body on itself. `None` for a refusal, and after the end.
    #[must_use]
    pub fn into_decoder(self) -> Option<D> {
        match self.reading {
            Reading::Success(decoder) => Some(decoder),
            Reading::Refusal(_) | Reading::Over => None,
        }
    }

    /// Reads the rest of the body by another decoder.
    pub(crate) fn decode_by<E: Decode>(self, decoder: E) -> Reply<E> {
        let reading = match self.reading {
            Reading::Success(_) => Reading::Success(decoder),
            Reading::Refusal(refusal) => Reading::Refusal(refusal),
            Reading::Over => Reading::Over,
        };
        Reply {
            reading,
            got: self.got,
            expected: self.expected,
        }
    }

    /// Takes the next bytes of the body.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.got = self
            .got
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        match &mut self.reading {
            Reading::Success(decoder) => decoder.feed(bytes),
            Reading::Refusal(refusal) => refusal.feed(bytes),
            Reading::Over => {}
        }
    }

    /// The body is complete.
    ///
    /// # Errors
    /// [`ReplyError::Truncated`] where the head announced more than came. Nothing more comes out of this reply then.
    pub fn end(&mut self) -> Result<(), ReplyError> {
        match &mut self.reading {
            // A refusal that was cut short is still a refusal.
            Reading::Refusal(refusal) => refusal.complete = true,
            Reading::Success(_) if self.expected.is_some_and(|expected| self.got < expected) => {
                return Err(self.cut_off());
            }
            Reading::Success(decoder) => decoder.end(),
            Reading::Over => {}
        }
        Ok(())
    }

    /// The connection was lost in the middle of the body: what to report for it.
    pub fn cut_off(&mut self) -> ReplyError {
        let error = ReplyError::Truncated {
            got: self.got,
            expected: self.expected,
        };
        match core::mem::replace(&mut self.reading, Reading::Over) {
            Reading::Refusal(refusal) => refusal.into_error(),
            _ => error,
        }
    }

    /// The next item, or what is missing for it.
    ///
    /// # Errors
    /// [`ReplyError::Api`] for a refusal, or what the decoder reports.
    pub fn next_item(&mut self) -> Result<Step<D::Item>, ReplyError> {
        match &mut self.reading {
            Reading::Success(decoder) => decoder.next_item(),
            Reading::Refusal(refusal) if refusal.complete => Err(self.cut_off()),
            Reading::Refusal(_) => Ok(Step::NeedData),
            Reading::Over => Ok(Step::End),
        }
    }
}

impl Refusal {
    /// Once there is as much as is kept, the rest of the body is not waited for.
    fn feed(&mut self, bytes: &[u8]) {
        let room = ApiError::BODY_LIMIT - self.body.len();
        self.body
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.complete = self.body.len() == ApiError::BODY_LIMIT;
    }

    fn into_error(self) -> ReplyError {
        let error = ApiError::new(self.status, &self.reason, &self.headers, self.body);
        ReplyError::Api((self.correct)(error).into())
    }
}

impl<D> fmt::Debug for Reply<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reading = match &self.reading {
            Reading::Success(_) => "success",
            Reading::Refusal(_) => "refusal",
            Reading::Over => "over",
        };
        f.debug_struct("Reply")
            .field("reading", &reading)
            .field("got", &self.got)
            .field("expected", &self.expected)
            .finish()
    }
}
