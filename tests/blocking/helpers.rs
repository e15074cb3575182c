//! Helpers for several test suites: servers, a mailbox between threads, a time limit for a test,
//! child processes, and numbered data.

use std::io::{self, Read, Write};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::{self, Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use scramjet_client_blocking::HostClient;
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_testing::fake_hub::Generation;
use scramjet_client_tests::scripted::{ScriptedServer, response};

/// Ends a test that hangs. A busy machine may need many times the usual time.
pub(crate) const HANG_TIMEOUT: Duration = Duration::from_secs(120);

/// Runs the closure on a thread, and panics if it does not return.
pub(crate) fn within<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, result) = channel();
    let worker = thread::spawn(move || drop(done.send(work())));
    match result.recv_timeout(HANG_TIMEOUT) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("{name}: timed out"),
        Err(RecvTimeoutError::Disconnected) => resume_unwind(worker.join().unwrap_err()),
    }
}

/// Both generations of hubs.
pub(crate) const GENERATIONS: [Generation; 2] = [Generation::V0_18, Generation::V1];

/// Runs the function for each item in parallel.
pub(crate) fn in_parallel<T: Send>(items: impl IntoIterator<Item = T>, act: impl Fn(T) + Sync) {
    let current = thread::current();
    let name = current.name().unwrap_or_default();
    thread::scope(|scope| {
        for item in items {
            let (act, thread) = (&act, thread::Builder::new().name(name.to_owned()));
            thread.spawn_scoped(scope, move || act(item)).unwrap();
        }
    });
}

/// Polls until the condition holds, for changes on a hub or on another thread.
///
/// # Panics
/// The condition does not hold within [`HANG_TIMEOUT`].
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    const POLL_INTERVAL: Duration = Duration::from_millis(20);
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < HANG_TIMEOUT, "{what}: timed out");
        thread::sleep(POLL_INTERVAL);
    }
}

/// A channel that server and test threads can share.
pub(crate) struct Mailbox<T> {
    sender: Sender<T>,
    receiver: Mutex<Receiver<T>>,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Arc<Self> {
        let (sender, receiver) = channel();
        Arc::new(Self {
            sender,
            receiver: Mutex::new(receiver),
        })
    }

    pub(crate) fn put(&self, item: T) {
        self.sender.send(item).unwrap();
    }

    pub(crate) fn take(&self) -> T {
        self.receiver
            .lock()
            .unwrap()
            .recv_timeout(HANG_TIMEOUT)
            .expect("an item within the time limit")
    }

    /// Returns the next item without waiting.
    pub(crate) fn try_take(&self) -> Option<T> {
        self.receiver.lock().unwrap().try_recv().ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.try_take().is_none()
    }
}

/// Starts a server that answers every request, on keep-alive connections.
pub(crate) fn serving(
    answer: impl Fn(&ReceivedRequest) -> Vec<u8> + Send + Sync + 'static,
) -> ScriptedServer {
    ScriptedServer::start(move |connection| {
        while let Ok(request) = connection.read_request() {
            if connection.send(answer(&request)).is_err() {
                break;
            }
        }
    })
}

/// Returns a client for a hub of 1.0.1. It does not request the version.
pub(crate) fn client_1x(server: &ScriptedServer) -> HostClient {
    let builder = HostClient::builder(server.url()).hub_version("1.0.1");
    builder.build().unwrap()
}

/// Starts a server that answers every request with `200 OK`, and records the requests.
pub(crate) fn recording(body: &'static [u8]) -> (ScriptedServer, Arc<Mailbox<ReceivedRequest>>) {
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

/// Runs the calling test alone in a child process. These environment variables tell the test that
/// it is the child.
pub(crate) fn in_child(variables: &[(&str, &str)]) {
    in_child_of(Command::new(env::current_exe().unwrap()), variables);
}

/// Like [`in_child`], with a command that runs this executable.
pub(crate) fn in_child_of(command: Command, variables: &[(&str, &str)]) {
    let (output, text) = child(command, variables);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    print!("{text}");
}

/// Like [`in_child`], for a test that ends its process with this exit code.
pub(crate) fn in_child_that_exits(variables: &[(&str, &str)], code: i32) {
    let (output, text) = child(Command::new(env::current_exe().unwrap()), variables);
    assert_eq!(output.status.code(), Some(code), "{text}");
}

fn child(mut child: Command, variables: &[(&str, &str)]) -> (Output, String) {
    let thread = thread::current();
    let test = thread
        .name()
        .expect("the thread of a test has the name of the test");
    child
        .args([test, "--exact", "--nocapture"])
        .envs(variables.iter().copied());
    let output = child.output().unwrap();
    let text = [&output.stdout, &output.stderr]
        .map(|text| String::from_utf8_lossy(text))
        .concat();
    (output, text)
}

/// A temporary folder, deleted on drop.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        // A test runs on several hubs at the same time.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let (id, count) = (process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(format!("scramjet-client-{test}-{id}-{count}"));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A reader that calls the function for each read.
pub(crate) struct FnReader<F>(pub(crate) F);

impl<F: FnMut(&mut [u8]) -> io::Result<usize>> Read for FnReader<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (self.0)(buffer)
    }
}

/// A writer that calls the function for each write.
pub(crate) struct FnWriter<F>(pub(crate) F);

impl<F: FnMut(&[u8]) -> io::Result<usize>> Write for FnWriter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader of endless ASCII lines of 4 KiB. Each line has a number, so all lines differ.
pub(crate) struct Numbered {
    line: Vec<u8>,
    at: usize,
    number: u64,
}

impl Numbered {
    pub(crate) fn new() -> Self {
        let mut line = vec![b'.'; 4 << 10];
        line[4095] = b'\n';
        Self {
            at: line.len(),
            line,
            number: 0,
        }
    }
}

impl Read for Numbered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = &mut *buffer;
        while !rest.is_empty() {
            if self.at == self.line.len() {
                self.line[..16].copy_from_slice(format!("{:016}", self.number).as_bytes());
                self.number += 1;
                self.at = 0;
            }
            let copied = (&self.line[self.at..]).read(rest)?;
            self.at += copied;
            rest = &mut rest[copied..];
        }
        Ok(buffer.len())
    }
}

/// A writer that accepts only the first bytes of [`Numbered`].
pub(crate) struct SameNumbered {
    expected: io::Take<Numbered>,
    buffer: Vec<u8>,
}

impl SameNumbered {
    pub(crate) fn new(length: u64) -> Self {
        Self {
            expected: Numbered::new().take(length),
            buffer: Vec::new(),
        }
    }

    pub(crate) fn left(&self) -> u64 {
        self.expected.limit()
    }
}

impl Write for SameNumbered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.resize(bytes.len(), 0);
        self.expected.read_exact(&mut self.buffer)?;
        if self.buffer != bytes {
            return Err(io::Error::other(format!(
                "wrong bytes, {} before the end",
                self.left()
            )));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
