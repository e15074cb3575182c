//! A Node.js script that prints its address on stdout and exits when its stdin is closed.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::hub::print_uncaptured;

/// Starting takes about a second; the rest is for busy machines.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Stopping takes some milliseconds. After this timeout the process is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Number of stderr lines in an error: enough for a stack trace and the end of the hub's log.
const TAIL_LINES: usize = 40;

/// A running script.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    pub(crate) child: Child,
    /// Closing it makes the script exit.
    stdin: Option<ChildStdin>,
    /// The lines of stdout. Disconnects when the process exits, because no other process has its
    /// stdout.
    stdout: Receiver<String>,
    pub(crate) stderr: Stderr,
}

impl NodeProcess {
    pub(crate) fn spawn<'a>(
        script: &Path,
        arguments: impl IntoIterator<Item = &'a str>,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> io::Result<Self> {
        let mut command = Command::new("node");
        command
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env("NODE_NO_WARNINGS", "1")
            .envs(variables);
        // Keeps signals away from the script, and lets a hub kill everything it started as one
        // group.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        // Hubs change their routes if one of these is set.
        for name in ["DEVELOPMENT", "SCRAMJET_DEVELOPMENT", "PRODUCTION"] {
            command.env_remove(name);
        }

        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (line, lines) = mpsc::channel();
        thread::spawn(move || each_line(stdout, |text| drop(line.send(text))));
        Ok(Self {
            child,
            stdin,
            stdout: lines,
            stderr: Stderr::read(stderr),
        })
    }

    /// Waits until the script is ready, and returns the JSON that it prints then.
    pub(crate) fn announcement(&mut self) -> Result<serde_json::Value, String> {
        let line = self
            .stdout
            .recv_timeout(START_TIMEOUT)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => {
                    format!("it printed nothing within {} s", START_TIMEOUT.as_secs())
                }
                RecvTimeoutError::Disconnected => "it exited before it was ready".to_owned(),
            })?;
        let announcement =
            serde_json::from_str(&line).map_err(|_| format!("unexpected output: {line:?}"))?;
        self.stderr.show();
        Ok(announcement)
    }

    /// Stops the process and waits until it is gone. Later calls do nothing.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        if self.stdin.take().is_none() {
            return Ok(());
        }
        // The script prints nothing more, so an ended stdout means that the process has exited.
        let ended = match self.stdout.recv_timeout(STOP_TIMEOUT) {
            Err(RecvTimeoutError::Disconnected) => Ok(()),
            _ => {
                self.kill();
                Err(format!(
                    "it did not exit within {} s and was killed",
                    STOP_TIMEOUT.as_secs()
                ))
            }
        };
        let waited = self
            .child
            .wait()
            .map_err(|error| format!("cannot wait for it: {error}"));
        self.stderr.finish();
        ended.and(waited.map(drop))
    }

    /// Kills the process and everything it started. The group ID is still valid, because the
    /// process has not been waited for.
    fn kill(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
        // For machines without a `kill` program.
        let _ = self.child.kill();
    }
}

/// The stderr of a script: buffered for errors during startup, printed from then on.
#[derive(Debug)]
pub(crate) struct Stderr {
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
                        print_uncaptured(&line);
                    }
                    let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
                    if tail.len() == TAIL_LINES {
                        tail.pop_front();
                    }
                    tail.push_back(line);
                });
            })
        };
        Self {
            tail,
            shown,
            reader: Some(reader),
        }
    }

    fn show(&self) {
        self.shown.store(true, Ordering::Relaxed);
    }

    /// Waits until stderr ends.
    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }

    pub(crate) fn tail(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn each_line(stream: Option<impl Read>, mut line: impl FnMut(String)) {
    if let Some(stream) = stream {
        BufReader::new(stream)
            .split(b'\n')
            .map_while(Result::ok)
            .for_each(|bytes| {
                line(String::from_utf8_lossy(&bytes).into_owned());
            });
    }
}
