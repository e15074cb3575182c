use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use http::{Response, header};
use scramjet_client_blocking::transport::TransportError;
use serde_json::Value;

use super::response::{RecordedResponse, read_body};
use crate::ReceivedRequest;
use crate::http1::{Framing, MessageHead};

/// The parts of a request that must equal the recording.
///
/// Each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Check {
    /// The method and the path.
    Target,
    /// The `Content-Type` as well, if the recording has one.
    ContentType,
    /// The body as well: its value if both are JSON, otherwise its bytes.
    Body,
    /// The body as well, byte for byte.
    Bytes,
}

/// A recorded request and its response.
///
/// ```
/// use scramjet_client_testing::replay::{RecordedExchange, Replay};
///
/// let exchange = RecordedExchange::from_bytes(
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
    /// The request. It is incomplete if the recording ends within its body, for example because the
    /// upload was refused.
    pub request: ReceivedRequest,
    /// The response.
    pub response: RecordedResponse,
    /// The parts of a request that must equal the recording. The default is [`Check::Body`].
    pub check: Check,
}

impl RecordedExchange {
    /// Reads an exchange from `<name>.request` and `<name>.http` in a folder.
    ///
    /// # Errors
    /// If a file cannot be read, or is not a request or a response.
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
    /// If the bytes are not a request and a response. A truncated body and a truncated response are
    /// not errors.
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
    /// If the folder cannot be read.
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

    /// Returns the difference between a request and the recorded one; `None` if they are equal.
    /// `any_ids` ignores the ids of sequences and instances.
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
        self.response.into_response(&self.name)
    }
}

fn parse_request(mut bytes: &[u8]) -> io::Result<ReceivedRequest> {
    let head = MessageHead::read(&mut bytes)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut framing = head.framing(Framing::Length(0));
    let mut request = ReceivedRequest::from_head(head)?;
    request.complete = read_body(&mut bytes, &mut framing, &mut request.body)?;
    Ok(request)
}

/// Returns the segments of a path, with `*` instead of the ids of sequences and instances.
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

    #[test]
    fn without_ids_ignores_ids_of_sequences_and_instances() {
        let same = |left, right| without_ids(left) == without_ids(right);
        assert!(same("/api/v1/sequence/a/start", "/api/v1/sequence/b/start"));
        assert!(same("/api/v1/instance/a", "/api/v1/instance/b"));
        assert!(!same("/api/v1/topic/a", "/api/v1/topic/b"));
        assert!(!same("/api/v1/instance/a/x", "/api/v1/instance/a/y"));
    }
}
