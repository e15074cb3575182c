//! The benchmark server. It runs in its own process and does as little as possible, so that the
//! figures are those of the clients.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use std::{process, thread};

use super::process::{Running, end_with_input};
use super::raw::{Body, Raw, header};

pub(super) const PART: &str = "server";

/// A running benchmark server. Stops when dropped.
#[derive(Debug)]
pub struct Server {
    process: Running,
    address: SocketAddr,
}

impl Server {
    pub fn start() -> Self {
        let mut process = Running::part(PART, &[]);
        let address = process.line().parse().expect("an address");
        Self { process, address }
    }

    /// Returns the process ID.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL for clients.
    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// Returns a base URL whose responses lack their last byte until [`release`](Self::release).
    pub fn holding_url(&self) -> String {
        format!("http://{}/held/api/v1", self.address)
    }

    /// Returns the number of connections so far, including the one of this query.
    pub fn connections(&self) -> usize {
        self.query("/connections")
    }

    /// Runs some work, and appends the number of connections that it opened to `counts`.
    pub fn counting<T>(&self, counts: &mut Vec<f64>, work: impl FnOnce() -> T) -> T {
        let before = self.connections();
        let result = work();
        // Without the connection of the query.
        counts.push((self.connections() - before - 1) as f64);
        result
    }

    /// Returns the number of responses that are held back or never end.
    pub fn held(&self) -> usize {
        self.query("/holding")
    }

    /// Sends the last byte of the held responses.
    pub fn release(&self) {
        self.query("/release");
    }

    fn query(&self, path: &str) -> usize {
        let mut raw = Raw::connect(self.address);
        std::str::from_utf8(raw.get(path))
            .ok()
            .and_then(|count| count.parse().ok())
            .expect("a number")
    }
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    holding: AtomicUsize,
    releases: Mutex<usize>,
    released: Condvar,
}

pub(super) fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
    println!(
        "{}",
        listener.local_addr().expect("an address of the listener")
    );
    end_with_input();
    let state = Arc::<State>::default();
    for stream in listener.incoming() {
        let stream = stream.unwrap_or_else(|error| {
            // The usual cause is that no more files can be opened. A retry would fail the same way.
            eprintln!("the server of the benchmark: {error}");
            process::exit(1);
        });
        state.connections.fetch_add(1, Ordering::SeqCst);
        let state = Arc::clone(&state);
        let thread = thread::Builder::new().stack_size(64 << 10);
        // Errors mean that the client is gone.
        thread
            .spawn(move || {
                drop(
                    Connection {
                        stream,
                        buf: vec![0; 16 << 10],
                        filled: 0,
                    }
                    .serve(&state),
                )
            })
            .expect("a thread");
    }
}

/// Idle timeout of connections, also announced to clients. Limits the open files if a client opens
/// one connection after the other.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The response to a version request.
const VERSION: &str =
    r#"{"service":"@scramjet/host","apiVersion":"v1","version":"1.0.1","build":"3f2a9c1"}"#;

/// The response to an upload.
const SENT: &str = r#"{"id":"5a1e9a37-6c42-4c0f-a3a3-7d2c39d0e2a1"}"#;

/// The status of an instance.
const RUNNING: &str = r#"{"id":"x","status":"running"}"#;

/// The head of a stream of events.
const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

struct Connection {
    stream: TcpStream,
    buf: Vec<u8>,
    filled: usize,
}

impl Connection {
    fn serve(mut self, state: &State) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(KEEP_ALIVE))?;
        loop {
            let end = loop {
                if let Some(end) = self.buf[..self.filled]
                    .windows(4)
                    .position(|end| end == b"\r\n\r\n")
                {
                    break end + 4;
                }
                let read = self.stream.read(&mut self.buf[self.filled..])?;
                if read == 0 {
                    return Ok(());
                }
                self.filled += read;
            };
            let head = &self.buf[..end];
            let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let path = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
            let path = String::from_utf8_lossy(path).into_owned();
            let length =
                header(head, "content-length").and_then(|length| length.parse::<u64>().ok());
            let has_body = length.is_some() || header(head, "transfer-encoding").is_some();
            self.buf.copy_within(end..self.filled, 0);
            self.filled -= end;
            if has_body {
                self.take_body(length)?;
            }
            self.answer(&path, state)?;
        }
    }

    fn take_body(&mut self, length: Option<u64>) -> io::Result<()> {
        let mut body = Body::new(length);
        body.take(&self.buf[..self.filled]);
        self.filled = 0;
        let mut buf = vec![0; 256 << 10];
        while !body.is_complete() {
            let read = self.stream.read(&mut buf)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            body.take(&buf[..read]);
        }
        Ok(())
    }

    fn answer(&mut self, path: &str, state: &State) -> io::Result<()> {
        let holding = path.starts_with("/held/");
        let path = path.strip_prefix("/held").unwrap_or(path);
        let segments: Vec<_> = path.trim_start_matches("/api/v1/").split('/').collect();
        match segments.as_slice() {
            ["version"] if holding => self.hold(VERSION, state),
            ["version"] => self.json(VERSION),
            ["sequence"] | ["instance", _, "input"] => self.json(SENT),
            ["instance", what, "output"] => self.stream(what),
            ["instance", _] => self.json(RUNNING),
            ["instance", _, "once" | "event", _] => self.wait(state),
            ["instance", _, "events", _] => {
                self.stream.write_all(STREAM_HEAD)?;
                self.wait(state)
            }
            ["connections"] => self.json(&state.connections.load(Ordering::SeqCst).to_string()),
            ["holding"] => self.json(&state.holding.load(Ordering::SeqCst).to_string()),
            ["release"] => {
                *state.releases.lock().expect("a lock") += 1;
                state.released.notify_all();
                self.json("0")
            }
            _ => self
                .stream
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        }
    }

    /// Waits until the client closes the connection.
    fn wait(&mut self, state: &State) -> io::Result<()> {
        self.stream.set_read_timeout(None)?;
        state.holding.fetch_add(1, Ordering::SeqCst);
        let read = self.stream.read(&mut self.buf);
        state.holding.fetch_sub(1, Ordering::SeqCst);
        read.map(drop)
    }

    fn json(&mut self, body: &str) -> io::Result<()> {
        self.stream.write_all(answer(body).as_bytes())
    }

    fn hold(&mut self, body: &str, state: &State) -> io::Result<()> {
        let answer = answer(body);
        let (most, last) = answer.as_bytes().split_at(answer.len() - 1);
        let releases = state.releases.lock().expect("a lock");
        self.stream.write_all(most)?;
        state.holding.fetch_add(1, Ordering::SeqCst);
        let begin = *releases;
        drop(
            state
                .released
                .wait_while(releases, |releases| *releases == begin),
        );
        state.holding.fetch_sub(1, Ordering::SeqCst);
        self.stream.write_all(last)
    }

    /// Sends a body: `sized-N` and `chunked-N` have N bytes, `lines-N` has N bytes of lines in
    /// chunks, and up to a megabyte more.
    fn stream(&mut self, what: &str) -> io::Result<()> {
        let (kind, bytes) = what.split_once('-').unwrap_or_default();
        let bytes: usize = bytes.parse().unwrap_or_default();
        let block = if kind == "lines" {
            lines()
        } else {
            vec![0; 1 << 20]
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n";
        if kind == "sized" {
            write!(self.stream, "{head}Content-Length: {bytes}\r\n\r\n")?;
            let mut left = bytes;
            while left > 0 {
                let piece = &block[..left.min(128 << 10)];
                self.stream.write_all(piece)?;
                left -= piece.len();
            }
            return Ok(());
        }
        write!(self.stream, "{head}Transfer-Encoding: chunked\r\n\r\n")?;
        // Chunks of 64 KiB as Node.js sends them, cut without regard to lines, and built before
        // sending.
        let chunks: Vec<_> = block.chunks(64 << 10).map(chunk).collect();
        for _ in 0..bytes.div_ceil(block.len()) {
            for chunk in &chunks {
                self.stream.write_all(chunk)?;
            }
        }
        self.stream.write_all(b"0\r\n\r\n")
    }
}

fn answer(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: \
             {length}\r\n\
         Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n{body}"
    )
}

fn chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

/// Returns a megabyte of log-like lines of 120 to 260 bytes, the last one complete.
pub fn lines() -> Vec<u8> {
    let words = [
        "Instance",
        "connected",
        "stream",
        "to",
        "sequence",
        "runner",
        "with",
        "topic",
        "received",
        "message",
        "closed",
        "data",
    ];
    let mut lines = String::new();
    let mut number = 0_usize;
    while lines.len() < 1 << 20 {
        number += 1;
        let message: Vec<_> = (0..5 + number * 7 % 18)
            .map(|word| words[(number + word * word) % words.len()])
            .collect();
        let message = message.join(" ");
        lines += &format!(
            "{{\"level\":\"INFO\",\"ts\":{},\"from\":\"CSIController\",\"id\":\"{:08x}-6c42-4c0f\",\"msg\":\"{message}\"}}\n",
            1_760_000_000_000 + number * 37,
            number * 2_654_435_761 % 0xffff_ffff,
        );
    }
    lines.into_bytes()
}
