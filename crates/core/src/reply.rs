use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use http::{HeaderMap, StatusCode};

use crate::headers::Encoding;
use crate::{ApiError, BodyLength, Decode, ReplyError, Step};

/// A response whose head has arrived. The driver feeds the bytes of the body and takes the items.
///
/// If the status is a success, the operation's decoder reads the body. Otherwise the first bytes of
/// the body, up to [`ApiError::BODY_LIMIT`], become part of an [`ApiError`].
///
/// Created by [`Endpoint::reply`](crate::Endpoint::reply). A driver reads the body in a loop like
/// this:
///
/// ```
/// use std::io::BufRead;
/// use scramjet_client_core::{Decode, Reply, Step};
///
/// fn read<D: Decode>(
///     mut reply: Reply<D>,
///     mut body: impl BufRead,
/// ) -> Result<Vec<D::Item>, Box<dyn std::error::Error>> {
///     let mut items = Vec::new();
///     loop {
///         match reply.next_item()? {
///             Step::Item(item) => items.push(item),
///             Step::End => return Ok(items),
///             Step::NeedData => match body.fill_buf() {
///                 Ok([]) => reply.end()?,
///                 Ok(chunk) => {
///                     let length = chunk.len();
///                     reply.feed(chunk);
///                     body.consume(length);
///                 }
///                 Err(_) => return Err(reply.cut_off().into()),
///             },
///         }
///     }
/// }
/// # use scramjet_client_core::{Endpoint, GetVersion, http};
/// # let hub = Endpoint::new("http://localhost:8000/api/v1")?;
/// # let reply = hub.reply(&GetVersion, http::StatusCode::OK, "OK", &http::HeaderMap::new());
/// # assert_eq!(read(reply, &br#"{"version":"1.0.1"}"#[..])?[0].version, "1.0.1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reply<D> {
    decoder: D,
    state: ReplyState,
}

/// The part of a reply that does not depend on the decoder, so that it is compiled only once.
pub(crate) struct ReplyState {
    reading: Reading,
    length: BodyLength,
}

enum Reading {
    Success,
    Refusal(Box<Refusal>),
    /// The body has an encoding that was not requested, so it is not read.
    Encoded(Encoding),
    Done,
}

struct Refusal {
    status: StatusCode,
    reason: String,
    headers: HeaderMap,
    body: Vec<u8>,
    complete: bool,
    map_api_error: fn(ApiError) -> ApiError,
}

impl Refusal {
    fn new(
        status: StatusCode,
        reason: &str,
        headers: &HeaderMap,
        map_api_error: fn(ApiError) -> ApiError,
    ) -> Box<Self> {
        let (reason, headers) = (reason.to_string(), headers.clone());
        Box::new(Self {
            status,
            reason,
            headers,
            body: Vec::new(),
            complete: false,
            map_api_error,
        })
    }
}

impl ReplyState {
    pub(crate) fn new(
        status: StatusCode,
        reason: &str,
        headers: &HeaderMap,
        map_api_error: fn(ApiError) -> ApiError,
    ) -> Self {
        let length = BodyLength::new(status, headers);
        let encoding = Encoding::of(headers).filter(|_| length.announced() != Some(0));
        let reading = match encoding {
            _ if !status.is_success() => {
                Reading::Refusal(Refusal::new(status, reason, headers, map_api_error))
            }
            Some(encoding) => Reading::Encoded(encoding),
            None => Reading::Success,
        };
        Self { reading, length }
    }

    pub(crate) fn is_success(&self) -> bool {
        matches!(self.reading, Reading::Success)
    }

    /// Takes the next bytes. Returns `true` if the decoder must get them.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> bool {
        self.length.add(bytes.len());
        if let Reading::Refusal(refusal) = &mut self.reading {
            refusal.feed(bytes);
        }
        self.is_success()
    }

    /// Marks the end of the body. Returns `true` if the decoder must know it.
    pub(crate) fn end(&mut self) -> Result<bool, ReplyError> {
        match &mut self.reading {
            // A truncated refusal is still a refusal.
            Reading::Refusal(refusal) => refusal.complete = true,
            Reading::Success => {
                if let Err(error) = self.length.end() {
                    self.reading = Reading::Done;
                    return Err(error);
                }
            }
            Reading::Encoded(_) | Reading::Done => {}
        }
        Ok(self.is_success())
    }

    pub(crate) fn cut_off(&mut self) -> ReplyError {
        match core::mem::replace(&mut self.reading, Reading::Done) {
            Reading::Refusal(refusal) => refusal.into_error(),
            Reading::Encoded(encoding) => encoding.into(),
            Reading::Success | Reading::Done => self.length.cut_off(),
        }
    }

    #[inline]
    pub(crate) fn next_item<D: Decode>(
        &mut self,
        decoder: &mut D,
    ) -> Result<Step<D::Item>, ReplyError> {
        match self.reading {
            Reading::Success => decoder.next_item(),
            _ => self.next_without_decoder(),
        }
    }

    /// Returns the result of [`next_item`](Self::next_item) if the decoder is not used.
    #[cold]
    fn next_without_decoder<T>(&mut self) -> Result<Step<T>, ReplyError> {
        match &self.reading {
            Reading::Encoded(_) => Err(self.cut_off()),
            Reading::Refusal(refusal) if refusal.complete => Err(self.cut_off()),
            Reading::Refusal(_) | Reading::Success => Ok(Step::NeedData),
            Reading::Done => Ok(Step::End),
        }
    }
}

impl<D: Decode> Reply<D> {
    pub(crate) fn new(
        status: StatusCode,
        reason: &str,
        headers: &HeaderMap,
        decoder: D,
        map_api_error: fn(ApiError) -> ApiError,
    ) -> Self {
        let state = ReplyState::new(status, reason, headers, map_api_error);
        Self { decoder, state }
    }

    /// Returns `true` if the status says success and the body can be read.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.state.is_success()
    }

    /// Returns the number of bytes of the body that have arrived, and the announced number.
    #[must_use]
    pub fn length(&self) -> BodyLength {
        self.state.length
    }

    /// Reads the rest of the body with another decoder. Bytes that are still buffered in the first
    /// one are lost.
    #[must_use]
    pub fn with_decoder<E: Decode>(self, decoder: E) -> Reply<E> {
        Reply {
            decoder,
            state: self.state,
        }
    }

    /// Takes the next bytes of the body.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.state.feed(bytes) {
            self.decoder.feed(bytes);
        }
    }

    /// Marks the end of the body.
    ///
    /// # Errors
    /// [`ReplyError::Truncated`] if fewer bytes arrived than announced. The reply yields no more
    /// items then.
    pub fn end(&mut self) -> Result<(), ReplyError> {
        if self.state.end()? {
            self.decoder.end();
        }
        Ok(())
    }

    /// Returns the error to report if the connection was lost while reading the body.
    ///
    /// For a refusal, this is the refusal itself.
    pub fn cut_off(&mut self) -> ReplyError {
        self.state.cut_off()
    }

    /// Returns the next item, if it is complete.
    ///
    /// # Errors
    /// [`ReplyError::Api`] for a refusal, [`ReplyError::Encoded`] for an encoded body, or the error
    /// of the decoder.
    #[inline]
    pub fn next_item(&mut self) -> Result<Step<D::Item>, ReplyError> {
        self.state.next_item(&mut self.decoder)
    }
}

impl Refusal {
    /// Buffers the body up to the limit. The refusal counts as complete then.
    fn feed(&mut self, bytes: &[u8]) {
        let room = ApiError::BODY_LIMIT - self.body.len();
        self.body
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.complete = self.body.len() == ApiError::BODY_LIMIT;
    }

    fn into_error(self) -> ReplyError {
        let error = ApiError::new(self.status, &self.reason, &self.headers, self.body);
        ReplyError::Api((self.map_api_error)(error).into())
    }
}

impl<D> fmt::Debug for Reply<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reading = match &self.state.reading {
            Reading::Success => "success",
            Reading::Refusal(_) => "refusal",
            Reading::Encoded(_) => "encoded",
            Reading::Done => "done",
        };
        f.debug_struct("Reply")
            .field("reading", &reading)
            .field("length", &self.state.length)
            .finish()
    }
}
