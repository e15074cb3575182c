//! Requests as they were received, and the comparison of their paths with patterns.

use std::fmt;
use std::io::{self, Read};
use std::ops::Deref;

use http::{HeaderMap, HeaderName, Method, Uri, header, request};

use crate::http1::MessageHead;

/// Headers whose values are credentials.
pub(crate) const SECRET_HEADERS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
];

/// A request that a [`Script`](crate::script::Script), a [`Replay`](crate::replay::Replay) or a
/// [`Server`](crate::server::Server) has received.
///
/// Its fields include credentials, which the client omits from errors and `Debug` output. Its own
/// `Debug` output omits them as well.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReceivedRequest {
    /// The method.
    pub method: Method,
    /// The path with the query, for example `/api/v1/version`.
    pub target: String,
    /// The headers, credentials included.
    pub headers: HeaderMap,
    /// The part of the body that was read, without chunk framing.
    pub body: Vec<u8>,
    /// `true` if `body` is the whole body.
    pub complete: bool,
}

impl ReceivedRequest {
    pub(crate) fn from_parts(head: &request::Parts) -> Self {
        Self::new(head.method.clone(), target(&head.uri), head.headers.clone())
    }

    pub(crate) fn from_head(head: MessageHead) -> io::Result<Self> {
        let [method, target, _] = head.parts();
        let method = method.parse().map_err(io::Error::other)?;
        let target = target.to_owned();
        let mut headers = head.headers;
        for (name, value) in &mut headers {
            value.set_sensitive(SECRET_HEADERS.contains(name));
        }
        Ok(Self::new(method, target, headers))
    }

    pub(crate) fn new(method: Method, target: String, headers: HeaderMap) -> Self {
        Self {
            method,
            target,
            headers,
            body: Vec::new(),
            complete: false,
        }
    }

    /// Returns the first value of a header; `None` if it is missing or is not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the body as text. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the path segment after `segment`: after `sequence`, it is the id in
    /// `/api/v1/sequence/<id>/start`.
    #[must_use]
    pub fn segment_after(&self, segment: &str) -> Option<&str> {
        let mut segments = self.path().split('/').skip_while(|found| *found != segment);
        segments.nth(1)
    }

    /// Returns the target without its query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Returns the method and the path below the base URL, for messages: `GET instance/x`.
    pub(crate) fn label(&self) -> String {
        let target = self.target.strip_prefix("/api/v1/");
        format!("{} {}", self.method, target.unwrap_or(&self.target))
    }
}

/// Shows the method, the target, the headers without credentials, and the length of the body.
impl fmt::Debug for ReceivedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedRequest")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("complete", &self.complete)
            .finish()
    }
}

/// A request whose body is still arriving.
///
/// Its [`Read`] implementation reads the body. It dereferences to the part of the request that was
/// read so far. If the test answers with a status of 2xx, the rest of the body is read after that.
pub struct IncomingRequest<'a> {
    request: ReceivedRequest,
    rest: &'a mut (dyn Read + Send),
    error: Option<io::Error>,
}

impl<'a> IncomingRequest<'a> {
    pub(crate) fn new(request: ReceivedRequest, rest: &'a mut (dyn Read + Send)) -> Self {
        Self {
            request,
            rest,
            error: None,
        }
    }

    /// Blocks until the whole body has arrived, and returns the request.
    ///
    /// If the client stops sending, [`complete`](ReceivedRequest::complete) is `false`.
    pub fn read_all(&mut self) -> &ReceivedRequest {
        // `read` keeps the error in `self.error`, for the client.
        let _ = io::copy(self, &mut io::sink());
        &self.request
    }

    /// Returns the request, and the error that ended its body.
    pub(crate) fn into_parts(self) -> (ReceivedRequest, Option<io::Error>) {
        (self.request, self.error)
    }
}

impl Deref for IncomingRequest<'_> {
    type Target = ReceivedRequest;

    fn deref(&self) -> &ReceivedRequest {
        &self.request
    }
}

impl Read for IncomingRequest<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.request.complete || buf.is_empty() {
            return Ok(0);
        }
        if let Some(error) = &self.error {
            return Err(error.kind().into());
        }
        match self.rest.read(buf) {
            Ok(0) => {
                self.request.complete = true;
                Ok(0)
            }
            Ok(read) => {
                let bytes = buf.get(..read).unwrap_or_default();
                self.request.body.extend_from_slice(bytes);
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.error = Some(error);
                Err(kind.into())
            }
        }
    }
}

impl fmt::Debug for IncomingRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IncomingRequest")
            .field(&self.request)
            .finish()
    }
}

/// Returns `true` if a path matches a pattern.
///
/// A pattern that begins with `/` is compared with the whole path, any other one with its last
/// segments. The segment `*` matches any segment that is not empty. The pattern `*` matches any
/// path.
pub(crate) fn path_matches(path: &str, pattern: &str) -> bool {
    // The part before a leading slash is an empty segment, which only the beginning of the path
    // matches.
    let mut segments = path.rsplit('/');
    pattern == "*"
        || pattern.rsplit('/').all(|wanted| {
            segments
                .next()
                .is_some_and(|segment| segment == wanted || (wanted == "*" && !segment.is_empty()))
        })
}

/// Returns the target of a request: the path with the query.
pub(crate) fn target(uri: &Uri) -> String {
    uri.path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str) -> ReceivedRequest {
        ReceivedRequest::new(Method::GET, target.to_owned(), HeaderMap::new())
    }

    #[test]
    fn segment_after_returns_the_id() {
        let request = request("/api/v1/sequence/an-id/start?x=/instance/y");
        assert_eq!(request.segment_after("sequence"), Some("an-id"));
        assert_eq!(request.segment_after("start"), None);
        assert_eq!(request.segment_after("instance"), None);
    }

    #[test]
    fn label_omits_the_base_path() {
        assert_eq!(request("/api/v1/instance/x").label(), "GET instance/x");
        assert_eq!(request("/other").label(), "GET /other");
    }

    #[test]
    fn debug_of_a_received_request_shows_no_credentials() {
        let mut input = &b"GET /x HTTP/1.1\r\nCookie: a-secret\r\nX-A: b\r\n\r\n"[..];
        let head = MessageHead::read(&mut input).ok().flatten();
        let request = head.and_then(|head| ReceivedRequest::from_head(head).ok());
        assert_eq!(
            request
                .as_ref()
                .and_then(|request| request.header("cookie")),
            Some("a-secret")
        );
        let shown = format!("{request:?}");
        assert!(
            !shown.contains("secret") && shown.contains(r#""b""#),
            "{shown}"
        );
    }
}
