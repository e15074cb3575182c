//! Exchanges recorded from real hubs, and the reading of HTTP/1.1 messages that the servers of the kit share.

use std::{
    fs,
    io::{BufRead, Read},
    path::PathBuf,
};

/// Name and value, in the order and spelling of the wire.
pub type Headers = Vec<(String, String)>;

/// A request and the reply to it, from `fixtures/<generation>/<name>.{request,http}`.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub name: String,
    pub request: Request,
    pub response: Response,
    pub(crate) check: Check,
}

/// How much of a request must equal its recording. Each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Check {
    Route,
    ContentType,
    Body,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Headers,
    /// Without its chunk framing.
    pub body: Vec<u8>,
}

/// A recorded reply. The status is 0 if nothing came.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    pub headers: Headers,
    /// Without its chunk framing; as much as was recorded.
    pub body: Vec<u8>,
    /// Whether the recording reaches the end of the reply.
    pub complete: bool,
    /// How many 1xx replies came before this one.
    pub interim: usize,
    /// Every byte, the interim replies included.
    pub raw: Vec<u8>,
    /// Where in `raw` the interim replies end.
    pub(crate) head_at: usize,
    /// Whether the connection can carry another exchange afterwards.
    pub(crate) reusable: bool,
}

/// `generation` is a folder below `fixtures`: `"0.18.7"`, `"composed/1.0.1"`, …
pub fn load(generation: &str, name: &str) -> Exchange {
    let read = |extension: &str| {
        let path = folder(generation).join(format!("{name}.{extension}"));
        fs::read(&path).unwrap_or_else(|error| panic!("no fixture {}: {error}", path.display()))
    };
    Exchange {
        name: name.to_owned(),
        request: Request::read(&mut read("request").as_slice()).unwrap_or_else(|| {
            panic!("fixture {generation}/{name}.request is not a whole request")
        }),
        response: Response::parse(read("http")),
        check: Check::Body,
    }
}

/// The names of all exchanges of a generation, sorted.
pub fn names(generation: &str) -> Vec<String> {
    let folder = folder(generation);
    let entries = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("no fixtures in {}: {error}", folder.display()));
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("a readable folder entry")
                .file_name()
                .into_string()
                .expect("a UTF-8 file name")
        })
        .filter_map(|file| file.strip_suffix(".http").map(str::to_owned))
        .collect();
    names.sort();
    names
}

fn folder(generation: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(generation)
}

impl Exchange {
    /// The path segment that follows `literal` in the request target: the id in `sequence/<id>/start`.
    pub fn id_after(&self, literal: &str) -> &str {
        let mut segments = self
            .request
            .target
            .split('/')
            .skip_while(|segment| *segment != literal);
        segments.nth(1).unwrap_or_else(|| {
            panic!(
                "{}: nothing follows {literal:?} in {}",
                self.name, self.request.target
            )
        })
    }

    /// Lets a replay accept any request body.
    #[must_use]
    pub fn any_body(mut self) -> Self {
        self.check = self.check.min(Check::ContentType);
        self
    }

    /// Lets a replay accept any request with the recorded method and target.
    #[must_use]
    pub fn check_nothing_but_route(mut self) -> Self {
        self.check = Check::Route;
        self
    }
}

impl Request {
    /// The value of the first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// A whole request, or `None` if the input ends before it does.
    pub(crate) fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut request = Self::read_head(reader)?;
        request.read_body(reader).then_some(request)
    }

    /// The head only: `body` is empty, and still to be read.
    pub(crate) fn read_head(reader: &mut impl BufRead) -> Option<Self> {
        let (start, headers) = read_head(reader)?;
        let mut words = start.splitn(3, ' ').map(str::to_owned);
        let (method, target) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        Some(Self {
            method,
            target,
            headers,
            body: Vec::new(),
        })
    }

    /// What follows the head; false if the input ends too early.
    pub(crate) fn read_body(&mut self, reader: &mut impl BufRead) -> bool {
        match Framing::of(&self.headers) {
            Framing::Chunked => read_chunks(reader, &mut self.body).is_some(),
            Framing::Length(length) => read_exactly(reader, length, &mut self.body).is_some(),
            Framing::Unsaid => true,
        }
    }
}

impl Response {
    /// The value of the first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Takes a recording as it is: one that breaks off gives an incomplete response.
    pub(crate) fn parse(raw: Vec<u8>) -> Self {
        let mut rest = raw.as_slice();
        let mut response = Self::default();
        while let Some((start, headers)) = read_head(&mut rest) {
            let mut words = start.splitn(3, ' ').skip(1);
            response.status = words
                .next()
                .and_then(|status| status.parse().ok())
                .expect("a status in the status line");
            if !(100..200).contains(&response.status) {
                response.reason = words.next().unwrap_or_default().to_owned();
                response.headers = headers;
                response.read_body(rest);
                break;
            }
            response.interim += 1;
            response.head_at = raw.len() - rest.len();
        }
        response.raw = raw;
        response
    }

    fn read_body(&mut self, mut rest: &[u8]) {
        let mut delimited = true;
        self.complete = match Framing::of(&self.headers) {
            _ if matches!(self.status, 204 | 304) => true,
            Framing::Chunked => read_chunks(&mut rest, &mut self.body).is_some(),
            Framing::Length(length) => read_exactly(&mut rest, length, &mut self.body).is_some(),
            Framing::Unsaid => {
                self.body.extend_from_slice(rest);
                delimited = false;
                true
            }
        };
        let closes = self
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        self.reusable = self.complete && delimited && !closes;
    }
}

enum Framing {
    Chunked,
    Length(u64),
    /// No body in a request; a body up to the end of the connection in a response.
    Unsaid,
}

impl Framing {
    fn of(headers: &Headers) -> Self {
        if header(headers, "transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            return Self::Chunked;
        }
        header(headers, "content-length")
            .and_then(|value| value.parse().ok())
            .map_or(Self::Unsaid, Self::Length)
    }
}

fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// The start line and the headers. `None`, here and below, means that the input ends early or is not HTTP.
fn read_head(reader: &mut impl BufRead) -> Option<(String, Headers)> {
    let start = read_line(reader)?;
    let mut headers = Headers::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Some((start, headers));
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// Decodes a chunked body. What was decoded before a failure stays in `body`.
fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Option<()> {
    while read_chunk(reader, body)? > 0 {}
    Some(())
}

/// Decodes a chunk and gives its size. The one of size 0 is the last, and the trailers belong to it.
pub(crate) fn read_chunk(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Option<u64> {
    let line = read_line(reader)?;
    let size = u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16).ok()?;
    if size == 0 {
        while !read_line(reader)?.is_empty() {} // trailers
    } else {
        read_exactly(reader, size, body)?;
        read_line(reader)?.is_empty().then_some(())?;
    }
    Some(size)
}

fn read_exactly(reader: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> Option<()> {
    let before = body.len();
    reader.by_ref().take(length).read_to_end(body).ok()?;
    (u64::try_from(body.len() - before) == Ok(length)).then_some(())
}

fn read_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok()?;
    let line = line.strip_suffix(b"\n")?;
    Some(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_a_cut_keeps_what_came() {
        let whole = b"4;a=b\r\nWiki\r\nB\r\npedia\r\n\r\nin\r\n0\r\nx-trailer: 1\r\n\r\n";
        for cut in 0..=whole.len() {
            let mut body = Vec::new();
            let end = read_chunks(&mut &whole[..cut], &mut body);
            assert!(b"Wikipedia\r\n\r\nin".starts_with(&body), "cut at {cut}");
            assert_eq!(end.is_some(), cut == whole.len(), "cut at {cut}");
        }
    }

    #[test]
    fn interim_replies_are_counted_and_skipped() {
        let response = load("0.18.7", "sequence-upload-expect-continue").response;
        assert_eq!((response.interim, response.status), (2, 200));
        assert!(response.raw[response.head_at..].starts_with(b"HTTP/1.1 200 OK\r\n"));
    }

    #[test]
    fn recordings_are_what_their_index_says() {
        for generation in ["0.18.7", "1.0.1"] {
            let index = fs::read(folder(generation).join("index.json")).expect("an index");
            let index: serde_json::Value =
                serde_json::from_slice(&index).expect("an index in JSON");
            let entries = index["exchanges"].as_array().expect("a list of exchanges");
            let listed: Vec<_> = entries
                .iter()
                .filter_map(|entry| entry["name"].as_str())
                .collect();
            assert_eq!(listed, names(generation));
            for entry in entries {
                let exchange = load(generation, entry["name"].as_str().expect("a name"));
                let name = format!("{generation}/{}", exchange.name);
                assert_eq!(
                    entry["method"].as_str(),
                    Some(exchange.request.method.as_str()),
                    "{name}"
                );
                assert_eq!(
                    entry["path"].as_str().unwrap_or_default(),
                    exchange.request.target,
                    "{name}"
                );
                assert_eq!(
                    entry["status"].as_u64().unwrap_or(0),
                    u64::from(exchange.response.status),
                    "{name}"
                );
                assert_eq!(
                    entry["response_complete"].as_bool(),
                    Some(exchange.response.complete),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn composed_replies_are_complete() {
        for generation in ["composed/0.18.7", "composed/1.0.1", "composed/proxy"] {
            for name in names(generation) {
                assert!(
                    load(generation, &name).response.reusable,
                    "{generation}/{name}"
                );
            }
        }
    }
}
