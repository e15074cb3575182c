//! A server with a fault, until it is told to behave.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};

/// A part of what a server does.
#[derive(Clone)]
pub(crate) enum Act {
    /// Sends this, in one piece.
    Send(Vec<u8>),
    /// Sends this over and over, until the client is gone.
    Endless(Vec<u8>),
    /// Sends this so many times.
    Times(usize, Vec<u8>),
    /// Sends this byte by byte, with a pause after each.
    Slowly(Vec<u8>),
    /// Says and does nothing until the client is gone.
    Wait,
    /// Closes in an orderly way.
    Close,
    /// Closes without a word.
    Cut,
    /// Resets a connection from which not everything was read.
    Reset,
}

/// What a server does instead of answering: before it has read a request, and then.
#[derive(Clone, Default)]
pub(crate) struct Fault {
    before: Vec<Act>,
    then: Vec<Act>,
}

/// As short as that of the slowest one can be: what matters is that there is one.
const PAUSE: Duration = Duration::from_millis(2);

impl Fault {
    /// Answers with this, and goes on as if nothing was wrong.
    pub(crate) fn reply(reply: impl AsRef<[u8]>) -> Self {
        Self {
            before: Vec::new(),
            then: vec![Act::Send(reply.as_ref().to_vec())],
        }
    }

    /// Answers with this, and closes without a word.
    pub(crate) fn cut(reply: impl AsRef<[u8]>) -> Self {
        Self::reply(reply).and(Act::Cut)
    }

    /// Answers with this, and closes in an orderly way.
    pub(crate) fn close(reply: impl AsRef<[u8]>) -> Self {
        Self::reply(reply).and(Act::Close)
    }

    /// Answers with the first, and then with the second without end.
    pub(crate) fn endless(begin: impl AsRef<[u8]>, then: impl AsRef<[u8]>) -> Self {
        Self::reply(begin).and(Act::Endless(then.as_ref().to_vec()))
    }

    /// Does this before it reads a request.
    pub(crate) fn at_once(act: Act) -> Self {
        Self {
            before: vec![act],
            then: Vec::new(),
        }
    }

    pub(crate) fn and(mut self, act: Act) -> Self {
        self.then.push(act);
        self
    }

    /// Starts the server. It has the fault on every connection, until `calm`: then it answers everything as a hub of 1.0.1 does. `done` is told
    /// when all was done that follows a request.
    pub(crate) fn serve(
        self,
        encrypted: bool,
        calm: &Arc<AtomicBool>,
        done: Sender<()>,
    ) -> ScriptedServer {
        let (calm, done) = (Arc::clone(calm), Mutex::new(done));
        let handler = move |connection: &mut Connection| {
            if !calm.load(Ordering::SeqCst) && !self.before.iter().all(|act| act.play(connection)) {
                return;
            }
            while connection.read_request().is_ok() {
                let go_on = if calm.load(Ordering::SeqCst) {
                    connection
                        .send(response("200 OK", &[], br#"{"version":"1.0.1"}"#))
                        .is_ok()
                } else {
                    let go_on = self.then.iter().all(|act| act.play(connection));
                    // Not every row waits for it.
                    let _ = done.lock().expect("nobody panics with it").send(());
                    go_on
                };
                if !go_on {
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

impl Act {
    /// False where the connection is over.
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

/// `HTTP/1.1 200 OK`, and these lines.
pub(crate) fn ok(headers: &[&str], body: &str) -> Vec<u8> {
    status("200 OK", headers, body.as_bytes())
}

/// A reply with just these lines in its head: its length is said only where one of them says it.
pub(crate) fn status(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let head: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    [format!("HTTP/1.1 {status}\r\n{head}\r\n").as_bytes(), body].concat()
}

/// A reply in chunks, with just these bytes for them.
pub(crate) fn chunked(chunks: &str) -> Vec<u8> {
    ok(&["Transfer-Encoding: chunked"], chunks)
}
