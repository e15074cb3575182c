//! A transport with its own HTTP/1.1 over a `TcpStream`, with deadlines, idle timeouts and
//! cancellation.
//!
//! `cargo run -p scramjet-client-blocking --example tcp_transport`
//!
//! Prints the version of the hub, and the output of a sequence. Uses the hub of `SCRAMJET_HUB_URL`,
//! or a fake hub.
//!
//! It keeps the contract of `Transport` (see `tests/transports`), but opens a connection for each
//! request, does not support TLS, and cannot be cancelled while it connects. Do not use it on
//! Windows: there, a socket may lose data after a timeout, and `shutdown` need not wake a blocked
//! read.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "this example prints to the terminal, and slices what it has read"
)]

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
use scramjet_client_testing::demo;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = demo::hub();
    let host = HostClient::builder(hub.url())
        .transport(Arc::new(Tcp))
        .build()?;
    println!(
        "hub        {}, version {}",
        host.base_url(),
        host.version()?.version
    );
    let deployment = host.deploy(demo::shout())?;
    let run = deployment.run(&StartOptions::new(), "some text")?;
    println!("output     {}", run.output.escape_ascii());
    deployment.close()?;
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
        let connection = Connection::connect(&head, limits)
            .map_err(|error| TransportError::new(Phase::Connect, error))?;
        let mut request = head_bytes(&head, &body);
        thread::scope(|scope| {
            let (sender, received) = channel();
            // This thread has no limits, because it only waits for the response. The other thread
            // closes the connection if a limit is reached.
            let mut reader = BufReader::new(Connection {
                limits: CallLimits::default(),
                ..connection.clone()
            });
            scope.spawn(move || {
                let response = read_head(&mut reader);
                if response
                    .as_ref()
                    .is_ok_and(|response| !response.status().is_success())
                {
                    // Stops the upload, because the hub has refused it.
                    let _ = reader.get_ref().stream.shutdown(Shutdown::Write);
                }
                let _ = sender.send(response.map(|response| {
                    response.map(|left| ResponseBody {
                        reader,
                        left,
                        line: Vec::new(),
                    })
                }));
            });
            // Without a response, for example after a panic in the reader of the upload, this guard
            // closes the connection, so that the reading thread ends.
            let guard = CloseOnDrop(&connection.stream);
            let response = exchange(&connection, &mut request, body, &received)
                .map_err(|(phase, error)| TransportError::new(phase, error))?;
            std::mem::forget(guard);
            Ok(response.map(|mut body| -> Body {
                body.reader.get_mut().limits = connection.limits;
                Box::new(body)
            }))
        })
    }
}

/// Closes a connection on drop.
struct CloseOnDrop<'a>(&'a TcpStream);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        // Shutdown fails if the connection is already closed.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A connection with the limits of its call.
#[derive(Clone)]
struct Connection {
    stream: Arc<TcpStream>,
    limits: CallLimits,
    _hook: Option<Arc<OnCancel>>,
}

impl Connection {
    fn connect(head: &request::Parts, limits: CallLimits) -> io::Result<Self> {
        let host = head
            .uri
            .host()
            .filter(|_| head.uri.scheme_str() == Some("http"));
        let host =
            host.ok_or_else(|| io::Error::other("this transport supports http:// addresses only"))?;
        let mut last = io::Error::other("the host has no address");
        for address in (
            host.trim_matches(['[', ']']),
            head.uri.port_u16().unwrap_or(80),
        )
            .to_socket_addrs()?
        {
            let begin = Instant::now();
            let stream = match time_left(&limits, begin)? {
                Some(left) => TcpStream::connect_timeout(&address, left),
                None => TcpStream::connect(address),
            };
            // The limit may have been reached during the attempt.
            time_left(&limits, begin)?;
            match stream {
                Ok(stream) => {
                    let stream = Arc::new(stream);
                    // Wakes blocked reads and writes.
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

    /// Repeats a socket operation until it succeeds or a limit is reached.
    fn wait(
        &self,
        set_timeout: fn(&TcpStream, Option<Duration>) -> io::Result<()>,
        mut act: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let begin = Instant::now();
        loop {
            set_timeout(&self.stream, time_left(&self.limits, begin)?)?;
            match act(&self.stream) {
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                // A socket that was shut down by a limit looks like one that the hub closed.
                done => return self.limits.check().map_err(io::Error::from).and(done),
            }
        }
    }
}

impl Read for Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.wait(TcpStream::set_read_timeout, |mut stream| stream.read(buf))
    }
}

impl Write for &Connection {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.wait(TcpStream::set_write_timeout, |mut stream| stream.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the time until a limit ends a wait that began at `begin`. Returns `None` if there is no
/// limit.
fn time_left(limits: &CallLimits, begin: Instant) -> io::Result<Option<Duration>> {
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

type Received = io::Result<Response<ResponseBody>>;

/// Sends the request, and waits for the response that another thread reads.
fn exchange(
    connection: &Connection,
    head: &mut Vec<u8>,
    body: RequestBody<'_>,
    received: &Receiver<Received>,
) -> Result<Response<ResponseBody>, (Phase, io::Error)> {
    let unsent = match write_request(connection, head, body) {
        Ok(()) => None,
        // The hub may have refused the request before the connection broke.
        Err(SendError::Connection(error)) if error.get_ref().is_none() => Some(error),
        Err(SendError::Connection(error) | SendError::Reader(error)) => {
            return Err((Phase::Send, error));
        }
    };
    let phase = if unsent.is_some() {
        Phase::Send
    } else {
        Phase::Wait
    };
    let response =
        match time_left(&connection.limits, Instant::now()).map_err(|error| (phase, error))? {
            None => received.recv().map_err(io::Error::other),
            Some(left) => received.recv_timeout(left).map_err(io::Error::other),
        };
    // After a timeout, return the limit that was reached, not the error of the channel.
    connection
        .limits
        .check()
        .map_err(|stopped| (phase, stopped.into()))?;
    match (response, unsent) {
        (Err(_), _) => Err((phase, StopReason::Idle.into())),
        (Ok(Ok(response)), None) => Ok(response),
        (Ok(Ok(response)), Some(_)) if !response.status().is_success() => Ok(response),
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

/// The reason why a request was not sent completely.
enum SendError {
    Connection(io::Error),
    Reader(io::Error),
}

fn write_request(
    mut connection: &Connection,
    head: &mut Vec<u8>,
    body: RequestBody<'_>,
) -> Result<(), SendError> {
    let (reader, length) = match body {
        RequestBody::Reader { reader, length } => (reader, length),
        RequestBody::Empty => return connection.write_all(head).map_err(SendError::Connection),
        RequestBody::Bytes(bytes) => {
            head.extend(bytes);
            return connection.write_all(head).map_err(SendError::Connection);
        }
    };
    connection.write_all(head).map_err(SendError::Connection)?;
    let mut reader = reader.take(length.unwrap_or(u64::MAX));
    let mut piece = [0; 16 << 10];
    loop {
        let read = match reader.read(&mut piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(SendError::Reader)?,
        };
        let sent = match length {
            Some(_) => connection.write_all(&piece[..read]),
            // A chunk of size zero ends the body.
            None => connection
                .write_all(&[format!("{read:x}\r\n").as_bytes(), &piece[..read], b"\r\n"].concat()),
        };
        sent.map_err(SendError::Connection)?;
        if read == 0 {
            return Ok(());
        }
    }
}

fn read_head(reader: &mut impl BufRead) -> io::Result<Response<BodyState>> {
    loop {
        let line = read_line(reader, &mut Vec::new())?;
        let mut parts = line.splitn(3, ' ').skip(1);
        let status = parts
            .next()
            .and_then(|status| status.parse::<u16>().ok())
            .ok_or_else(malformed)?;
        let mut response = Response::builder()
            .status(status)
            .extension(ReasonPhrase(parts.next().unwrap_or_default().to_owned()));
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
                _ if matches!(status, 204 | 304) => BodyState::Bytes(0),
                _ if response.headers().contains_key(header::TRANSFER_ENCODING) => BodyState::Size,
                Some(length) => BodyState::Bytes(length),
                None => BodyState::UntilClosed,
            };
            return Ok(response.map(|()| left));
        }
    }
}

/// Reads a line without its line end. A partial line stays in `line`, so that reading can continue
/// after a timeout.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<String> {
    reader.read_until(b'\n', line)?;
    let line = std::mem::take(line);
    let line = line.strip_suffix(b"\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    Ok(String::from_utf8_lossy(line).into_owned())
}

fn malformed() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "this is not HTTP/1.1")
}

/// The body of a response.
struct ResponseBody {
    reader: BufReader<Connection>,
    left: BodyState,
    line: Vec<u8>,
}

/// The part of the body that comes next.
#[derive(Clone, Copy)]
enum BodyState {
    Bytes(u64),
    UntilClosed,
    /// The size line of a chunk. Then come the data (`Chunk`) and the line end (`ChunkEnd`).
    Size,
    Chunk(u64),
    ChunkEnd,
    /// Trailer fields after the last chunk.
    Trailer,
}

impl Read for ResponseBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = match self.left {
                BodyState::Bytes(left) | BodyState::Chunk(left) => left,
                BodyState::UntilClosed => return self.reader.read(buf),
                BodyState::Size => {
                    let line = read_line(&mut self.reader, &mut self.line)?;
                    let size =
                        u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                            .map_err(|_| malformed())?;
                    self.left = if size == 0 {
                        BodyState::Trailer
                    } else {
                        BodyState::Chunk(size)
                    };
                    continue;
                }
                BodyState::ChunkEnd => {
                    read_line(&mut self.reader, &mut self.line)?;
                    self.left = BodyState::Size;
                    continue;
                }
                BodyState::Trailer => {
                    if read_line(&mut self.reader, &mut self.line)?.is_empty() {
                        self.left = BodyState::Bytes(0);
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
                BodyState::Chunk(_) if left == 0 => BodyState::ChunkEnd,
                BodyState::Chunk(_) => BodyState::Chunk(left),
                _ => BodyState::Bytes(left),
            };
            return Ok(read);
        }
    }
}
