//! Parses requests like the parser of Node.js 20, which is stricter than the HTTP standard.
//!
//! The responses to rejected requests are those of a real hub: see `tests/fake_hub/wire.rs`.

use std::io::{BufRead, Read};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};

use crate::http1::Framing;

/// Upper bound for the length of the first line and the headers, without line ends.
const HEAD_LIMIT: u64 = 16 << 10;

/// The methods that the parser accepts and that [`http`] has no constants for.
const OTHER_METHODS: &str = "ACL BIND CHECKOUT COPY LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR \
    MKCOL MOVE NOTIFY PROPFIND PROPPATCH PURGE QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE UNBIND \
    UNLINK UNLOCK UNSUBSCRIBE";

/// A request that does not reach the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// The connection ended before the request began.
    Ended,
    /// The request is malformed.
    BadRequest,
    /// HTTP/1.1 requires a `Host` header.
    NoHost,
    /// The head is too long.
    TooLong,
    /// The target is not a path.
    NotFound,
    /// The hub does not handle `CONNECT`.
    Connect,
}

impl Rejection {
    /// Returns the bytes to send before the connection is closed.
    pub(super) fn response(self) -> &'static [u8] {
        match self {
            Self::Ended | Self::Connect => b"",
            Self::BadRequest => b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
            Self::NoHost => {
                b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
                Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            }
            Self::TooLong => {
                b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n"
            }
            Self::NotFound => {
                b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\
                Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            }
        }
    }
}

/// The head of a request.
#[derive(Debug)]
pub(super) struct ParsedHead {
    pub(super) request: Request<()>,
    /// The framing of its body.
    pub(super) framing: Framing,
    /// The connection is closed after the response.
    pub(super) is_last: bool,
    /// The client understands chunks.
    pub(super) accepts_chunks: bool,
}

/// Reads the head of the next request.
pub(super) fn read_head(reader: &mut impl BufRead) -> Result<ParsedHead, Rejection> {
    match reader.fill_buf().ok().and_then(<[u8]>::first) {
        None => return Err(Rejection::Ended),
        Some(b'A'..=b'Z' | b'\r' | b'\n') => {}
        // This may be a TLS handshake, which has no line ends.
        Some(_) => return Err(Rejection::BadRequest),
    }
    let mut left = HEAD_LIMIT;
    let first_line = loop {
        // Empty lines before a request are skipped.
        let line = read_line(reader, &mut left)?;
        if !line.is_empty() {
            break line;
        }
    };
    let first_line = String::from_utf8(first_line).map_err(|_| Rejection::BadRequest)?;
    let mut headers = HeaderMap::new();
    loop {
        let line = read_line(reader, &mut left)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = parse_header(&line).ok_or(Rejection::BadRequest)?;
        headers
            .try_append(name, value)
            .map_err(|_| Rejection::TooLong)?;
    }
    parse(&first_line, headers)
}

/// Reads a line, and returns it without its end. `left` is the number of bytes that the rest of the
/// head may have, without line ends.
fn read_line(reader: &mut impl BufRead, left: &mut u64) -> Result<Vec<u8>, Rejection> {
    let mut line = Vec::new();
    let read = reader.take(*left + 2).read_until(b'\n', &mut line);
    read.map_err(|_| Rejection::BadRequest)?;
    let has_end = line.ends_with(b"\r\n");
    let length = line.len() - if has_end { 2 } else { 0 };
    let used = u64::try_from(length).unwrap_or(u64::MAX);
    if used > *left {
        return Err(Rejection::TooLong);
    }
    *left -= used;
    line.truncate(length);
    Some(line).filter(|_| has_end).ok_or(Rejection::BadRequest)
}

fn parse_header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let value = value.strip_prefix(b":")?.trim_ascii();
    let name = HeaderName::from_bytes(name).ok()?;
    Some((name, HeaderValue::from_bytes(value).ok()?))
}

fn parse(first_line: &str, headers: HeaderMap) -> Result<ParsedHead, Rejection> {
    let mut parts = first_line.splitn(3, ' ');
    let method = parts.next().and_then(parse_method);
    let method = method.ok_or(Rejection::BadRequest)?;
    let target = parts.next().unwrap_or_default();
    // HTTP/0.9 has no version in the first line.
    let version = parts.next().unwrap_or("HTTP/0.9");
    let is_1_1 = version == "HTTP/1.1";
    if !is_1_1 && !matches!(version, "HTTP/0.9" | "HTTP/1.0" | "HTTP/2.0") {
        return Err(Rejection::BadRequest);
    }
    let framing = parse_framing(&headers).ok_or(Rejection::BadRequest)?;
    if method == Method::CONNECT {
        return Err(Rejection::Connect);
    }
    let uri = parse_target(target)?;
    if is_1_1 && !headers.contains_key(header::HOST) {
        return Err(Rejection::NoHost);
    }
    let closes = headers.get_all(header::CONNECTION).iter().any(|value| {
        let mut options = value.as_bytes().split(|byte| *byte == b',');
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    });
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(ParsedHead {
        request,
        framing,
        is_last: closes || !is_1_1,
        accepts_chunks: is_1_1,
    })
}

fn parse_method(word: &str) -> Option<Method> {
    let method: Method = word.parse().ok()?;
    let is_known = matches!(
        method,
        Method::GET
            | Method::POST
            | Method::PUT
            | Method::DELETE
            | Method::HEAD
            | Method::OPTIONS
            | Method::CONNECT
            | Method::PATCH
            | Method::TRACE
    ) || OTHER_METHODS.split(' ').any(|known| known == word);
    Some(method).filter(|_| is_known)
}

/// Parses a target that is a path. Other targets are rejected.
fn parse_target(target: &str) -> Result<Uri, Rejection> {
    if target == "*" {
        return Err(Rejection::NotFound);
    }
    let uri = Uri::try_from(target).ok().filter(|_| target.is_ascii());
    let uri = uri.ok_or(Rejection::BadRequest)?;
    match target.starts_with('/') {
        true => Ok(uri),
        false if uri.scheme().is_some() => Err(Rejection::NotFound),
        false => Err(Rejection::BadRequest),
    }
}

/// Returns the framing of the body; `None` if the headers contradict each other.
fn parse_framing(headers: &HeaderMap) -> Option<Framing> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let length = match (lengths.next(), lengths.next()) {
        (None, _) => None,
        (Some(length), None) => {
            let digits = length.to_str().ok()?;
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            Some(digits.parse().ok().filter(|_| is_number)?)
        }
        _ => return None,
    };
    let codings = headers.get_all(header::TRANSFER_ENCODING);
    match (codings.iter().next_back(), length) {
        (None, length) => Some(Framing::Length(length.unwrap_or_default())),
        (Some(_), Some(_)) => None,
        (Some(codings), None) => {
            let last = codings.as_bytes().rsplit(|byte| *byte == b',').next()?;
            let is_chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
            Some(Framing::NextChunk).filter(|_| is_chunked)
        }
    }
}
