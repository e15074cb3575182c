//! Turns an answer into a response in the same process, or into HTTP/1.1.

use std::io::{self, Read, Write};
use std::sync::Arc;

use http::{HeaderValue, Response, header};
use scramjet_client_blocking::transport::{ReasonPhrase, TransportError};

use super::answer::{Answer, AnswerOutcome, reason_phrase, unanswered};
use super::handle::{AnswerQueue, WaitError, WaitLimits};
use crate::http1::{Framing, MessageHead, chunk, is_bodiless};

impl Answer {
    /// Waits for the headers, and returns the response to the request with this label.
    ///
    /// A silent answer waits for the end of `silence`.
    pub(super) fn into_response(
        self,
        request: String,
        limits: WaitLimits,
        silence: &Arc<AnswerQueue>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        let (status, reason, headers) = match self.outcome {
            AnswerOutcome::Head {
                status,
                reason,
                headers,
            } => (status, reason, headers),
            AnswerOutcome::Error(error) => return Err(error),
            AnswerOutcome::Silence => {
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

    /// Writes each part of the answer as soon as the test sends it. A truncated body is an error,
    /// so that the caller closes the connection.
    pub(crate) fn write_to(self, to: &mut impl Write) -> io::Result<()> {
        let AnswerOutcome::Head {
            status,
            reason,
            mut headers,
        } = self.outcome
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

/// A reader of the body of an answer. It waits for each piece.
struct AnswerBody {
    /// The label of the request, for errors.
    request: String,
    queue: Arc<AnswerQueue>,
    limits: WaitLimits,
    /// The current piece.
    piece: io::Cursor<Vec<u8>>,
    /// The part of the `Content-Length` that has not been read.
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
