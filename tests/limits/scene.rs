//! What the tests here share: servers of both schemes, clients that trust them, signals, and what errors say of limits.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use scramjet_client_blocking::core::{Event, EventName, NextEvent};
use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::{Error, ErrorKind, HostClient, HostClientBuilder, InstanceClient};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};

/// Asks for the next event in one request, where `InstanceClient::next_event` makes several.
pub(crate) fn next_event(instance: &InstanceClient, name: &str) -> Result<Event, Error> {
    instance.host().call(&NextEvent {
        id: instance.id(),
        name: &EventName::try_from(name)?,
    })
}

/// The deadline and the idle timeout of most tests.
pub(crate) const LIMIT: Duration = Duration::from_millis(600);

/// Longer than any step takes, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The head of an answer without end.
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

/// A client that need not ask for the version.
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

/// Something that happened, for any number of threads to wait for.
#[derive(Default)]
pub(crate) struct Signal {
    given: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn give(&self) {
        *self.given.lock().unwrap() = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_given(&self) -> bool {
        *self.given.lock().unwrap()
    }

    /// Whether it was given within this time.
    pub(crate) fn within(&self, time: Duration) -> bool {
        let given = self.given.lock().unwrap();
        *self
            .changed
            .wait_timeout_while(given, time, |given| !*given)
            .unwrap()
            .0
    }

    pub(crate) fn wait(&self) {
        assert!(self.within(PATIENCE), "no signal");
    }
}

/// Answers a request that is not the one under test, and returns if it was one.
///
/// Tests ask for the version to see that a client works. The client itself asks for the state of an
/// instance when a call with it takes longer than a second, as each may on a busy machine.
pub(crate) fn is_aside(connection: &mut Connection, request: &ReceivedRequest) -> bool {
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

/// Reads until the client is gone; how many bytes came.
pub(crate) fn drain(connection: &mut Connection) -> usize {
    let (mut buffer, mut count) = (vec![0; 64 << 10], 0);
    loop {
        match connection.read(&mut buffer).unwrap_or(0) {
            0 => return count,
            read => count += read,
        }
    }
}

/// Data without end, which tells how often it was read.
pub(crate) struct Fed {
    tell: Sender<()>,
    last: Arc<Mutex<Option<Instant>>>,
}

/// The reads of a [`Fed`].
pub(crate) struct Reads(Receiver<()>);

impl Fed {
    pub(crate) fn new() -> (Self, Reads) {
        let (tell, told) = channel();
        (
            Self {
                tell,
                last: Arc::default(),
            },
            Reads(told),
        )
    }

    /// When it was last read.
    pub(crate) fn last(&self) -> Arc<Mutex<Option<Instant>>> {
        Arc::clone(&self.last)
    }
}

impl Read for Fed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let _ = self.tell.send(());
        *self.last.lock().unwrap() = Some(Instant::now());
        // In small pieces: of one that is taken in part and then, after a while, some more, nothing is seen here.
        let length = buf.len().min(4 << 10);
        buf[..length].fill(b'.');
        Ok(length)
    }
}

impl Reads {
    /// Waits until it is not read any more: who uploads it is blocked.
    pub(crate) fn stop(&self) {
        // Silence is what is waited for, so it has a length.
        while self.0.recv_timeout(Duration::from_millis(100)).is_ok() {}
    }

    /// Whether it is read again within this time.
    pub(crate) fn go_on(&self, time: Duration) -> bool {
        self.0.recv_timeout(time).is_ok()
    }
}

/// The library's own error in that of a stream.
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

    /// The error says what ended the call, how long it had, and what was being waited for.
    pub(crate) fn check(self, error: &Error, phase: Phase, limit: Duration) {
        let is = match *error.kind() {
            ErrorKind::Deadline {
                phase: at,
                limit: said,
                ..
            } => self == Self::Deadline && at == phase && said == limit,
            ErrorKind::Idle {
                phase: at,
                limit: said,
                ..
            } => self == Self::Idle && at == phase && said == limit,
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

/// A line of the table that the tests print: a fault, what ended the call, what the error says, and when it came.
pub(crate) fn line(
    fault: &str,
    scheme: Scheme,
    limit: &str,
    error: &Error,
    took: Duration,
) -> String {
    let text = error.to_string();
    let said = text
        .split_once(") ")
        .map_or(text.as_str(), |(_, said)| said);
    format!(
        "{fault:<72} {:<5} {limit:<15} {:>6.1} ms  {said}",
        scheme.name(),
        took.as_secs_f64() * 1e3
    )
}
