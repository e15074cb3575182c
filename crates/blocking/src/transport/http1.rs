//! HTTP/1.1 as bytes, as far as recordings and the servers of the conformance suite need it.

use std::io::{self, BufRead, Read};

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What a message begins with.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) first_line: String,
    pub(super) headers: HeaderMap,
}

impl Head {
    /// `None` where not a byte came before the end.
    pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        if reader.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let first_line = read_line(reader)?;
        let mut headers = HeaderMap::new();
        loop {
            let line = read_line(reader)?;
            if line.is_empty() {
                return Ok(Some(Self {
                    first_line,
                    headers,
                }));
            }
            let (name, value) = line.split_once(':').ok_or_else(malformed)?;
            let name = HeaderName::try_from(name).map_err(|_| malformed())?;
            headers.append(
                name,
                HeaderValue::try_from(value.trim()).map_err(|_| malformed())?,
            );
        }
    }

    /// The words of the first line: three, of which the last may have blanks in it.
    pub(super) fn words(&self) -> [&str; 3] {
        let mut words = self.first_line.splitn(3, ' ');
        std::array::from_fn(|_| words.next().unwrap_or_default())
    }

    /// How the body is delimited; `otherwise` where no header says it.
    pub(super) fn left(&self, otherwise: Left) -> Left {
        if self.headers.contains_key(header::TRANSFER_ENCODING) {
            return Left::Chunks;
        }
        let length = self
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        length.map_or(otherwise, Left::Bytes)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.first_line).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes
    }
}

/// What is left of a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Left {
    Bytes(u64),
    /// So many bytes of a chunk, and then more chunks.
    Chunk(u64),
    Chunks,
    ToTheEnd,
}

/// A body without its framing. One that is cut off ends with an error.
pub(super) struct Body<R> {
    pub(super) reader: R,
    pub(super) left: Left,
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        if let Left::Chunk(0) = self.left {
            read_line(&mut self.reader)?;
            self.left = Left::Chunks;
        }
        if let Left::Chunks = self.left {
            let line = read_line(&mut self.reader)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| malformed())?;
            self.left = Left::Chunk(size);
            if size == 0 {
                while !read_line(&mut self.reader)?.is_empty() {}
                self.left = Left::Bytes(0);
            }
        }
        let (Left::Bytes(left) | Left::Chunk(left)) = self.left else {
            return self.reader.read(buf);
        };
        let read = self.reader.by_ref().take(left).read(buf)?;
        if read == 0 && left > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let left = left - u64::try_from(read).unwrap_or_default();
        self.left = if let Left::Chunk(_) = self.left {
            Left::Chunk(left)
        } else {
            Left::Bytes(left)
        };
        Ok(read)
    }
}

pub(super) fn chunk(piece: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
}

/// A line without its end.
fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    let line = line
        .strip_suffix(b"\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is not HTTP/1.1")
}
