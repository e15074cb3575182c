use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use scramjet_client_blocking::transport::{BoxError, Phase, TransportError};

use super::handle::{AnswerQueue, ResponseHandle};
use crate::http1::is_bodiless;

/// An answer to a request: a response, silence, or a transport error.
///
/// It is for a [`Script`](super::Script) or a [`Connection`](crate::server::Connection). An invalid
/// status, header name or header value turns it into a transport error.
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
    pub(super) outcome: AnswerOutcome,
    pub(super) queue: Arc<AnswerQueue>,
}

/// The kind of an answer.
pub(super) enum AnswerOutcome {
    Head {
        status: StatusCode,
        reason: Option<String>,
        headers: HeaderMap,
    },
    Silence,
    Error(TransportError),
}

impl Answer {
    /// Returns a response with the status 200, this body and a `Content-Length`.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    /// Returns a response with this status, this body and a `Content-Length`.
    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len();
        let mut answer = Self::new(status, AnswerQueue::with_pieces([body]));
        if let AnswerOutcome::Head {
            status, headers, ..
        } = &mut answer.outcome
        {
            if !is_bodiless(*status) {
                headers.insert(header::CONTENT_LENGTH, length.into());
            }
        }
        answer
    }

    /// Returns a response with the status 200 and a body in these pieces, without a
    /// `Content-Length`.
    pub fn pieces<T: Into<Vec<u8>>>(pieces: impl IntoIterator<Item = T>) -> Self {
        Self::new(
            200,
            AnswerQueue::with_pieces(pieces.into_iter().map(Into::into)),
        )
    }

    /// Returns a response with the status 200, and the handle through which the test sends its body
    /// in pieces.
    ///
    /// Each wait for the headers or the next piece fails after the time limit of the script: see
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

    /// Returns an answer that reads the request and never responds, to test timeouts of the caller.
    ///
    /// The request ends at its deadline, at its idle timeout, when its cancel token is canceled, or
    /// when the test drops its last clone of the [`Script`](super::Script). The time limit of the
    /// script does not apply.
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
            outcome: AnswerOutcome::Silence,
            queue: Arc::default(),
        }
    }

    /// Returns a failure of the transport, without a response.
    ///
    /// Pass a [`TransportError`] to choose its phase. The phase of other errors is [`Phase::Wait`].
    pub fn error(error: impl Into<BoxError>) -> Self {
        let error = error.into().downcast();
        let error = error.map_or_else(unanswered, |error| *error);
        Self {
            outcome: AnswerOutcome::Error(error),
            queue: Arc::default(),
        }
    }

    /// Replaces the status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        if let AnswerOutcome::Head { status: old, .. } = &mut self.outcome {
            match StatusCode::from_u16(status) {
                Ok(new) => *old = new,
                Err(error) => self.outcome = AnswerOutcome::Error(unanswered(error)),
            }
        }
        self
    }

    /// Sets a header, and replaces others of the same name.
    ///
    /// A `content-length` is sent unchanged, even if the body is longer or shorter.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let AnswerOutcome::Head { headers, .. } = &mut self.outcome {
            let name = HeaderName::try_from(name).map_err(BoxError::from);
            let value = HeaderValue::try_from(value).map_err(BoxError::from);
            match name.and_then(|name| Ok((name, value?))) {
                Ok((name, value)) => drop(headers.insert(name, value)),
                Err(error) => self.outcome = AnswerOutcome::Error(unanswered(error)),
            }
        }
        self
    }

    /// Sets the reason phrase. By default, it is the standard one of the status.
    #[must_use]
    pub fn reason(mut self, phrase: &str) -> Self {
        if let AnswerOutcome::Head { reason, .. } = &mut self.outcome {
            *reason = Some(phrase.to_owned());
        }
        self
    }

    /// Closes the connection after the last piece, so that the body is truncated.
    #[must_use]
    pub fn lost(self) -> Self {
        self.queue.cut_off();
        self
    }

    fn new(status: u16, queue: AnswerQueue) -> Self {
        let outcome = match StatusCode::from_u16(status) {
            Ok(status) => AnswerOutcome::Head {
                status,
                reason: None,
                headers: HeaderMap::new(),
            },
            Err(error) => AnswerOutcome::Error(unanswered(error)),
        };
        Self {
            outcome,
            queue: Arc::new(queue),
        }
    }

    /// Returns `true` if the client need not send the rest of its request.
    pub(crate) fn refuses(&self) -> bool {
        match &self.outcome {
            AnswerOutcome::Head { status, .. } => !status.is_success(),
            AnswerOutcome::Silence => false,
            AnswerOutcome::Error(_) => true,
        }
    }

    pub(crate) fn is_silent(&self) -> bool {
        matches!(self.outcome, AnswerOutcome::Silence)
    }

    /// Returns the queue of an answer that has a [`ResponseHandle`].
    pub(super) fn live_queue(&self) -> Option<Arc<AnswerQueue>> {
        (matches!(self.outcome, AnswerOutcome::Head { .. }) && self.queue.is_live())
            .then(|| Arc::clone(&self.queue))
    }
}

pub(super) fn unanswered(source: impl Into<BoxError>) -> TransportError {
    TransportError::new(Phase::Wait, source)
}

pub(super) fn reason_phrase(status: StatusCode, reason: Option<String>) -> String {
    reason.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().to_owned())
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            AnswerOutcome::Head { status, .. } => write!(f, "Answer({status})"),
            AnswerOutcome::Silence => f.write_str("Answer(silent)"),
            AnswerOutcome::Error(error) => write!(f, "Answer(error: {error})"),
        }
    }
}
