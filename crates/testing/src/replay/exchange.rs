use std::fmt;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::Path;

use http::{HeaderMap, Response, StatusCode, header};
use scramjet_client_blocking::transport::{Phase, ReasonPhrase, TransportError};
use serde_json::Value;

use crate::ReceivedRequest;
use crate::http1::{BodyReader, Framing, MessageHead, is_bodiless};

/// The parts of a request that must equal the recording. Each level includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Check {
    /// The method and the path.
    Target,
    /// The `Content-Type`, if the recording has one.
    ContentType,
    /// The body: its value if both are JSON, otherwise its bytes.
    Body,
    /// The body, byte for byte.
    Bytes,
}

/// A recorded request and the response to it.
///
/// ```
/// use scramjet_client_testing::replay::{Exchange, Replay};
///
/// let exchange = Exchange::from_bytes(
///     "version",
///     "GET /api/v1/version HTTP/1.1\r\n\r\n",
///     "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{\"version\":\"1.0.1\"}",
/// )?;
/// assert_eq!(exchange.response.body, br#"{"version":"1.0.1"}"#);
///
/// let replay = Replay::new([exchange]);
/// assert_eq!(replay.client().build()?.version()?.version, "1.0.1");
/// replay.assert_done();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedExchange {
    /// The name of the recording, for messages.
    pub name: String,
    /// The request. It is not complete if the recording ends within its body, which is the case for
    /// an upload that was refused.
    pub request: ReceivedRequest,
    /// The response.
    pub response: RecordedResponse,
    /// The parts of a request that must equal the recording: all but the spelling of JSON by
    /// default.
    pub check: Check,
}

/// A recorded response.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RecordedResponse {
    /// The status; `None` if the recording ends before the response does begin.
    pub status: Option<StatusCode>,
    /// The reason phrase.
    pub reason: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body without chunk framing, as far as it was recorded.
    pub body: Vec<u8>,
    /// True if the recording includes the end of the response.
    pub complete: bool,
    /// The number of interim (1xx) responses before this one.
    pub interim: usize,
    /// All bytes, including the interim responses.
    pub raw: Vec<u8>,
    /// Where the interim responses end in `raw`.
    interim_end: usize,
}

impl RecordedExchange {
    /// Reads an exchange from `<name>.request` and `<name>.http` in a folder.
    ///
    /// # Errors
    /// A file cannot be read, or is not a request or a response.
    pub fn load(folder: impl AsRef<Path>, name: &str) -> io::Result<Self> {
        let read = |extension: &str| {
            let path = folder.as_ref().join(format!("{name}.{extension}"));
            fs::read(&path).map_err(|error| at(path.display(), error))
        };
        let (request, response) = (read("request")?, read("http")?);
        Self::from_bytes(name, request, response)
            .map_err(|error| at(folder.as_ref().display(), error))
    }

    /// Parses an exchange.
    ///
    /// # Errors
    /// The bytes are not a request or a response. A truncated body is no error, nor is a truncated
    /// response.
    pub fn from_bytes(
        name: impl Into<String>,
        request: impl AsRef<[u8]>,
        response: impl Into<Vec<u8>>,
    ) -> io::Result<Self> {
        let name = name.into();
        let request = parse_request(request.as_ref())
            .map_err(|error| at(format!("{name}.request"), error))?;
        let response = RecordedResponse::parse(response.into())
            .map_err(|error| at(format!("{name}.http"), error))?;
        Ok(Self {
            name,
            request,
            response,
            check: Check::Body,
        })
    }

    /// Returns the names of the exchanges in a folder, sorted.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn names(folder: impl AsRef<Path>) -> io::Result<Vec<String>> {
        let folder = folder.as_ref();
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| at(folder.display(), error))? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "request")
            {
                let name = path.file_stem().and_then(|name| name.to_str());
                names.extend(name.map(str::to_owned));
            }
        }
        names.sort();
        Ok(names)
    }

    /// Sets the parts of a request that must equal the recording.
    #[must_use]
    pub fn checking(self, check: Check) -> Self {
        Self { check, ..self }
    }

    /// Returns how a request differs from the recorded one. `any_ids` ignores the ids of sequences
    /// and instances.
    pub(super) fn difference(
        &self,
        received: &ReceivedRequest,
        check: Check,
        any_ids: bool,
    ) -> Option<String> {
        let recorded = &self.request;
        let mut differences = String::new();
        let mut compare = |part: &str, equal: bool, recorded: &str, received: &str| {
            if !equal {
                differences +=
                    &format!("\n  {part}\n    recorded {recorded}\n    received {received}");
            }
        };
        compare(
            "method",
            recorded.method == received.method,
            recorded.method.as_str(),
            received.method.as_str(),
        );
        compare(
            "target",
            recorded.target == received.target
                || any_ids && without_ids(&recorded.target) == without_ids(&received.target),
            &recorded.target,
            &received.target,
        );
        let content_type = |request: &ReceivedRequest| {
            let value = request.headers.get(header::CONTENT_TYPE);
            value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        if let Some(recorded) = content_type(recorded).filter(|_| check >= Check::ContentType) {
            let received = content_type(received);
            compare(
                "content-type",
                received.as_ref() == Some(&recorded),
                &recorded,
                received.as_deref().unwrap_or("none"),
            );
        }
        if check >= Check::Body {
            let equal = self.has_body(&received.body, check);
            compare("body", equal, &recorded.text(), &received.text());
        }
        (!differences.is_empty())
            .then(|| format!("{}: the request differs{differences}", self.name))
    }

    fn has_body(&self, received: &[u8], check: Check) -> bool {
        let recorded = &self.request.body;
        let value = |bytes| serde_json::from_slice::<Value>(bytes).ok();
        if !self.request.complete {
            return received.starts_with(recorded);
        }
        recorded == received
            || check == Check::Body
                && value(recorded).is_some_and(|recorded| Some(recorded) == value(received))
    }

    /// Returns the response to a client in the same process.
    pub(super) fn into_response(self) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        let recorded = self.response;
        let Some(status) = recorded.status else {
            let message = format!("{}: no response was recorded", self.name);
            return Err(TransportError::new(Phase::Wait, message));
        };
        let mut body: Box<dyn Read + Send> = Box::new(Cursor::new(recorded.body));
        if !recorded.complete {
            body = Box::new(body.chain(UnexpectedEof));
        }
        let mut response = Response::new(body);
        response
            .extensions_mut()
            .insert(ReasonPhrase(recorded.reason));
        *response.status_mut() = status;
        *response.headers_mut() = recorded.headers;
        Ok(response)
    }
}

/// Fails as a connection does that is closed too early.
struct UnexpectedEof;

impl Read for UnexpectedEof {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn parse_request(mut bytes: &[u8]) -> io::Result<ReceivedRequest> {
    let head = MessageHead::read(&mut bytes)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut framing = head.framing(Framing::Length(0));
    let mut request = ReceivedRequest::from_head(head)?;
    request.complete = read_body(&mut bytes, &mut framing, &mut request.body)?;
    Ok(request)
}

/// Reads a body; false if the recording ends before it does.
fn read_body(bytes: &mut &[u8], framing: &mut Framing, body: &mut Vec<u8>) -> io::Result<bool> {
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

impl RecordedResponse {
    fn parse(raw: Vec<u8>) -> io::Result<Self> {
        let mut response = Self::default();
        let mut rest = raw.as_slice();
        loop {
            let head = match MessageHead::read(&mut rest) {
                Ok(Some(head)) => head,
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            };
            let [_, status, reason] = head.words();
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

    /// Returns true if the connection can carry another exchange after this response.
    #[must_use]
    pub fn keeps_connection(&self) -> bool {
        let closes = self.headers.get(header::CONNECTION);
        let closes = closes.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        let delimited = self.status.is_some_and(is_bodiless)
            || self.headers.contains_key(header::TRANSFER_ENCODING)
            || self.headers.contains_key(header::CONTENT_LENGTH);
        self.complete && delimited && !closes
    }

    /// The bytes of the interim responses.
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

/// Returns the segments of a path with `*` for the ids of sequences and instances.
fn without_ids(target: &str) -> Vec<&str> {
    let mut id_follows = false;
    let segments = target.split('/').map(|segment| {
        let is_id = id_follows && !segment.is_empty();
        id_follows = matches!(segment, "sequence" | "instance");
        if is_id { "*" } else { segment }
    });
    segments.collect()
}

fn at(place: impl fmt::Display, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{place}: {error}"))
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

    #[test]
    fn ids_are_replaced_by_any_ids() {
        let same = |left, right| without_ids(left) == without_ids(right);
        assert!(same("/api/v1/sequence/a/start", "/api/v1/sequence/b/start"));
        assert!(same("/api/v1/instance/a", "/api/v1/instance/b"));
        assert!(!same("/api/v1/topic/a", "/api/v1/topic/b"));
        assert!(!same("/api/v1/instance/a/x", "/api/v1/instance/a/y"));
    }
}
