//! What several suites need: servers that answer everything, words between threads, a bound for what may hang, a process of one's own.

use std::panic::resume_unwind;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, thread};

use scramjet_client_tests::fixture;
use scramjet_client_tests::scripted::{ScriptedServer, response};

/// Longer than any step takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does the work, which may fail but must not hang.
pub(crate) fn within<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    let worker = thread::spawn(move || drop(done.send(work())));
    match result.recv_timeout(PATIENCE * 3) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("{name}: it hangs"),
        Err(RecvTimeoutError::Disconnected) => resume_unwind(worker.join().unwrap_err()),
    }
}

/// Word from one side of an exchange to the other.
pub(crate) struct Mailbox<T> {
    sender: Sender<T>,
    receiver: Mutex<Receiver<T>>,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Arc<Self> {
        let (sender, receiver) = channel();
        Arc::new(Self { sender, receiver: Mutex::new(receiver) })
    }

    pub(crate) fn put(&self, word: T) {
        self.sender.send(word).unwrap();
    }

    pub(crate) fn take(&self) -> T {
        self.receiver.lock().unwrap().recv_timeout(PATIENCE).expect("word from the other side")
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.lock().unwrap().try_recv().is_err()
    }
}

/// A server that answers every request, on connections that stay open.
pub(crate) fn serving(answer: impl Fn(&fixture::Request) -> Vec<u8> + Send + Sync + 'static) -> ScriptedServer {
    ScriptedServer::start(move |connection| {
        while let Some(request) = connection.read_request() {
            if !connection.send(&answer(&request)) {
                break;
            }
        }
    })
}

/// A server that answers every request with success, and passes the requests on.
pub(crate) fn recording(body: &'static [u8]) -> (ScriptedServer, Arc<Mailbox<fixture::Request>>) {
    let requests = Mailbox::new();
    let server = serving({
        let requests = Arc::clone(&requests);
        move |request| {
            requests.put(request.clone());
            response("200 OK", &[], body)
        }
    });
    (server, requests)
}

/// Runs the test of this name alone in a process of its own, with these variables, in which it finds out by them what to do.
pub(crate) fn in_child(test: &str, variables: &[(&str, &str)]) {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture"]).envs(variables.iter().copied());
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
