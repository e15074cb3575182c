//! A transport that runs the `curl` program for each request.
//!
//! `cargo run -p scramjet-client-blocking --example curl_transport`
//!
//! Prints the version of the hub, and the output of a sequence. Uses the hub of `SCRAMJET_HUB_URL`,
//! or a fake hub.
//!
//! Use it if only curl can reach the hub. Options for certificates, proxies and authentication go
//! into `Settings`; the user's curl settings and proxy environment variables are ignored. It keeps
//! the contract of `Transport` with deadlines, idle timeouts and cancellation (see
//! `tests/transports`). It does not reuse connections. If a server sent trailers, they would appear
//! after the body; hubs send none.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "this example prints to the terminal, and slices what it has read"
)]

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use scramjet_client_blocking::http::{Request, Response, request};
use scramjet_client_blocking::transport::{
    CallLimits, OnCancel, Phase, ReasonPhrase, RequestBody, TransportError,
};
use scramjet_client_blocking::{HostClient, StartOptions, Transport};
use scramjet_client_testing::demo;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = demo::hub();
    let host = HostClient::builder(hub.url())
        .transport(Arc::new(Curl))
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
pub struct Curl;

type Body = Box<dyn Read + Send>;

impl Transport for Curl {
    fn send(&self, request: Request<RequestBody<'_>>) -> Result<Response<Body>, TransportError> {
        let (head, body) = request.into_parts();
        let limits = head
            .extensions
            .get::<CallLimits>()
            .cloned()
            .unwrap_or_default();
        limits
            .check()
            .map_err(|stopped| TransportError::new(Phase::Connect, stopped))?;
        let settings = Settings::write(&head, &body)
            .map_err(|error| TransportError::new(Phase::Connect, error))?;
        let mut curl = Process::start(&settings, limits)
            .map_err(|error| TransportError::new(Phase::Connect, error))?;
        let response = match body {
            RequestBody::Empty => curl.response_head(Phase::Wait),
            RequestBody::Bytes(mut bytes) => curl.upload(&mut bytes),
            RequestBody::Reader { reader, length } => {
                curl.upload(&mut reader.take(length.unwrap_or(u64::MAX)))
            }
        };
        Ok(response?.map(|()| -> Body { Box::new(curl) }))
    }
}

/// A curl configuration file. Only this user can read it, while everyone can see command-line
/// arguments.
struct Settings(PathBuf);

impl Settings {
    fn write(head: &request::Parts, body: &RequestBody<'_>) -> io::Result<Self> {
        let (settings, mut file) = Self::create()?;
        let mut text = b"silent\nshow-error\ndump-header = -\nno-buffer\nhttp1.1\ngloboff\n\
            path-as-is\nnoproxy = *\n"
            .to_vec();
        // The default is five minutes. `CallLimits` limit the time instead.
        text.extend(b"connect-timeout = 604800\n");
        let mut set = |option: &str, value: &[u8]| {
            text.extend([option.as_bytes(), b" = \""].concat());
            text.extend(value.iter().flat_map(|byte| match byte {
                b'"' | b'\\' => vec![b'\\', *byte],
                _ => vec![*byte],
            }));
            text.extend(b"\"\n");
        };
        set("url", head.uri.to_string().as_bytes());
        set("request", head.method.as_str().as_bytes());
        // curl adds these headers by default.
        for name in ["accept", "expect"]
            .into_iter()
            .filter(|name| !head.headers.contains_key(*name))
        {
            set("header", format!("{name}:").as_bytes());
        }
        for (name, value) in &head.headers {
            // curl sends a header without a value only if it is written this way.
            let between: &[u8] = if value.is_empty() { b";" } else { b": " };
            set(
                "header",
                &[name.as_str().as_bytes(), between, value.as_bytes()].concat(),
            );
        }
        let length = match body {
            RequestBody::Empty => None,
            RequestBody::Bytes(bytes) => u64::try_from(bytes.len()).ok(),
            RequestBody::Reader { length, .. } => *length,
        };
        if let Some(length) = length {
            set("header", b"transfer-encoding:");
            set("header", format!("content-length: {length}").as_bytes());
        }
        if !matches!(body, RequestBody::Empty) {
            set("upload-file", b"-");
        }
        file.write_all(&text)?;
        Ok(settings)
    }

    fn create() -> io::Result<(Self, File)> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.write(true).create_new(true);
        loop {
            let name = format!(
                "scramjet-client-curl-{}-{}",
                std::process::id(),
                NEXT.fetch_add(1, Ordering::SeqCst)
            );
            let path = std::env::temp_dir().join(name);
            match options.open(&path) {
                Ok(file) => return Ok((Self(path), file)),
                // A killed process with the same process id has left this file.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A running curl. Its [`Read`] implementation reads the response body.
struct Process {
    child: Arc<Mutex<Child>>,
    limits: CallLimits,
    events: Receiver<Event>,
    events_sender: Sender<Event>,
    pieces: Receiver<Vec<u8>>,
    piece: io::Cursor<Vec<u8>>,
    _hook: Option<OnCancel>,
}

/// A message from the threads that use curl's pipes.
enum Event {
    Head(io::Result<Response<()>>),
    /// A chunk of the upload was written to the standard input of curl.
    Written,
    /// curl has closed its standard input.
    Closed,
}

impl Process {
    fn start(settings: &Settings, limits: CallLimits) -> io::Result<Self> {
        let mut curl = Command::new("curl");
        // `--disable` has to be the first option. It makes curl ignore the user's settings.
        curl.args(["--disable", "--config"])
            .arg(&settings.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = curl.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => io::Error::new(
                ErrorKind::NotFound,
                "there is no program `curl`; install it",
            ),
            _ => error,
        })?;
        let stdout = child.stdout.take().ok_or(ErrorKind::BrokenPipe)?;
        let child = Arc::new(Mutex::new(child));
        // Killing the process wakes all threads that wait for it.
        let hook = limits.cancel.as_ref().map(|token| {
            let child = Arc::clone(&child);
            token.on_cancel(move || kill(&child))
        });
        let (events_sender, events) = channel();
        // The capacity of zero applies back-pressure: unread data stays in curl, and so on the hub.
        let (pieces_sender, pieces) = sync_channel(0);
        let sender = events_sender.clone();
        thread::spawn(move || read_output(BufReader::new(stdout), &sender, &pieces_sender));
        Ok(Self {
            child,
            limits,
            events,
            events_sender,
            pieces,
            piece: io::Cursor::default(),
            _hook: hook,
        })
    }

    /// Sends the data of the reader chunk by chunk, until the hub refuses it.
    fn upload(&mut self, reader: &mut dyn Read) -> Result<Response<()>, TransportError> {
        let sending = |error| TransportError::new(Phase::Send, error);
        let mut stdin = self
            .child
            .lock()
            .ok()
            .and_then(|mut child| child.stdin.take())
            .ok_or_else(|| sending(ErrorKind::BrokenPipe.into()))?;
        let (chunk_sender, chunks) = sync_channel::<Vec<u8>>(0);
        let events_sender = self.events_sender.clone();
        thread::spawn(move || {
            while let Ok(piece) = chunks.recv() {
                let event = if stdin.write_all(&piece).is_ok() {
                    Event::Written
                } else {
                    Event::Closed
                };
                if events_sender.send(event).is_err() {
                    return;
                }
            }
        });
        let (mut piece, mut accepted) = ([0; 16 << 10], None);
        loop {
            let read = match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    // Kill curl before its standard input closes. Otherwise, curl would treat that
                    // as the end of the upload.
                    kill(&self.child);
                    return Err(sending(error));
                }
            };
            chunk_sender
                .send(piece[..read].to_vec())
                .map_err(|error| sending(io::Error::other(error)))?;
            loop {
                match recv(&self.limits, &self.events).map_err(sending)? {
                    Some(Event::Written) => break,
                    Some(Event::Head(Ok(head))) if head.status().is_success() => {
                        accepted = Some(head)
                    }
                    Some(Event::Head(Ok(head))) => return Ok(head),
                    Some(Event::Head(Err(error))) => {
                        return Err(self.response_error(Phase::Send, error));
                    }
                    Some(Event::Closed) | None => {
                        // Use the response head that has arrived, or wait for it.
                        let head = accepted.map_or_else(|| self.response_head(Phase::Send), Ok)?;
                        let too_early = || {
                            sending(io::Error::other(
                                "the hub sent a success response before the upload was complete",
                            ))
                        };
                        return if head.status().is_success() {
                            Err(too_early())
                        } else {
                            Ok(head)
                        };
                    }
                }
            }
        }
        drop(chunk_sender);
        accepted.map_or_else(|| self.response_head(Phase::Wait), Ok)
    }

    /// Waits for the response head.
    fn response_head(&self, phase: Phase) -> Result<Response<()>, TransportError> {
        loop {
            match recv(&self.limits, &self.events)
                .map_err(|error| TransportError::new(phase, error))?
            {
                Some(Event::Head(Ok(head))) => return Ok(head),
                Some(Event::Head(Err(error))) => return Err(self.response_error(phase, error)),
                Some(Event::Written | Event::Closed) => {}
                None => {
                    return Err(TransportError::new(
                        phase,
                        io::Error::from(ErrorKind::BrokenPipe),
                    ));
                }
            }
        }
    }

    /// Returns the error for a missing response, with curl's message if there is one.
    fn response_error(&self, phase: Phase, error: io::Error) -> TransportError {
        match self.exit() {
            // Exit codes for name resolution, connecting and TLS.
            Err((
                Some(5 | 6 | 7 | 35 | 51 | 53 | 54 | 58 | 59 | 60 | 77 | 83 | 90 | 91),
                message,
            )) => TransportError::new(Phase::Connect, io::Error::other(message)),
            Err((_, message)) if !message.is_empty() => {
                TransportError::new(phase, io::Error::other(message))
            }
            _ => TransportError::new(phase, error),
        }
    }

    /// Waits for the end of curl. If it failed, returns its exit code and error output.
    fn exit(&self) -> Result<(), (Option<i32>, String)> {
        let Ok(mut child) = self.child.lock() else {
            return Err((None, String::new()));
        };
        let mut message = String::new();
        child
            .stderr
            .take()
            .into_iter()
            .for_each(|mut stderr| drop(stderr.read_to_string(&mut message)));
        match child.wait() {
            Ok(status) if status.success() => Ok(()),
            status => Err((
                status.ok().and_then(|status| status.code()),
                message.trim().to_owned(),
            )),
        }
    }
}

/// Waits for the next item within the limits. Returns `None` if there are no more items.
fn recv<T>(limits: &CallLimits, from: &Receiver<T>) -> io::Result<Option<T>> {
    limits.check()?;
    let next = match limits.end_of_wait(Instant::now()) {
        None => from.recv().ok(),
        Some((end, stopped)) => {
            match from.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(next) => Some(next),
                Err(RecvTimeoutError::Disconnected) => None,
                Err(RecvTimeoutError::Timeout) => return Err(stopped.into()),
            }
        }
    };
    limits.check()?;
    Ok(next)
}

fn kill(child: &Mutex<Child>) {
    // Killing fails if the process has already ended.
    let _ = child.lock().map(|mut child| child.kill());
}

impl Drop for Process {
    fn drop(&mut self) {
        kill(&self.child);
        let _ = self.child.lock().map(|mut child| child.wait());
    }
}

impl Read for Process {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.limits.check()?;
        loop {
            let read = self.piece.read(buf)?;
            if read > 0 || buf.is_empty() {
                return Ok(read);
            }
            match recv(&self.limits, &self.pieces)? {
                Some(piece) => self.piece = io::Cursor::new(piece),
                // curl's exit code says whether the body was complete.
                None => {
                    return self
                        .exit()
                        .map(|()| 0)
                        .map_err(|(_, message)| io::Error::new(ErrorKind::UnexpectedEof, message));
                }
            }
        }
    }
}

/// Reads curl's output: the response heads, and then the body without its framing.
fn read_output(
    mut stdout: impl BufRead,
    events_sender: &Sender<Event>,
    pieces_sender: &SyncSender<Vec<u8>>,
) {
    let head = read_head(&mut stdout);
    if events_sender.send(Event::Head(head)).is_err() {
        return;
    }
    loop {
        let piece = stdout.fill_buf().unwrap_or_default().to_vec();
        stdout.consume(piece.len());
        if piece.is_empty() || pieces_sender.send(piece).is_err() {
            return;
        }
    }
}

fn read_head(stdout: &mut impl BufRead) -> io::Result<Response<()>> {
    let mut line = || -> io::Result<String> {
        let mut line = Vec::new();
        stdout.read_until(b'\n', &mut line)?;
        let line = line.strip_suffix(b"\n").ok_or(ErrorKind::UnexpectedEof)?;
        Ok(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
    };
    loop {
        let first = line()?;
        let mut parts = first.splitn(3, ' ').skip(1);
        let status: u16 = parts
            .next()
            .and_then(|status| status.parse().ok())
            .ok_or(ErrorKind::InvalidData)?;
        let mut response = Response::builder()
            .status(status)
            .extension(ReasonPhrase(parts.next().unwrap_or_default().to_owned()));
        loop {
            let line = line()?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            response = response.header(name, value.trim());
        }
        if status >= 200 {
            return response.body(()).map_err(io::Error::other);
        }
    }
}
