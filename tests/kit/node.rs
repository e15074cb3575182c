//! A script that Node.js runs for the tests: it says on stdout where it can be reached, and ends when its stdin is closed.

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

use crate::hub::say;

/// Takes about a second; this is for a machine that is busy with something else.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Takes some milliseconds. After this it is killed from here.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// As many of the last lines on stderr as an error shows: a stack trace and the end of the hub's log.
const TAIL_LINES: usize = 40;

/// The process, before and after it has said where it can be reached.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    pub(crate) child: Child,
    /// Closing it is what ends the script.
    stdin: Option<ChildStdin>,
    /// The lines of stdout; disconnected when the process is gone, since nothing else has its stdout.
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
        // Signals for this process are not for the script, and a hub can kill all its own as a group.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        // These make another hub of one, with other routes.
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

    /// Waits for it to be up, and gives what it says then.
    pub(crate) fn announcement(&mut self) -> Result<serde_json::Value, String> {
        let line = self
            .stdout
            .recv_timeout(START_TIMEOUT)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => {
                    format!("it did not answer within {} s", START_TIMEOUT.as_secs())
                }
                RecvTimeoutError::Disconnected => "it ended before it was up".to_owned(),
            })?;
        let announcement = serde_json::from_str(&line)
            .map_err(|_| format!("not what it should print: {line:?}"))?;
        self.stderr.show();
        Ok(announcement)
    }

    /// Ends it, if it has not been ended already. On return it is gone in any case.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        if self.stdin.take().is_none() {
            return Ok(());
        }
        // Nothing is printed any more: this is the end of the stream, and so of the process.
        let ended = match self.stdout.recv_timeout(STOP_TIMEOUT) {
            Err(RecvTimeoutError::Disconnected) => Ok(()),
            _ => {
                self.kill();
                Err(format!(
                    "it did not end within {} s and was killed",
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

    /// Kills it and all it started. Its group is still its own: it has not been waited for.
    fn kill(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
        // For a machine without that program.
        let _ = self.child.kill();
    }
}

/// What the hub says on stderr: kept for an error while it starts, shown from then on.
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
        Self {
            tail,
            shown,
            reader: Some(reader),
        }
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
