use std::fmt;
use std::io::{self, Cursor, Read};

use http::{HeaderMap, Response, StatusCode, header};
use scramjet_client_blocking::transport::{Phase, ReasonPhrase, TransportError};

use crate::http1::{BodyReader, Framing, MessageHead, is_bodiless};

/// A recorded response.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RecordedResponse {
    /// The status; `None` if the recording ends before the response begins.
    pub status: Option<StatusCode>,
    /// The reason phrase.
    pub reason: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The recorded part of the body, without chunk framing.
    pub body: Vec<u8>,
    /// `true` if the recording includes the end of the response.
    pub complete: bool,
    /// The number of interim (1xx) responses before this one.
    pub interim: usize,
    /// All bytes, including the interim responses.
    pub raw: Vec<u8>,
    /// The length of the interim responses in `raw`.
    interim_end: usize,
}

impl RecordedResponse {
    pub(super) fn parse(raw: Vec<u8>) -> io::Result<Self> {
        let mut response = Self::default();
        let mut rest = raw.as_slice();
        loop {
            let head = match MessageHead::read(&mut rest) {
                Ok(Some(head)) => head,
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            };
            let [_, status, reason] = head.parts();
            let status: StatusCode = status.parse().map_err(io::Error::other)?;
            if status.is_informational() {
                response.interim += 1;
                response.interim_end = raw.len() - rest.len();
                continue;
            }
            let mut framing = match is_bodiless(status) {
                true => Framing::Length(0),
                false => head.framing(Framing::UntilClosed),
            };
            response.status = Some(status);
            response.reason = reason.to_owned();
            response.headers = head.headers;
            response.complete = read_body(&mut rest, &mut framing, &mut response.body)?;
            break;
        }
        response.raw = raw;
        Ok(response)
    }

    /// Returns `true` if the connection can be used for another request after this response.
    #[must_use]
    pub fn keeps_connection(&self) -> bool {
        let closes = self.headers.get(header::CONNECTION);
        let closes = closes.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        let delimited = self.status.is_some_and(is_bodiless)
            || self.headers.contains_key(header::TRANSFER_ENCODING)
            || self.headers.contains_key(header::CONTENT_LENGTH);
        self.complete && delimited && !closes
    }

    /// Returns the response to a client in the same process. `name` is that of the recording.
    pub(super) fn into_response(
        self,
        name: &str,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        let Some(status) = self.status else {
            let message = format!("{name}: no response was recorded");
            return Err(TransportError::new(Phase::Wait, message));
        };
        let mut body: Box<dyn Read + Send> = Box::new(Cursor::new(self.body));
        if !self.complete {
            body = Box::new(body.chain(UnexpectedEof));
        }
        let mut response = Response::new(body);
        response.extensions_mut().insert(ReasonPhrase(self.reason));
        *response.status_mut() = status;
        *response.headers_mut() = self.headers;
        Ok(response)
    }

    /// Returns the bytes of the interim responses.
    pub(super) fn interim_bytes(&self) -> &[u8] {
        self.raw.get(..self.interim_end).unwrap_or_default()
    }
}

/// Shows the status, the headers and the length of the body.
impl fmt::Debug for RecordedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedResponse")
            .field("status", &self.status)
            .field("reason", &self.reason)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("complete", &self.complete)
            .field("interim", &self.interim)
            .finish_non_exhaustive()
    }
}

/// A reader that fails like a connection that was closed too early.
struct UnexpectedEof;

impl Read for UnexpectedEof {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Reads a body. Returns `false` if the recording ends before the body.
pub(super) fn read_body(
    bytes: &mut &[u8],
    framing: &mut Framing,
    body: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut reader = BodyReader {
        reader: bytes,
        framing,
    };
    match reader.read_to_end(body) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(raw: &str) -> RecordedResponse {
        RecordedResponse::parse(raw.into()).unwrap_or_default()
    }

    #[test]
    fn interim_responses_are_counted_and_skipped() {
        let raw = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\n\
                   HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        let response = response(raw);
        assert_eq!(
            (response.interim, response.status),
            (2, Some(StatusCode::OK))
        );
        assert_eq!(response.body, b"{}");
        assert!(response.headers.get("a").is_none());
        assert!(response.interim_bytes().ends_with(b"A: b\r\n\r\n"));
        assert_eq!(response.raw, raw.as_bytes());
    }

    #[test]
    fn truncated_responses_keep_what_came() {
        for (raw, status, body) in [
            ("", None, ""),
            ("HTTP/1.1 200 O", None, ""),
            ("HTTP/1.1 100 Continue\r\n\r\n", None, ""),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
                Some(200),
                "abc",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                Some(200),
                "abc",
            ),
        ] {
            let response = response(raw);
            let found = response.status.map(|status| status.as_u16());
            assert_eq!(found, status, "{raw:?}");
            assert_eq!(response.body, body.as_bytes(), "{raw:?}");
            assert!(
                !response.complete && !response.keeps_connection(),
                "{raw:?}"
            );
        }
    }

    #[test]
    fn keeps_connection_needs_a_delimited_body() {
        let keeps = |head: &str| response(&format!("HTTP/1.1 {head}\r\n\r\n")).keeps_connection();
        assert!(keeps("200 OK\r\nContent-Length: 0"));
        assert!(keeps("204 No Content"));
        assert!(!keeps("200 OK"));
        assert!(!keeps("200 OK\r\nContent-Length: 0\r\nConnection: Close"));
    }
}
