//! Servers over http and https, their clients, signals, and checks of errors.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use scramjet_client_blocking::core::{Event, EventName, NextEvent};
use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::{Error, ErrorKind, HostClient, HostClientBuilder, InstanceClient};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};

/// Waits for the next event in one request. `InstanceClient::next_event` makes several.
pub(crate) fn next_event(instance: &InstanceClient, name: &str) -> Result<Event, Error> {
    instance.host().call(&NextEvent {
        id: instance.id(),
        name: &EventName::try_from(name)?,
    })
}

/// Deadline and idle timeout of most tests.
pub(crate) const LIMIT: Duration = Duration::from_millis(600);

/// Upper bound for one step, longer than any step takes on a busy machine.
pub(crate) const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// The head of a response without end.
pub(crate) const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

pub(crate) fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) const BOTH: [Self; 2] = [Self::Http, Self::Https];

    pub(crate) fn serve(
        self,
        handler: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> ScriptedServer {
        match self {
            Self::Http => ScriptedServer::start(handler),
            Self::Https => ScriptedServer::start_tls(handler),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Returns a client that makes no version request.
pub(crate) fn host(server: &ScriptedServer) -> HostClient {
    builder(server).hub_version("1.0.1").build().unwrap()
}

pub(crate) fn builder(server: &ScriptedServer) -> HostClientBuilder {
    let builder = HostClient::builder(server.url());
    match server.certificate() {
        Some(pem) => builder.ca_certificate_pem(pem),
        None => builder,
    }
}

/// A flag that threads can wait for.
#[derive(Default)]
pub(crate) struct Signal {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn set(&self) {
        *self.is_set.lock().unwrap() = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_set(&self) -> bool {
        *self.is_set.lock().unwrap()
    }

    /// Waits at most this long. Returns `true` if it is set.
    pub(crate) fn wait_timeout(&self, time: Duration) -> bool {
        let is_set = self.is_set.lock().unwrap();
        *self
            .changed
            .wait_timeout_while(is_set, time, |is_set| !*is_set)
            .unwrap()
            .0
    }

    pub(crate) fn wait(&self) {
        assert!(self.wait_timeout(STEP_TIMEOUT), "no signal");
    }
}

/// Responds to a request that is not the one under test. Returns `true` if it was such a request.
///
/// Tests ask for the version to check that a client works. The client asks for the state of an
/// instance if a call takes longer than a second, which may happen on a busy machine.
pub(crate) fn serve_side_request(connection: &mut Connection, request: &ReceivedRequest) -> bool {
    let body: &[u8] = if request.target.ends_with("/version") {
        br#"{"version":"1.0.1"}"#
    } else if request.method == "GET" && request.target.ends_with("/instance/i") {
        br#"{"id":"i","status":"running"}"#
    } else {
        return false;
    };
    let _ = connection.send(response("200 OK", &[], body));
    true
}

/// Reads until the client is gone. Returns the number of bytes.
pub(crate) fn drain(connection: &mut Connection) -> usize {
    let (mut buffer, mut count) = (vec![0; 64 << 10], 0);
    loop {
        match connection.read(&mut buffer).unwrap_or(0) {
            0 => return count,
            read => count += read,
        }
    }
}

/// Endless data that reports each read.
pub(crate) struct EndlessData {
    reads: Sender<()>,
    last: Arc<Mutex<Option<Instant>>>,
}

/// The reads of an [`EndlessData`].
pub(crate) struct Reads(Receiver<()>);

impl EndlessData {
    pub(crate) fn new() -> (Self, Reads) {
        let (reads, receiver) = channel();
        (
            Self {
                reads,
                last: Arc::default(),
            },
            Reads(receiver),
        )
    }

    /// Returns the time of the last read.
    pub(crate) fn last(&self) -> Arc<Mutex<Option<Instant>>> {
        Arc::clone(&self.last)
    }
}

impl Read for EndlessData {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let _ = self.reads.send(());
        *self.last.lock().unwrap() = Some(Instant::now());
        // Small pieces. With large ones, a read would not show that the upload progresses.
        let length = buf.len().min(4 << 10);
        buf[..length].fill(b'.');
        Ok(length)
    }
}

impl Reads {
    /// Waits until there are no more reads, which means that the upload is blocked.
    pub(crate) fn wait_until_stopped(&self) {
        // No read for this long.
        while self.0.recv_timeout(Duration::from_millis(100)).is_ok() {}
    }

    /// Returns `true` if there is a read within this time.
    pub(crate) fn continue_within(&self, time: Duration) -> bool {
        self.0.recv_timeout(time).is_ok()
    }
}

/// Writes data in pieces, and flushes each, until that fails.
pub(crate) fn flush_pieces(data: &mut impl Read, writer: &mut impl Write) -> io::Result<()> {
    let mut piece = vec![0; 8 << 10];
    loop {
        let read = data.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        writer.write_all(&piece[..read])?;
        writer.flush()?;
    }
}

/// Returns the library's error inside a stream's error.
pub(crate) fn inner(error: io::Error) -> Error {
    *error
        .into_inner()
        .expect("an inner error")
        .downcast()
        .expect("the library's own")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Deadline,
    Idle,
    Cancel,
}

impl Limit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Idle => "idle",
            Self::Cancel => "cancel",
        }
    }

    /// Checks that the error names the limit, its duration, and the phase.
    pub(crate) fn check(self, error: &Error, phase: Phase, limit: Duration) {
        let is = match *error.kind() {
            ErrorKind::Deadline {
                phase: at,
                limit: reported,
                ..
            } => self == Self::Deadline && at == phase && reported == limit,
            ErrorKind::Idle {
                phase: at,
                limit: reported,
                ..
            } => self == Self::Idle && at == phase && reported == limit,
            ErrorKind::Cancelled { phase: at, .. } => self == Self::Cancel && at == phase,
            _ => false,
        };
        assert!(is, "{error:?}: not {self:?} in {phase:?}");
        assert_eq!(
            (error.is_cancelled(), error.is_timeout()),
            (self == Self::Cancel, self != Self::Cancel),
            "{error:?}"
        );
        let waiting = match phase {
            Phase::Resolve => "while resolving the host name; nothing was sent",
            Phase::Connect => "before a connection was established; nothing was sent",
            Phase::Tls => "during the TLS handshake; nothing was sent",
            Phase::Send => "while sending the request",
            Phase::Wait => "while waiting for the response",
            Phase::Read => "while reading the response",
            _ => unreachable!(),
        };
        let long = match self {
            Self::Deadline => format!("timed out after {limit:?} {waiting}"),
            Self::Idle => format!("timed out after {limit:?} of inactivity {waiting}"),
            Self::Cancel => format!("cancelled {waiting}"),
        };
        assert!(
            error.to_string().contains(&long),
            "{error}: it does not say: {long}"
        );
    }
}

/// Formats a line of the printed table: fault, limit, error, and elapsed time.
pub(crate) fn line(
    fault: &str,
    scheme: Scheme,
    limit: &str,
    error: &Error,
    took: Duration,
) -> String {
    let text = error.to_string();
    let message = text
        .split_once("): ")
        .map_or(text.as_str(), |(_, message)| message);
    format!(
        "{fault:<72} {:<5} {limit:<15} {:>6.1} ms  {message}",
        scheme.name(),
        took.as_secs_f64() * 1e3
    )
}
