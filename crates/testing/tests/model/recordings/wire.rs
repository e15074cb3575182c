//! Parses recorded requests and responses.

use std::collections::BTreeMap;
use std::path::Path;

/// A recorded request.
pub(crate) struct RecordedRequest {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    /// The chunks of the body as they were sent.
    pub(crate) body: Vec<Vec<u8>>,
}

/// The recorded part of a response.
#[derive(Debug, Default)]
pub(crate) struct RecordedResponse {
    /// The number of interim responses before it.
    pub(crate) continues: usize,
    /// The status; 0 if no response was recorded.
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) chunks: Vec<Vec<u8>>,
    /// `true` if the body is complete.
    pub(crate) complete: bool,
}

/// The parts of a first line, the headers, and the bytes after them.
struct ParsedHead<'a> {
    line: [String; 3],
    headers: Vec<(String, String)>,
    rest: &'a [u8],
}

fn read_head(bytes: &[u8]) -> Option<ParsedHead<'_>> {
    let end = find(bytes, b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = text.split("\r\n");
    let mut parts = lines.next()?.splitn(3, ' ').map(str::to_owned);
    let line = [parts.next()?, parts.next()?, parts.next()?];
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers = lines.map(header).collect::<Option<_>>()?;
    let rest = &bytes[end + 4..];
    Some(ParsedHead {
        line,
        headers,
        rest,
    })
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|part| part == needle)
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(given, _)| given == name);
    found.map(|(_, value)| value.as_str())
}

/// Returns the chunks of a body, and `true` if it is complete.
fn read_body(headers: &[(String, String)], bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
    if header(headers, "transfer-encoding").is_some() {
        return read_chunks(bytes);
    }
    let length = header(headers, "content-length").map_or(0, |length| length.parse().unwrap());
    let body = &bytes[..bytes.len().min(length)];
    let pieces = (!body.is_empty()).then(|| body.to_vec());
    (pieces.into_iter().collect(), body.len() == length)
}

fn read_chunks(mut bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut chunks = Vec::new();
    while let Some(end) = find(bytes, b"\r\n") {
        let length = std::str::from_utf8(&bytes[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return (chunks, true);
        }
        let begin = end + 2;
        let Some(chunk) = bytes.get(begin..begin + length) else {
            break;
        };
        chunks.push(chunk.to_vec());
        bytes = &bytes[begin + length + 2..];
    }
    (chunks, false)
}

/// Reads `<name>.request`. Returns `None` if it is not a request.
pub(crate) fn read_request(folder: &Path, name: &str) -> Option<RecordedRequest> {
    let bytes = std::fs::read(folder.join(format!("{name}.request"))).unwrap();
    let head = read_head(&bytes)?;
    let [method, target, _] = head.line;
    let (body, complete) = read_body(&head.headers, head.rest);
    assert!(complete, "the request {name} is incomplete");
    let headers = head.headers;
    Some(RecordedRequest {
        method,
        target,
        headers,
        body,
    })
}

/// Reads `<name>.http`.
pub(crate) fn read_response(folder: &Path, name: &str) -> RecordedResponse {
    let bytes = std::fs::read(folder.join(format!("{name}.http"))).unwrap();
    let mut response = RecordedResponse::default();
    let mut rest = bytes.as_slice();
    while let Some(head) = read_head(rest) {
        let [_, status, reason] = head.line;
        rest = head.rest;
        if status == "100" {
            response.continues += 1;
            continue;
        }
        (response.chunks, response.complete) = read_body(&head.headers, rest);
        response.status = status.parse().unwrap();
        response.reason = reason;
        response.headers = head.headers.into_iter().collect();
        break;
    }
    response
}
