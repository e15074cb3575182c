//! The process of a hub, before and after it has said where it can be reached.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, Read},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{hub_dir, say};

/// Takes about a second; this is for a machine that is busy with something else.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Takes some milliseconds. After this the hub is killed from here.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// As many of the last lines on stderr as an error shows: a stack trace and the end of the hub's log.
const TAIL_LINES: usize = 40;

/// The process, before and after it has said where it can be reached.
#[derive(Debug)]
pub(super) struct HubProcess {
    pub(super) child: Child,
    /// Closing it is what ends the hub.
    stdin: Option<ChildStdin>,
    /// The lines of stdout; disconnected when the hub is gone, since nothing else has its stdout.
    stdout: Receiver<String>,
    pub(super) stderr: Stderr,
}

impl HubProcess {
    pub(super) fn spawn(overloaded: bool) -> io::Result<Self> {
        let mut command = Command::new("node");
        command
            .arg(hub_dir().join("hub.js"))
            // Signals for this process are not for the hub, and the hub can kill all its own as a group.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env("NODE_NO_WARNINGS", "1")
            .env("SCRAMJET_TEST_HUB_OVERLOADED", if overloaded { "1" } else { "0" });
        // These make another hub of it, with other routes.
        for name in ["DEVELOPMENT", "SCRAMJET_DEVELOPMENT", "PRODUCTION"] {
            command.env_remove(name);
        }

        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (line, lines) = mpsc::channel();
        thread::spawn(move || each_line(stdout, |text| drop(line.send(text))));
        Ok(Self { child, stdin, stdout: lines, stderr: Stderr::read(stderr) })
    }

    /// Waits for the hub to be up: its address and its folder.
    pub(super) fn announcement(&mut self) -> Result<(String, PathBuf), String> {
        let line = self.stdout.recv_timeout(START_TIMEOUT).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("it did not answer within {} s", START_TIMEOUT.as_secs()),
            RecvTimeoutError::Disconnected => "it ended before it was up".to_owned(),
        })?;
        let told = || {
            let json: serde_json::Value = serde_json::from_str(&line).ok()?;
            Some((json.get("url")?.as_str()?.to_owned(), json.get("dir")?.as_str()?.into()))
        };
        let announcement = told().ok_or_else(|| format!("not what it should print: {line:?}"))?;
        self.stderr.show();
        Ok(announcement)
    }

    /// Ends it, if it has not been ended already. On return it is gone in any case.
    pub(super) fn end(&mut self) -> Result<(), String> {
        if self.stdin.take().is_none() {
            return Ok(());
        }
        // Nothing is printed any more: this is the end of the stream, and so of the process.
        let ended = match self.stdout.recv_timeout(STOP_TIMEOUT) {
            Err(RecvTimeoutError::Disconnected) => Ok(()),
            _ => {
                self.kill();
                Err(format!("it did not end within {} s and was killed", STOP_TIMEOUT.as_secs()))
            }
        };
        let waited = self.child.wait().map_err(|error| format!("cannot wait for it: {error}"));
        self.stderr.finish();
        ended.and(waited.map(drop))
    }

    /// Kills it and all it started. Its group is still its own: it has not been waited for.
    fn kill(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        // For a machine without that program.
        let _ = self.child.kill();
    }
}

/// What the hub says on stderr: kept for an error while it starts, shown from then on.
#[derive(Debug)]
pub(super) struct Stderr {
    tail: Arc<Mutex<VecDeque<String>>>,
    shown: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Stderr {
    fn read(stderr: Option<impl Read + Send + 'static>) -> Self {
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let shown = Arc::new(AtomicBool::new(false));
        let reader = {
            let (tail, shown) = (Arc::clone(&tail), Arc::clone(&shown));
            thread::spawn(move || {
                each_line(stderr, |line| {
                    if shown.load(Ordering::Relaxed) {
                        say(&line);
                    }
                    let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
                    if tail.len() == TAIL_LINES {
                        tail.pop_front();
                    }
                    tail.push_back(line);
                });
            })
        };
        Self { tail, shown, reader: Some(reader) }
    }

    fn show(&self) {
        self.shown.store(true, Ordering::Relaxed);
    }

    /// Waits for the last line of a hub that is gone.
    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }

    pub(super) fn tail(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

fn each_line(stream: Option<impl Read>, mut line: impl FnMut(String)) {
    if let Some(stream) = stream {
        BufReader::new(stream).split(b'\n').map_while(Result::ok).for_each(|bytes| {
            line(String::from_utf8_lossy(&bytes).into_owned());
        });
    }
}
