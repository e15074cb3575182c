use std::fmt;
use std::io;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::live::{Live, Played, Queue};
use crate::{BoxError, CallLimits, Phase, Reason, TransportError};

/// What a request is answered with.
///
/// ```
/// use scramjet_client_blocking::transport::script::Answer;
///
/// let plain = Answer::ok(r#"{"id":"x"}"#);
/// let refusal = Answer::status(404, r#"{"error":"Not found"}"#).reason("Not Found").header("content-type", "application/json");
/// // Each read of the body gives one of these, and then the connection is lost.
/// let broken = Answer::pieces(["a line\n", "half a li"]).lost();
/// let none = Answer::error("the cable is cut");
/// ```
pub struct Answer {
    begin: Result<Begin, BoxError>,
    queue: Arc<Queue>,
}

struct Begin {
    status: StatusCode,
    reason: Option<String>,
    headers: HeaderMap,
}

impl Answer {
    /// Success (200) with this body, whose length is announced.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    /// This status and this body, whose length is announced.
    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut answer = Self::with_pieces(status, [body.clone()]);
        if let Ok(begin) = &mut answer.begin {
            if begin.status != StatusCode::NO_CONTENT && begin.status != StatusCode::NOT_MODIFIED {
                begin
                    .headers
                    .insert(header::CONTENT_LENGTH, body.len().into());
            }
        }
        answer
    }

    /// Success (200) with a body that comes in these pieces, and whose length is not announced.
    pub fn pieces<T: Into<Vec<u8>>>(pieces: impl IntoIterator<Item = T>) -> Self {
        Self::with_pieces(200, pieces)
    }

    /// Success (200), of which each part comes when the test says so.
    ///
    /// ```
    /// use std::thread;
    /// use scramjet_client_blocking::transport::script::{Answer, Script};
    ///
    /// let (answer, live) = Answer::live();
    /// let script = Script::new().then("GET", "instance/x/output", answer);
    /// let host = script.client().build()?;
    ///
    /// let reader = thread::spawn(move || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
    ///     let mut lines = host.instance("x")?.output()?.lines();
    ///     Ok([lines.next().transpose()?, lines.next().transpose()?])
    /// });
    /// live.piece("one line\nand a ");
    /// live.piece("half\n");
    /// assert_eq!(reader.join().unwrap().unwrap(), [Some("one line".into()), Some("and a half".into())]);
    /// assert!(live.is_dropped());
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn live() -> (Self, Live) {
        let answer = Self::begun(200);
        let live = Live(Arc::clone(&answer.queue));
        (answer, live)
    }

    /// No answer, and this instead: any error, or a [`TransportError`] where the phase matters.
    pub fn error(error: impl Into<BoxError>) -> Self {
        Self {
            begin: Err(error.into()),
            queue: Arc::default(),
        }
    }

    /// With this status in place of 200.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.begin = self.begin.and_then(|begin| {
            Ok(Begin {
                status: StatusCode::from_u16(status)?,
                ..begin
            })
        });
        self
    }

    /// With this header, in place of others of the same name. A `content-length` announces what it says, whatever comes.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.begin = self.begin.and_then(|mut begin| {
            begin
                .headers
                .insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
            Ok(begin)
        });
        self
    }

    /// With these words behind the status. Otherwise they are those which the status usually has.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.begin
            .as_mut()
            .into_iter()
            .for_each(|begin| begin.reason = Some(reason.to_owned()));
        self
    }

    /// With a body that breaks off when all of it has come.
    #[must_use]
    pub fn lost(self) -> Self {
        self.queue.change(|state| state.lost = true);
        self
    }

    fn with_pieces<T: Into<Vec<u8>>>(status: u16, pieces: impl IntoIterator<Item = T>) -> Self {
        let answer = Self::begun(status);
        answer.queue.change(|state| {
            state.head = true;
            state.pieces = pieces.into_iter().map(Into::into).collect();
            state.ended = true;
        });
        answer
    }

    fn begun(status: u16) -> Self {
        let status = StatusCode::from_u16(status).map_err(BoxError::from);
        Self {
            begin: status.map(|status| Begin {
                status,
                reason: None,
                headers: HeaderMap::new(),
            }),
            queue: Arc::default(),
        }
    }

    /// Whether the rest of an upload is not wanted.
    pub(in crate::transport) fn refuses(&self) -> bool {
        self.begin
            .as_ref()
            .map_or(true, |begin| !begin.status.is_success())
    }

    /// The answer to someone who waits for it within these limits.
    pub(super) fn play(
        self,
        limits: CallLimits,
    ) -> Result<Response<Box<dyn io::Read + Send>>, BoxError> {
        let unanswered = |source: BoxError| TransportError {
            phase: Phase::Wait,
            source,
        };
        let Begin {
            status,
            reason,
            headers,
        } = self.begin?;
        if !self
            .queue
            .head(&limits)
            .map_err(|stopped| unanswered(stopped.into()))?
        {
            return Err(unanswered("the connection was lost".into()).into());
        }
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        let body: Box<dyn io::Read + Send> = Box::new(Played {
            queue: self.queue,
            limits,
            piece: io::Cursor::default(),
            announced,
        });
        let mut response = Response::new(body);
        let reason = reason.or_else(|| status.canonical_reason().map(str::to_owned));
        response
            .extensions_mut()
            .insert(Reason(reason.unwrap_or_default()));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// The same on the wire, for a server: its head, and where the body comes from. `None` where there is no answer.
    pub(in crate::transport) fn into_parts(
        self,
    ) -> Option<(StatusCode, String, HeaderMap, Arc<Queue>)> {
        let begin = self.begin.ok()?;
        let reason = begin
            .reason
            .or_else(|| begin.status.canonical_reason().map(str::to_owned));
        Some((
            begin.status,
            reason.unwrap_or_default(),
            begin.headers,
            self.queue,
        ))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.begin {
            Ok(begin) => write!(f, "Answer({})", begin.status),
            Err(error) => write!(f, "Answer(no head: {error})"),
        }
    }
}
