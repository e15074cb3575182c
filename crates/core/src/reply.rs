use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use http::{HeaderMap, StatusCode};

use crate::headers::Encoding;
use crate::{ApiError, BodyLength, Decode, ReplyError, Step};

/// The reading half of one exchange: a head was received, the bytes of the body are pushed in, items are pulled out.
///
/// On success the operation's decoder reads the body; otherwise a bounded part of it is collected and becomes an
/// [`ApiError`]. Made by [`Endpoint::reply`](crate::Endpoint::reply); every driver is the same loop over it.
pub struct Reply<D> {
    reading: Reading<D>,
    length: BodyLength,
}

enum Reading<D> {
    Success(D),
    Refusal(Box<Refusal>),
    /// The body has this encoding, and is not read.
    Encoded(Encoding),
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

impl<D: Decode> Reply<D> {
    pub(crate) fn new(
        status: StatusCode,
        reason: &str,
        headers: &HeaderMap,
        decoder: D,
        correct: fn(ApiError) -> ApiError,
    ) -> Self {
        let length = BodyLength::new(status, headers);
        let encoding = Encoding::of(headers).filter(|_| length.announced() != Some(0));
        let reading = match encoding {
            _ if !status.is_success() => {
                Reading::Refusal(Refusal::new(status, reason, headers, correct))
            }
            Some(encoding) => Reading::Encoded(encoding),
            None => Reading::Success(decoder),
        };
        Self { reading, length }
    }

    /// Returns `true` if the status says success and the body can be read.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self.reading, Reading::Success(_))
    }

    /// How many bytes of the body have come, and how many were announced.
    #[must_use]
    pub fn length(&self) -> BodyLength {
        self.length
    }

    /// Reads the rest of the body by another decoder. What was fed to the first one and is not
    /// handed out yet is lost.
    #[must_use]
    pub fn with_decoder<E: Decode>(self, decoder: E) -> Reply<E> {
        let reading = match self.reading {
            Reading::Success(_) => Reading::Success(decoder),
            Reading::Refusal(refusal) => Reading::Refusal(refusal),
            Reading::Encoded(encoding) => Reading::Encoded(encoding),
            Reading::Over => Reading::Over,
        };
        Reply {
            reading,
            length: self.length,
        }
    }

    /// Takes the next bytes of the body.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.length.add(bytes.len());
        match &mut self.reading {
            Reading::Success(decoder) => decoder.feed(bytes),
            Reading::Refusal(refusal) => refusal.feed(bytes),
            Reading::Encoded(_) | Reading::Over => {}
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
            Reading::Success(decoder) => match self.length.end() {
                Ok(()) => decoder.end(),
                Err(error) => {
                    self.reading = Reading::Over;
                    return Err(error);
                }
            },
            Reading::Encoded(_) | Reading::Over => {}
        }
        Ok(())
    }

    /// The connection was lost in the middle of the body: what to report for it.
    pub fn cut_off(&mut self) -> ReplyError {
        match core::mem::replace(&mut self.reading, Reading::Over) {
            Reading::Refusal(refusal) => refusal.into_error(),
            Reading::Encoded(encoding) => encoding.into(),
            Reading::Success(_) | Reading::Over => self.length.cut_off(),
        }
    }

    /// The next item, or what is missing for it.
    ///
    /// # Errors
    /// [`ReplyError::Api`] for a refusal, or what the decoder reports.
    #[inline]
    pub fn next_item(&mut self) -> Result<Step<D::Item>, ReplyError> {
        match &mut self.reading {
            Reading::Success(decoder) => decoder.next_item(),
            Reading::Refusal(_) | Reading::Encoded(_) | Reading::Over => self.next_of_none(),
        }
    }

    #[cold]
    fn next_of_none(&mut self) -> Result<Step<D::Item>, ReplyError> {
        match &self.reading {
            Reading::Encoded(_) => Err(self.cut_off()),
            Reading::Refusal(refusal) if refusal.complete => Err(self.cut_off()),
            Reading::Refusal(_) | Reading::Success(_) => Ok(Step::NeedData),
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
            Reading::Encoded(_) => "encoded",
            Reading::Over => "over",
        };
        f.debug_struct("Reply")
            .field("reading", &reading)
            .field("length", &self.length)
            .finish()
    }
}
