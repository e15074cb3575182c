//! HTTP over a plain socket: the lower bound for the cost of a request. It only works with the
//! benchmark server.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};

/// A connection.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    buf: Vec<u8>,
}

/// Size of the data buffer, which is the size of ureq's.
pub const BUFFER: usize = 128 << 10;

impl Raw {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            buf: vec![0; BUFFER],
        }
    }

    fn request(&mut self, method: &str, path: &str, framing: &str) {
        let head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: raw/0.1.0\r\n\
                 accept: */*\r\n{framing}\r\n"
        );
        self.stream
            .write_all(head.as_bytes())
            .expect("a connection");
    }

    /// Reads a response head. Returns where it ends in the buffer, the filled length of the buffer,
    /// and the length of the body.
    fn head(&mut self) -> (usize, usize, Option<u64>) {
        let mut filled = 0;
        loop {
            let read = self
                .stream
                .read(&mut self.buf[filled..])
                .expect("a connection");
            assert!(read > 0, "the server closed the connection");
            filled += read;
            if let Some(end) = self.buf[..filled]
                .windows(4)
                .position(|end| end == b"\r\n\r\n")
            {
                return (
                    end + 4,
                    filled,
                    header(&self.buf[..end + 4], "content-length")
                        .and_then(|length| length.parse().ok()),
                );
            }
        }
    }

    /// Sends a request without a body. Returns the response body, which must have a length.
    pub fn get(&mut self, path: &str) -> &[u8] {
        self.request("GET", path, "");
        self.short_answer()
    }

    fn short_answer(&mut self) -> &[u8] {
        let (begin, mut filled, length) = self.head();
        let end = begin + length.expect("a length") as usize;
        while filled < end {
            filled += self
                .stream
                .read(&mut self.buf[filled..])
                .expect("a connection");
        }
        &self.buf[begin..end]
    }

    /// Sends a request without a body and discards the response body. Returns its length.
    pub fn download(&mut self, path: &str) -> u64 {
        self.request("GET", path, "");
        let (begin, filled, length) = self.head();
        let mut body = Body::new(length);
        let mut got = body.take(&self.buf[begin..filled]);
        while !body.is_complete() {
            let read = self.stream.read(&mut self.buf).expect("a connection");
            assert!(read > 0, "the server closed the connection");
            got += body.take(&self.buf[..read]);
        }
        got
    }

    /// Sends a body with a length.
    ///
    /// Does not use `io::copy`: for files, std lets the system send the pages, and over loopback
    /// that takes nearly twice as long.
    pub fn upload_sized(&mut self, path: &str, mut data: impl Read, length: u64) {
        self.request("POST", path, &format!("content-length: {length}\r\n"));
        let mut sent = 0;
        while sent < length {
            let read = data.read(&mut self.buf).expect("data");
            self.stream
                .write_all(&self.buf[..read])
                .expect("a connection");
            sent += read as u64;
        }
        self.short_answer();
    }

    /// Sends a body in chunks of 64 KiB, one write for each. Smaller chunks, or several in one
    /// write as in ureq, are not faster.
    pub fn upload_chunked(&mut self, path: &str, mut data: impl Read) {
        const HEAD: usize = 6;
        self.request("POST", path, "transfer-encoding: chunked\r\n");
        loop {
            let read = data
                .read(&mut self.buf[HEAD..HEAD + (64 << 10) - 1])
                .expect("data");
            if read == 0 {
                break;
            }
            self.buf[..HEAD].copy_from_slice(format!("{read:04x}\r\n").as_bytes());
            self.buf[HEAD + read..HEAD + read + 2].copy_from_slice(b"\r\n");
            self.stream
                .write_all(&self.buf[..HEAD + read + 2])
                .expect("a connection");
        }
        self.stream.write_all(b"0\r\n\r\n").expect("a connection");
        self.short_answer();
    }

    /// Sends the head of a chunked request and returns the connection.
    pub fn begin_chunked(mut self, path: &str) -> TcpStream {
        self.request("POST", path, "transfer-encoding: chunked\r\n");
        self.stream
    }
}

/// Sends a request and waits for the first byte of the response, without a buffer.
pub fn wait(address: SocketAddr, path: &str) {
    let mut stream = TcpStream::connect(address).expect("the server");
    let head = format!("GET /api/v1{path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("a connection");
    let _ = stream.read(&mut [0]);
}

/// Returns the value of a header.
pub(super) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (key, value) = line.split_at_checked(name.len())?;
        let value = key
            .eq_ignore_ascii_case(name.as_bytes())
            .then(|| value.strip_prefix(b":"))??;
        std::str::from_utf8(value).ok().map(str::trim)
    })
}

/// Finds the end of a body.
#[derive(Debug)]
pub(super) struct Body {
    /// Bytes left in the body, or in the chunk and its line end.
    left: u64,
    chunked: bool,
    /// The size line of a chunk, as far as it was read.
    line: Vec<u8>,
    last: bool,
}

impl Body {
    /// Returns the state for a body with this length, or for a chunked one.
    pub(super) fn new(length: Option<u64>) -> Self {
        Self {
            left: length.unwrap_or_default(),
            chunked: length.is_none(),
            line: Vec::new(),
            last: false,
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.left == 0 && (!self.chunked || self.last)
    }

    /// Consumes bytes. Returns how many are data (including the line ends after chunks).
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> u64 {
        let mut data = 0;
        while !bytes.is_empty() {
            if self.left > 0 {
                let taken = usize::try_from(self.left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                self.left -= taken as u64;
                data += taken as u64;
                bytes = &bytes[taken..];
            } else {
                let (byte, rest) = (bytes[0], &bytes[1..]);
                bytes = rest;
                match byte {
                    b'\r' => {}
                    b'\n' => {
                        let length = u64::from_str_radix(
                            std::str::from_utf8(&self.line).expect("a length"),
                            16,
                        )
                        .expect("a length");
                        self.line.clear();
                        self.last = length == 0;
                        self.left = length + 2;
                    }
                    _ => self.line.push(byte),
                }
            }
        }
        data
    }
}

/// Reads a chunked stream and calls `chunk` for each chunk.
pub fn each_chunk(stream: TcpStream, mut chunk: impl FnMut(&[u8])) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    let mut data = Vec::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).is_err() {
            return;
        }
        let Ok(length @ 1..) = usize::from_str_radix(line.trim(), 16) else {
            return;
        };
        data.resize(length + 2, 0);
        if reader.read_exact(&mut data).is_err() {
            return;
        }
        chunk(&data[..length]);
    }
}
