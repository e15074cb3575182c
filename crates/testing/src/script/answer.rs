use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use scramjet_client_blocking::transport::{BoxError, Phase, ReasonPhrase, TransportError};

use super::handle::{AnswerQueue, ResponseHandle, WaitError, WaitLimits};
use crate::http1::{Framing, MessageHead, chunk, is_bodiless};

/// An answer to a request, for a [`Script`](super::Script) or a
/// [`Connection`](crate::server::Connection).
///
/// ```
/// use scramjet_client_testing::script::Answer;
///
/// let plain = Answer::ok(r#"{"id":"x"}"#);
/// let refusal = Answer::status(404, r#"{"error":"Not found"}"#)
///     .reason("Not Found")
///     .header("content-type", "application/json");
/// // Each read of the body returns one piece. Then the connection is lost.
/// let broken = Answer::pieces(["a line\n", "half a li"]).lost();
/// let none = Answer::error("no route to host");
/// ```
pub struct Answer {
    start: Outcome,
    queue: Arc<AnswerQueue>,
}

/// The beginning of an answer.
enum Outcome {
    Head {
        status: StatusCode,
        reason: Option<String>,
        headers: HeaderMap,
    },
    Silence,
    Error(TransportError),
}

impl Answer {
    /// Answers with 200 and this body, with a `Content-Length`.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    /// Answers with this status and this body, with a `Content-Length`.
    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len();
        let mut answer = Self::new(status, AnswerQueue::with_pieces([body]));
        if let Outcome::Head {
            status, headers, ..
        } = &mut answer.start
        {
            if !is_bodiless(*status) {
                headers.insert(header::CONTENT_LENGTH, length.into());
            }
        }
        answer
    }

    /// Answers with 200 and a body that comes in these pieces, without a `Content-Length`.
    pub fn pieces<T: Into<Vec<u8>>>(pieces: impl IntoIterator<Item = T>) -> Self {
        Self::new(
            200,
            AnswerQueue::with_pieces(pieces.into_iter().map(Into::into)),
        )
    }

    /// Answers with 200 and a body that the test sends through the handle, piece by piece.
    ///
    /// Each wait for the next part fails after the time limit of the script: see
    /// [`Script::time_limit`](super::Script::time_limit).
    ///
    /// ```
    /// use std::thread;
    /// use scramjet_client_testing::script::{Answer, Script};
    ///
    /// let (answer, response) = Answer::live();
    /// let script = Script::new().then("GET", "instance/x/output", answer);
    /// let host = script.client().build()?;
    ///
    /// let reader = thread::spawn(move || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
    ///     let mut lines = host.instance("x")?.output()?.lines();
    ///     Ok([lines.next().transpose()?, lines.next().transpose()?])
    /// });
    /// response.piece("one line\nand a ");
    /// response.piece("half\n");
    /// let lines = reader.join().unwrap().unwrap();
    /// assert_eq!(lines, [Some("one line".into()), Some("and a half".into())]);
    /// assert!(response.is_dropped());
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn live() -> (Self, ResponseHandle) {
        let answer = Self::new(200, AnswerQueue::default());
        let handle = ResponseHandle(Arc::clone(&answer.queue));
        (answer, handle)
    }

    /// Reads the request and never answers, to test the limits of the caller.
    ///
    /// The request ends when its deadline, its idle timeout or its cancel token ends it, or with an
    /// error when the last clone of the [`Script`](super::Script) that the test has is dropped. The
    /// time limit of the script does not apply.
    ///
    /// ```
    /// use std::time::Duration;
    /// use scramjet_client_testing::script::{Answer, Script};
    ///
    /// let script = Script::new().then("GET", "version", Answer::silent());
    /// let host = script.client().build()?.with_deadline(Duration::from_millis(20));
    /// assert!(host.version().unwrap_err().is_timeout());
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn silent() -> Self {
        Self {
            start: Outcome::Silence,
            queue: Arc::default(),
        }
    }

    /// Fails instead of answering. Pass a [`TransportError`] to choose the phase of the failure.
    /// Other errors fail in [`Phase::Wait`].
    pub fn error(error: impl Into<BoxError>) -> Self {
        let error = error.into().downcast();
        let error = error.map_or_else(unanswered, |error| *error);
        Self {
            start: Outcome::Error(error),
            queue: Arc::default(),
        }
    }

    /// Replaces the status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        if let Outcome::Head { status: old, .. } = &mut self.start {
            match StatusCode::from_u16(status) {
                Ok(new) => *old = new,
                Err(error) => self.start = Outcome::Error(unanswered(error)),
            }
        }
        self
    }

    /// Sets a header, and replaces others of the same name.
    ///
    /// A `content-length` is announced as it is, even if the body is longer or shorter.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Outcome::Head { headers, .. } = &mut self.start {
            let name = HeaderName::try_from(name).map_err(BoxError::from);
            let value = HeaderValue::try_from(value).map_err(BoxError::from);
            match name.and_then(|name| Ok((name, value?))) {
                Ok((name, value)) => drop(headers.insert(name, value)),
                Err(error) => self.start = Outcome::Error(unanswered(error)),
            }
        }
        self
    }

    /// Sets the reason phrase. By default, it is the usual one of the status.
    #[must_use]
    pub fn reason(mut self, phrase: &str) -> Self {
        if let Outcome::Head { reason, .. } = &mut self.start {
            *reason = Some(phrase.to_owned());
        }
        self
    }

    /// Loses the connection after the last piece of the body, so that the body is cut off.
    #[must_use]
    pub fn lost(self) -> Self {
        self.queue.cut_off();
        self
    }

    fn new(status: u16, queue: AnswerQueue) -> Self {
        let start = match StatusCode::from_u16(status) {
            Ok(status) => Outcome::Head {
                status,
                reason: None,
                headers: HeaderMap::new(),
            },
            Err(error) => Outcome::Error(unanswered(error)),
        };
        Self {
            start,
            queue: Arc::new(queue),
        }
    }

    /// True if the client need not send the rest of its request.
    pub(crate) fn refuses(&self) -> bool {
        match &self.start {
            Outcome::Head { status, .. } => !status.is_success(),
            Outcome::Silence => false,
            Outcome::Error(_) => true,
        }
    }

    pub(crate) fn is_silent(&self) -> bool {
        matches!(self.start, Outcome::Silence)
    }

    /// Returns the queue of an answer that a [`ResponseHandle`] sends.
    pub(super) fn live_queue(&self) -> Option<Arc<AnswerQueue>> {
        (matches!(self.start, Outcome::Head { .. }) && self.queue.is_live())
            .then(|| Arc::clone(&self.queue))
    }

    /// Waits for the head, and returns the response to the request with this label.
    ///
    /// `silence` is what a silent answer waits for.
    pub(super) fn into_response(
        self,
        request: String,
        limits: WaitLimits,
        silence: &Arc<AnswerQueue>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        let (status, reason, headers) = match self.start {
            Outcome::Head {
                status,
                reason,
                headers,
            } => (status, reason, headers),
            Outcome::Error(error) => return Err(error),
            Outcome::Silence => {
                let limits = WaitLimits {
                    script: None,
                    ..limits
                };
                return Err(match silence.head(&limits) {
                    Err(WaitError::Stopped(stopped)) => unanswered(stopped),
                    _ => unanswered(format!(
                        "{request}: the script was dropped before it answered"
                    )),
                });
            }
        };
        let mut body = AnswerBody {
            request,
            queue: self.queue,
            limits,
            piece: io::Cursor::default(),
            announced: None,
        };
        body.queue.head(&body.limits).map_err(|error| match error {
            WaitError::Lost => unanswered("the connection was lost"),
            WaitError::Stopped(stopped) => unanswered(stopped),
            error => unanswered(error.into_io(&body.request)),
        })?;
        body.announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        let body: Box<dyn Read + Send> = Box::new(body);
        let mut response = Response::new(body);
        response
            .extensions_mut()
            .insert(ReasonPhrase(reason_phrase(status, reason)));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// Writes the answer as its parts come. One whose body is cut off is an error, so that the
    /// connection is closed.
    pub(crate) fn write_to(self, to: &mut impl Write) -> io::Result<()> {
        let Outcome::Head {
            status,
            reason,
            mut headers,
        } = self.start
        else {
            return Err(io::ErrorKind::ConnectionAborted.into());
        };
        let limits = WaitLimits::default();
        let failed = |error: WaitError| error.into_io("the response");
        self.queue.head(&limits).map_err(failed)?;
        let chunked = !is_bodiless(status) && !headers.contains_key(header::CONTENT_LENGTH);
        if chunked {
            headers.insert(
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            );
        }
        let head = MessageHead {
            first_line: format!(
                "HTTP/1.1 {} {}",
                status.as_u16(),
                reason_phrase(status, reason)
            ),
            headers,
        };
        let mut left = match head.framing(Framing::Length(0)) {
            Framing::Length(length) => length,
            _ => 0,
        };
        to.write_all(&head.to_bytes())?;
        while let Some(piece) = self.queue.next(&limits).map_err(failed)? {
            left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            match chunked {
                true if piece.is_empty() => {}
                true => to.write_all(&chunk(&piece))?,
                false => to.write_all(&piece)?,
            }
        }
        match left {
            0 if chunked => to.write_all(b"0\r\n\r\n"),
            0 => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn unanswered(source: impl Into<BoxError>) -> TransportError {
    TransportError::new(Phase::Wait, source)
}

fn reason_phrase(status: StatusCode, reason: Option<String>) -> String {
    reason.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().to_owned())
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.start {
            Outcome::Head { status, .. } => write!(f, "Answer({status})"),
            Outcome::Silence => f.write_str("Answer(silent)"),
            Outcome::Error(error) => write!(f, "Answer(error: {error})"),
        }
    }
}

/// The body of an answer, which returns its pieces as they come.
struct AnswerBody {
    /// The label of the request, for errors.
    request: String,
    queue: Arc<AnswerQueue>,
    limits: WaitLimits,
    /// The piece that is being read.
    piece: io::Cursor<Vec<u8>>,
    /// The announced length that is still to come.
    announced: Option<u64>,
}

impl Read for AnswerBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buf)?;
            if read > 0 || buf.is_empty() {
                let count = u64::try_from(read).unwrap_or(u64::MAX);
                self.announced = self
                    .announced
                    .map(|announced| announced.saturating_sub(count));
                return Ok(read);
            }
            let next = self.queue.next(&self.limits);
            match next.map_err(|error| error.into_io(&self.request))? {
                Some(piece) => self.piece = io::Cursor::new(piece),
                None if self.announced.is_some_and(|left| left > 0) => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                None => return Ok(0),
            }
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.queue.drop_reader();
    }
}
