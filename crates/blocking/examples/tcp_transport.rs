//! A transport of one's own: HTTP/1.1 by hand over a `TcpStream`, with deadlines, idle timeouts and cancellation.
//!
//! `cargo run --example tcp_transport -- [HUB-URL]`
//!
//! Not for Windows: after a timeout of a socket, data may be lost there, and `shutdown` need not
//! wake a read that is blocked.
//!
//! It makes a connection for each request, does not encrypt, and cannot be interrupted while it connects. Otherwise it keeps the contract of
//! `Transport`, which `tests/transports` shows.

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::http::{Request, Response, header, request};
use scramjet_client_blocking::transport::{
    CallLimits, OnCancel, Phase, ReasonPhrase, RequestBody, StopReason, TransportError,
};
use scramjet_client_blocking::{HostClient, StartOptions, Transport};
use scramjet_client_tests::{hub, package};

fn main() -> Result<(), Box<dyn Error>> {
    let hub = hub::resolve(std::env::args().nth(1))?;
    let host = HostClient::builder(hub.url())
        .transport(Arc::new(Tcp))
        .build()?;
    println!(
        "hub        {}, version {}",
        host.base_url(),
        host.version()?.version
    );
    let sequence = host.send_sequence(package::sequence("prints"))?;
    let instance = sequence.start(&StartOptions::new())?;
    println!(
        "stdout     {:?}",
        instance.stdout()?.lines().next().transpose()?
    );
    sequence.force_delete()?;
    Ok(())
}

/// The transport.
#[derive(Debug)]
pub struct Tcp;

type Body = Box<dyn Read + Send>;

impl Transport for Tcp {
    fn send(&self, request: Request<RequestBody<'_>>) -> Result<Response<Body>, TransportError> {
        let (head, body) = request.into_parts();
        let limits = head
            .extensions
            .get::<CallLimits>()
            .cloned()
            .unwrap_or_default();
        let wire = Wire::connect(&head, limits)
            .map_err(|error| TransportError::new(Phase::Connect, error))?;
        let mut request = head_bytes(&head, &body);
        thread::scope(|scope| {
            let (tell, told) = channel();
            // Not within the limits: this thread waits for nothing but the answer, and the other one closes the connection when that is enough.
            let mut reader = BufReader::new(Wire {
                limits: CallLimits::default(),
                ..wire.clone()
            });
            scope.spawn(move || {
                let answer = read_head(&mut reader);
                if answer
                    .as_ref()
                    .is_ok_and(|answer| !answer.status().is_success())
                {
                    // What is left of an upload is not wanted.
                    let _ = reader.get_ref().stream.shutdown(Shutdown::Write);
                }
                let _ = tell.send(answer.map(|answer| {
                    answer.map(|left| Incoming {
                        reader,
                        left,
                        line: Vec::new(),
                    })
                }));
            });
            // Without an answer, also where the reader of an upload panics, there is nothing for the other thread to wait for.
            let closes = Closes(&wire.stream);
            let answered = exchange(&wire, &mut request, body, &told)
                .map_err(|(phase, error)| TransportError::new(phase, error))?;
            std::mem::forget(closes);
            Ok(answered.map(|mut body| -> Body {
                body.reader.get_mut().limits = wire.limits;
                Box::new(body)
            }))
        })
    }
}

/// Closes a connection when it is dropped.
struct Closes<'a>(&'a TcpStream);

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        // It is closed already where that fails.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A connection, and what bounds the exchange on it.
#[derive(Clone)]
struct Wire {
    stream: Arc<TcpStream>,
    limits: CallLimits,
    _hook: Option<Arc<OnCancel>>,
}

impl Wire {
    fn connect(head: &request::Parts, limits: CallLimits) -> io::Result<Self> {
        let host = head
            .uri
            .host()
            .filter(|_| head.uri.scheme_str() == Some("http"));
        let host =
            host.ok_or_else(|| io::Error::other("this transport goes to http:// addresses only"))?;
        let mut last = io::Error::other("the host has no address");
        for address in (
            host.trim_matches(['[', ']']),
            head.uri.port_u16().unwrap_or(80),
        )
            .to_socket_addrs()?
        {
            let begin = Instant::now();
            let stream = match left(&limits, begin)? {
                Some(left) => TcpStream::connect_timeout(&address, left),
                None => TcpStream::connect(address),
            };
            // Whether that was the limit.
            left(&limits, begin)?;
            match stream {
                Ok(stream) => {
                    let stream = Arc::new(stream);
                    // Wakes whatever is blocked in it.
                    let hook = limits.cancel.as_ref().map(|token| {
                        let stream = Arc::clone(&stream);
                        Arc::new(token.on_cancel(move || drop(stream.shutdown(Shutdown::Both))))
                    });
                    return Ok(Self {
                        stream,
                        limits,
                        _hook: hook,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Waits for what the socket does, within the limits.
    fn wait(
        &self,
        set_timeout: fn(&TcpStream, Option<Duration>) -> io::Result<()>,
        mut act: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let begin = Instant::now();
        loop {
            set_timeout(&self.stream, left(&self.limits, begin)?)?;
            match act(&self.stream) {
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                // A socket that was shut down because of a limit looks like one that was closed.
                done => return self.limits.check().map_err(io::Error::from).and(done),
            }
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.wait(TcpStream::set_read_timeout, |mut stream| stream.read(buf))
    }
}

impl Write for &Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.wait(TcpStream::set_write_timeout, |mut stream| stream.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How long a wait may go on that began then; `None` for as long as it takes.
fn left(limits: &CallLimits, begin: Instant) -> io::Result<Option<Duration>> {
    limits.check()?;
    let Some((end, stopped)) = limits.end_of_wait(begin) else {
        return Ok(None);
    };
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(stopped.into())
    } else {
        Ok(Some(left))
    }
}

type Answer = io::Result<Response<Incoming>>;

/// Sends the request, and waits for the answer that another thread reads.
fn exchange(
    wire: &Wire,
    head: &mut Vec<u8>,
    body: RequestBody<'_>,
    told: &Receiver<Answer>,
) -> Result<Response<Incoming>, (Phase, io::Error)> {
    let unsent = match write_request(wire, head, body) {
        Ok(()) => None,
        // It may have been refused before it broke off.
        Err(Broken::Connection(error)) if error.get_ref().is_none() => Some(error),
        Err(Broken::Connection(error) | Broken::Reader(error)) => return Err((Phase::Send, error)),
    };
    let phase = if unsent.is_some() {
        Phase::Send
    } else {
        Phase::Wait
    };
    let answer = match left(&wire.limits, Instant::now()).map_err(|error| (phase, error))? {
        None => told.recv().map_err(io::Error::other),
        Some(left) => told.recv_timeout(left).map_err(io::Error::other),
    };
    // Where it was too long, the limit says so, and not the channel.
    wire.limits
        .check()
        .map_err(|stopped| (phase, stopped.into()))?;
    match (answer, unsent) {
        (Err(_), _) => Err((phase, StopReason::Idle.into())),
        (Ok(Ok(answer)), None) => Ok(answer),
        (Ok(Ok(answer)), Some(_)) if !answer.status().is_success() => Ok(answer),
        (Ok(_), Some(error)) | (Ok(Err(error)), None) => Err((phase, error)),
    }
}

fn head_bytes(head: &request::Parts, body: &RequestBody<'_>) -> Vec<u8> {
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let host = head
        .uri
        .authority()
        .map_or("", |authority| authority.as_str());
    let mut text = format!(
        "{} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n",
        head.method
    )
    .into_bytes();
    for (name, value) in &head.headers {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let framing = match body {
        RequestBody::Empty => String::new(),
        RequestBody::Bytes(bytes) => format!("content-length: {}\r\n", bytes.len()),
        RequestBody::Reader {
            length: Some(length),
            ..
        } => format!("content-length: {length}\r\n"),
        RequestBody::Reader { length: None, .. } => "transfer-encoding: chunked\r\n".to_owned(),
    };
    text.extend([framing.as_bytes(), b"\r\n"].concat());
    text
}

/// Why a request is not sent to its end.
enum Broken {
    Connection(io::Error),
    Reader(io::Error),
}

fn write_request(mut wire: &Wire, head: &mut Vec<u8>, body: RequestBody<'_>) -> Result<(), Broken> {
    let (reader, length) = match body {
        RequestBody::Reader { reader, length } => (reader, length),
        RequestBody::Empty => return wire.write_all(head).map_err(Broken::Connection),
        RequestBody::Bytes(bytes) => {
            head.extend(bytes);
            return wire.write_all(head).map_err(Broken::Connection);
        }
    };
    wire.write_all(head).map_err(Broken::Connection)?;
    let mut reader = reader.take(length.unwrap_or(u64::MAX));
    let mut piece = [0; 16 << 10];
    loop {
        let read = match reader.read(&mut piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(Broken::Reader)?,
        };
        let sent = match length {
            Some(_) => wire.write_all(&piece[..read]),
            // A chunk of no bytes is the end.
            None => wire
                .write_all(&[format!("{read:x}\r\n").as_bytes(), &piece[..read], b"\r\n"].concat()),
        };
        sent.map_err(Broken::Connection)?;
        if read == 0 {
            return Ok(());
        }
    }
}

fn read_head(reader: &mut impl BufRead) -> io::Result<Response<Left>> {
    loop {
        let line = read_line(reader, &mut Vec::new())?;
        let mut words = line.splitn(3, ' ').skip(1);
        let status = words
            .next()
            .and_then(|status| status.parse::<u16>().ok())
            .ok_or_else(malformed)?;
        let mut response = Response::builder()
            .status(status)
            .extension(ReasonPhrase(words.next().unwrap_or_default().to_owned()));
        loop {
            let line = read_line(reader, &mut Vec::new())?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(malformed)?;
            response = response.header(name, value.trim());
        }
        if status >= 200 {
            let response = response.body(()).map_err(io::Error::other)?;
            let length = response
                .headers()
                .get(header::CONTENT_LENGTH)
                .map(|length| length.to_str().ok().and_then(|length| length.parse().ok()));
            let left = match length
                .map(|length| length.ok_or_else(malformed))
                .transpose()?
            {
                _ if matches!(status, 204 | 304) => Left::Bytes(0),
                _ if response.headers().contains_key(header::TRANSFER_ENCODING) => Left::Size,
                Some(length) => Left::Bytes(length),
                None => Left::UntilClosed,
            };
            return Ok(response.map(|()| left));
        }
    }
}

/// A line without its end. What there is of it is kept, so that it can be read on after a silence.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<String> {
    reader.read_until(b'\n', line)?;
    let line = std::mem::take(line);
    let line = line.strip_suffix(b"\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    Ok(String::from_utf8_lossy(line).into_owned())
}

fn malformed() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "this is not HTTP/1.1")
}

/// The body of an answer.
struct Incoming {
    reader: BufReader<Wire>,
    left: Left,
    line: Vec<u8>,
}

/// What of it is next.
#[derive(Clone, Copy)]
enum Left {
    Bytes(u64),
    UntilClosed,
    /// The size of a chunk, so many bytes of it, and the end of its line.
    Size,
    Chunk(u64),
    ChunkEnd,
    /// What may follow the last chunk.
    Trailer,
}

impl Read for Incoming {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = match self.left {
                Left::Bytes(left) | Left::Chunk(left) => left,
                Left::UntilClosed => return self.reader.read(buf),
                Left::Size => {
                    let line = read_line(&mut self.reader, &mut self.line)?;
                    let size =
                        u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                            .map_err(|_| malformed())?;
                    self.left = if size == 0 {
                        Left::Trailer
                    } else {
                        Left::Chunk(size)
                    };
                    continue;
                }
                Left::ChunkEnd => {
                    read_line(&mut self.reader, &mut self.line)?;
                    self.left = Left::Size;
                    continue;
                }
                Left::Trailer => {
                    if read_line(&mut self.reader, &mut self.line)?.is_empty() {
                        self.left = Left::Bytes(0);
                    }
                    continue;
                }
            };
            let read = (&mut self.reader).take(left).read(buf)?;
            if read == 0 && left > 0 && !buf.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let left = left - u64::try_from(read).unwrap_or_default();
            self.left = match self.left {
                Left::Chunk(_) if left == 0 => Left::ChunkEnd,
                Left::Chunk(_) => Left::Chunk(left),
                _ => Left::Bytes(left),
            };
            return Ok(read);
        }
    }
}
