//! Transports that are not ureq.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use http::{Request, Response, header, request};
use scramjet_client_blocking::{BoxError, Outgoing, Phase, Reason, Transport, TransportError};

use super::contract::Body;

/// The shortest transport: a function.
pub(crate) struct Answering<F>(pub(crate) F);

impl<F> Transport for Answering<F>
where
    F: Fn(Request<Outgoing<'_>>) -> Result<Response<Body>, BoxError> + Send + Sync,
{
    fn send(&self, request: Request<Outgoing<'_>>) -> Result<Response<Body>, BoxError> {
        (self.0)(request)
    }
}

/// HTTP/1.1 by hand, with a connection for each request.
pub(super) struct Plain;

impl Transport for Plain {
    fn send(&self, request: Request<Outgoing<'_>>) -> Result<Response<Body>, BoxError> {
        let failed = |phase| move |source: io::Error| TransportError { phase, source: source.into() };
        let (head, body) = request.into_parts();
        let authority = head.uri.authority().ok_or("no host")?.as_str();
        let stream = TcpStream::connect(authority).map_err(failed(Phase::Connect))?;
        write_request(&stream, &head, body).map_err(failed(Phase::Send))?;
        Ok(read_response(BufReader::new(stream)).map_err(failed(Phase::Wait))?)
    }
}

fn write_request(mut stream: &TcpStream, head: &request::Parts, body: Outgoing<'_>) -> io::Result<()> {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let host = head.uri.authority().map_or("", |authority| authority.as_str());
    let mut text = format!("{} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n", head.method).into_bytes();
    for (name, value) in &head.headers {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    match &body {
        Outgoing::Empty => {}
        Outgoing::Bytes(bytes) => text.extend(format!("content-length: {}\r\n", bytes.len()).bytes()),
        Outgoing::Reader { length: Some(length), .. } => text.extend(format!("content-length: {length}\r\n").bytes()),
        Outgoing::Reader { length: None, .. } => text.extend(b"transfer-encoding: chunked\r\n"),
    }
    text.extend(b"\r\n");
    stream.write_all(&text)?;
    match body {
        Outgoing::Empty => Ok(()),
        Outgoing::Bytes(bytes) => stream.write_all(bytes),
        Outgoing::Reader { reader, length: Some(length) } => io::copy(&mut reader.take(length), &mut stream).map(drop),
        Outgoing::Reader { reader, length: None } => {
            let mut piece = [0; 8192];
            loop {
                let read = reader.read(&mut piece)?;
                let chunk = [format!("{read:x}\r\n").as_bytes(), &piece[..read], b"\r\n"].concat();
                stream.write_all(&chunk)?;
                if read == 0 {
                    return Ok(());
                }
            }
        }
    }
}

fn read_response(mut reader: BufReader<TcpStream>) -> io::Result<Response<Body>> {
    loop {
        let line = read_line(&mut reader)?;
        let mut words = line.splitn(3, ' ').skip(1);
        let status = words.next().and_then(|status| status.parse::<u16>().ok()).ok_or_else(malformed)?;
        let reason = Reason(words.next().unwrap_or_default().to_owned());
        let mut response = Response::builder().status(status).extension(reason);
        loop {
            let line = read_line(&mut reader)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(malformed)?;
            response = response.header(name, value.trim());
        }
        if status >= 200 {
            let response = response.body(()).map_err(io::Error::other)?;
            let length = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
            let left = match length {
                _ if matches!(status, 204 | 304) => Left::Bytes(0),
                _ if response.headers().contains_key(header::TRANSFER_ENCODING) => Left::Chunks,
                Some(length) => Left::Bytes(length),
                None => Left::UntilClosed,
            };
            return Ok(response.map(|()| -> Body { Box::new(PlainBody { reader, left }) }));
        }
    }
}

/// A line without its end.
fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is not HTTP")
}

struct PlainBody {
    reader: BufReader<TcpStream>,
    left: Left,
}

#[derive(Clone, Copy)]
enum Left {
    Bytes(u64),
    /// So many bytes of a chunk, and then more chunks.
    Chunk(u64),
    Chunks,
    UntilClosed,
}

impl Read for PlainBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Left::Chunk(0) = self.left {
            read_line(&mut self.reader)?;
            self.left = Left::Chunks;
        }
        if let Left::Chunks = self.left {
            let size = u64::from_str_radix(&read_line(&mut self.reader)?, 16).map_err(|_| malformed())?;
            self.left = Left::Chunk(size);
            if size == 0 {
                while !read_line(&mut self.reader)?.is_empty() {}
                self.left = Left::Bytes(0);
            }
        }
        let (Left::Bytes(left) | Left::Chunk(left)) = self.left else { return self.reader.read(buffer) };
        let read = self.reader.by_ref().take(left).read(buffer)?;
        if read == 0 && left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let left = left - u64::try_from(read).unwrap_or_default();
        self.left = if let Left::Chunk(_) = self.left { Left::Chunk(left) } else { Left::Bytes(left) };
        Ok(read)
    }
}
