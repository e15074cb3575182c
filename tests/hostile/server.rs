//! A server with a fault, which can be repaired later.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};

/// A step of a faulty server.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends these bytes at once.
    Send(Vec<u8>),
    /// Sends these bytes repeatedly until the client is gone.
    Endless(Vec<u8>),
    /// Sends these bytes this many times.
    Times(usize, Vec<u8>),
    /// Sends these bytes one by one, with a pause before each.
    Slowly(Vec<u8>),
    /// Sends nothing until the client is gone.
    Wait,
    /// Closes the connection properly.
    Close,
    /// Drops the connection, without TLS close_notify.
    Cut,
    /// Resets the connection, with unread bytes of the client.
    Reset,
}

/// The steps of a server before it reads a request, and after it.
#[derive(Clone, Default)]
pub(crate) struct Fault {
    before: Vec<Step>,
    then: Vec<Step>,
}

/// Short, because the number of bytes is large.
const PAUSE: Duration = Duration::from_millis(2);

impl Fault {
    /// Sends a response and keeps the connection open.
    pub(crate) fn reply(reply: impl AsRef<[u8]>) -> Self {
        Self {
            before: Vec::new(),
            then: vec![Step::Send(reply.as_ref().to_vec())],
        }
    }

    /// Sends a response and drops the connection.
    pub(crate) fn cut(reply: impl AsRef<[u8]>) -> Self {
        Self::reply(reply).and(Step::Cut)
    }

    /// Sends a response and closes the connection properly.
    pub(crate) fn close(reply: impl AsRef<[u8]>) -> Self {
        Self::reply(reply).and(Step::Close)
    }

    /// Sends the first bytes, then repeats the second ones.
    pub(crate) fn endless(begin: impl AsRef<[u8]>, then: impl AsRef<[u8]>) -> Self {
        Self::reply(begin).and(Step::Endless(then.as_ref().to_vec()))
    }

    /// Performs the step before it reads a request.
    pub(crate) fn at_once(act: Step) -> Self {
        Self {
            before: vec![act],
            then: Vec::new(),
        }
    }

    pub(crate) fn and(mut self, act: Step) -> Self {
        self.then.push(act);
        self
    }

    /// Starts the server. Every connection has the fault until `repaired` is set; then the server
    /// responds like a hub of 1.0.1. `done` receives a message after the steps that follow a
    /// request.
    pub(crate) fn serve(
        self,
        encrypted: bool,
        repaired: &Arc<AtomicBool>,
        done: Sender<()>,
    ) -> ScriptedServer {
        let (repaired, done) = (Arc::clone(repaired), Mutex::new(done));
        let handler = move |connection: &mut Connection| {
            if !repaired.load(Ordering::SeqCst)
                && !self.before.iter().all(|act| act.play(connection))
            {
                return;
            }
            while connection.read_request().is_ok() {
                let is_open = if repaired.load(Ordering::SeqCst) {
                    connection
                        .send(response("200 OK", &[], br#"{"version":"1.0.1"}"#))
                        .is_ok()
                } else {
                    let is_open = self.then.iter().all(|act| act.play(connection));
                    // Only some rows receive it.
                    let _ = done.lock().expect("a lock without panics").send(());
                    is_open
                };
                if !is_open {
                    return;
                }
            }
        };
        if encrypted {
            ScriptedServer::start_tls(handler)
        } else {
            ScriptedServer::start(handler)
        }
    }
}

impl Step {
    /// Performs the step. Returns `false` if the connection has ended.
    fn play(&self, connection: &mut Connection) -> bool {
        match self {
            Self::Send(bytes) => connection.send(bytes).is_ok(),
            Self::Endless(bytes) => {
                while connection.send(bytes).is_ok() {}
                false
            }
            Self::Times(times, bytes) => (0..*times).all(|_| connection.send(bytes).is_ok()),
            Self::Slowly(bytes) => bytes.iter().all(|byte| {
                thread::sleep(PAUSE);
                connection.send([*byte]).is_ok()
            }),
            Self::Wait => {
                while connection.read(&mut [0; 1024]).unwrap_or(0) > 0 {}
                false
            }
            Self::Close => {
                let _ = connection.close_after_client();
                false
            }
            Self::Cut => false,
            Self::Reset => {
                let _ = connection.wait_unread();
                false
            }
        }
    }
}

/// Returns a response with status 200 and these header lines.
pub(crate) fn ok(headers: &[&str], body: &str) -> Vec<u8> {
    status("200 OK", headers, body.as_bytes())
}

/// Returns a response with exactly these header lines, so without a length unless one of them is
/// one.
pub(crate) fn status(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let head: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    [format!("HTTP/1.1 {status}\r\n{head}\r\n").as_bytes(), body].concat()
}

/// Returns a chunked response with these bytes as its body.
pub(crate) fn chunked(chunks: &str) -> Vec<u8> {
    ok(&["Transfer-Encoding: chunked"], chunks)
}
