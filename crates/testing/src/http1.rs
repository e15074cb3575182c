//! Reads and writes HTTP/1.1 messages, for servers and recordings.

use std::io::{self, BufRead, Read};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// The first line and the headers of a message.
#[derive(Debug)]
pub(crate) struct MessageHead {
    pub(crate) first_line: String,
    pub(crate) headers: HeaderMap,
}

impl MessageHead {
    /// Reads the first line and the headers. Returns `None` if the input ends before the first
    /// byte.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        if reader.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let first_line = read_line(reader)?;
        let mut headers = HeaderMap::new();
        loop {
            let line = read_line(reader)?;
            if line.is_empty() {
                return Ok(Some(Self {
                    first_line: String::from_utf8_lossy(&first_line).into_owned(),
                    headers,
                }));
            }
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
                return Err(malformed());
            };
            let name = HeaderName::from_bytes(name).map_err(|_| malformed())?;
            let value = HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| malformed())?;
            headers.try_append(name, value).map_err(|_| malformed())?;
        }
    }

    /// Returns the three parts of the first line. The last one may contain spaces.
    pub(crate) fn parts(&self) -> [&str; 3] {
        let mut parts = self.first_line.splitn(3, ' ');
        std::array::from_fn(|_| parts.next().unwrap_or_default())
    }

    /// Returns the framing of the body; `otherwise` if the headers do not define it.
    pub(crate) fn framing(&self, otherwise: Framing) -> Framing {
        if self.headers.contains_key(header::TRANSFER_ENCODING) {
            return Framing::NextChunk;
        }
        let length = self
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        length.map_or(otherwise, Framing::Length)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.first_line).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes
    }
}

/// The framing of the rest of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A known number of bytes.
    Length(u64),
    /// A chunk with this many bytes left, then more chunks.
    Chunk(u64),
    /// Chunks. The size of the next one follows.
    NextChunk,
    /// All bytes until the connection is closed.
    UntilClosed,
}

/// A reader that removes the framing of a body. A truncated body ends with
/// [`io::ErrorKind::UnexpectedEof`].
///
/// `framing` holds the progress, so that a later `BodyReader` continues.
pub(crate) struct BodyReader<'a, R> {
    pub(crate) reader: &'a mut R,
    pub(crate) framing: &'a mut Framing,
}

impl<R: BufRead> Read for BodyReader<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        if *self.framing == Framing::Chunk(0) {
            end_chunk(self.reader)?;
            *self.framing = Framing::NextChunk;
        }
        if *self.framing == Framing::NextChunk {
            *self.framing = match begin_chunk(self.reader)? {
                0 => Framing::Length(0),
                size => Framing::Chunk(size),
            };
        }
        let (Framing::Length(left) | Framing::Chunk(left)) = *self.framing else {
            return self.reader.read(buf);
        };
        let read = self.reader.take(left).read(buf)?;
        if read == 0 && left > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let left = left - u64::try_from(read).unwrap_or_default();
        *self.framing = match *self.framing {
            Framing::Chunk(_) => Framing::Chunk(left),
            _ => Framing::Length(left),
        };
        Ok(read)
    }
}

/// Reads the next chunk. The last one is empty, and its trailers are read as well.
pub(crate) fn read_chunk(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let size = begin_chunk(reader)?;
    let mut chunk = Vec::new();
    reader.take(size).read_to_end(&mut chunk)?;
    if u64::try_from(chunk.len()) != Ok(size) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if size > 0 {
        end_chunk(reader)?;
    }
    Ok(chunk)
}

/// Reads the line with the size of a chunk, and after the last chunk the trailers.
fn begin_chunk(reader: &mut impl BufRead) -> io::Result<u64> {
    let line = read_line(reader)?;
    let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let size = std::str::from_utf8(size.trim_ascii()).map_err(|_| malformed())?;
    let is_hex = size.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = u64::from_str_radix(size, 16).ok().filter(|_| is_hex);
    let size = size.ok_or_else(malformed)?;
    if size == 0 {
        while !read_line(reader)?.is_empty() {}
    }
    Ok(size)
}

/// Reads the line end after the bytes of a chunk.
fn end_chunk(reader: &mut impl BufRead) -> io::Result<()> {
    match read_line(reader)?.as_slice() {
        [] => Ok(()),
        _ => Err(malformed()),
    }
}

/// Upper bound for the length of a line in bytes.
const LINE_LIMIT: u64 = 1 << 20;

/// Reads a line, and returns it without its end.
fn read_line(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let read = reader.take(LINE_LIMIT).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(match u64::try_from(read) {
            Ok(LINE_LIMIT) => malformed(),
            _ => io::ErrorKind::UnexpectedEof.into(),
        });
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed HTTP/1.1 message")
}

/// Returns `true` if responses with this status have no body.
pub(crate) fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Returns the bytes of a chunk, for a body with `Transfer-Encoding: chunked`. An empty chunk ends
/// the body.
///
/// ```
/// use scramjet_client_testing::server::chunk;
///
/// assert_eq!(chunk(b"one\n"), b"4\r\none\n\r\n");
/// ```
#[must_use]
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Returns the bytes of a response with a `Content-Length`. `status` includes the reason phrase.
///
/// ```
/// use scramjet_client_testing::server::response;
///
/// let bytes = response("404 Not Found", &[("X-A", "b")], b"{}");
/// assert_eq!(bytes, b"HTTP/1.1 404 Not Found\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{}");
/// ```
#[must_use]
pub fn response(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] =
        b"4;a=b\r\nWiki\r\nB\r\npedia\r\n\r\nin\r\n0\r\nx-trailer: 1\r\n\r\nnext";

    #[test]
    fn body_reader_joins_chunks_and_keeps_the_bytes_before_a_truncation() {
        let end = CHUNKED.len() - b"next".len();
        for cut in 0..=end {
            let mut body = Vec::new();
            let mut reader = CHUNKED.get(..cut).unwrap_or_default();
            let mut framing = Framing::NextChunk;
            let result = BodyReader {
                reader: &mut reader,
                framing: &mut framing,
            }
            .read_to_end(&mut body);
            assert!(b"Wikipedia\r\n\r\nin".starts_with(&body), "cut at {cut}");
            match result {
                Ok(_) => assert_eq!((cut, body.len()), (end, 15)),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                    assert!(cut < end);
                }
            }
        }
    }

    #[test]
    fn body_reader_continues_after_an_earlier_one() {
        let mut reader = CHUNKED;
        let mut framing = Framing::NextChunk;
        let mut body = Vec::new();
        for _ in 0..20 {
            let part = BodyReader {
                reader: &mut reader,
                framing: &mut framing,
            };
            part.take(1).read_to_end(&mut body).unwrap_or_default();
        }
        assert_eq!(body, b"Wikipedia\r\n\r\nin");
        assert_eq!(reader, b"next");
    }

    #[test]
    fn read_chunk_returns_one_chunk_at_a_time() {
        let mut reader = CHUNKED;
        let chunks: Vec<_> = (0..3).map(|_| read_chunk(&mut reader).ok()).collect();
        let expected = [&b"Wiki"[..], b"pedia\r\n\r\nin", b""].map(|chunk| Some(chunk.to_vec()));
        assert_eq!(chunks, expected);
        assert_eq!(reader, b"next");
    }

    #[test]
    fn head_keeps_repeated_headers_and_opaque_values() {
        let mut input = &b"GET /x HTTP/1.1\r\nA: 1\r\na:  2 \r\nB: \xff\r\n\r\nrest"[..];
        let head = MessageHead::read(&mut input).ok().flatten();
        let head = head.unwrap_or_else(|| unreachable!());
        let values: Vec<_> = head.headers.get_all("a").iter().collect();
        assert_eq!(head.parts(), ["GET", "/x", "HTTP/1.1"]);
        assert_eq!(values, ["1", "2"]);
        assert_eq!(
            head.headers.get("b").map(HeaderValue::as_bytes),
            Some(&b"\xff"[..])
        );
        assert_eq!(input, b"rest");
    }

    #[test]
    fn incomplete_head_is_an_error() {
        let kind = |input: &[u8]| {
            MessageHead::read(&mut &*input)
                .err()
                .map(|error| error.kind())
        };
        assert!(matches!(MessageHead::read(&mut &b""[..]), Ok(None)));
        assert_eq!(kind(b"GET / HT"), Some(io::ErrorKind::UnexpectedEof));
        assert_eq!(
            kind(b"GET / HTTP/1.1\r\nA: b\r\n"),
            Some(io::ErrorKind::UnexpectedEof)
        );
        assert_eq!(
            kind(b"GET / HTTP/1.1\r\nno colon\r\n\r\n"),
            Some(io::ErrorKind::InvalidData)
        );
    }
}
