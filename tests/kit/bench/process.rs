//! Child processes of benchmarks, CPU affinity, and memory figures.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::{env, fs, process, thread};

use super::server::{self, Server};

/// Work that a benchmark runs in a process of its own. Its output is the result.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub name: &'static str,
    pub run: fn(&[String]),
}

const PART: &str = "--part";

/// Runs a part and exits, if the arguments name one.
pub(super) fn run_part(parts: &[Part]) {
    let args: Vec<_> = env::args().skip_while(|arg| arg != PART).skip(1).collect();
    let Some((name, args)) = args.split_first() else {
        return;
    };
    if name == server::PART {
        server::serve();
    } else {
        let part = parts
            .iter()
            .find(|part| part.name == name)
            .expect("a part of this benchmark");
        (part.run)(args);
    }
    process::exit(0);
}

/// A child process that exits when its stdin is closed, which happens on drop.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Runs this program again, for one of its parts.
    pub fn part(name: &str, args: &[&str]) -> Self {
        Self::program(
            Command::new(env::current_exe().expect("the path of this program"))
                .arg(PART)
                .arg(name)
                .args(args),
        )
    }

    /// Runs another program.
    pub fn program(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (stdin, stdout) = (
            child.stdin.take(),
            BufReader::new(child.stdout.take().expect("a stdout pipe")),
        );
        Self {
            child,
            stdin,
            stdout,
        }
    }

    /// Reads the next line of stdout.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line of text");
        assert!(line.ends_with('\n'), "the other process ended: {line:?}");
        line.trim_end().to_owned()
    }

    /// Returns its stdin.
    pub fn stdin(&mut self) -> &mut ChildStdin {
        self.stdin.as_mut().expect("a stdin pipe")
    }

    /// Returns its process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes stdin and waits for the exit.
    pub fn wait(&mut self) -> ExitStatus {
        drop(self.stdin.take());
        self.child.wait().expect("an exit status")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.wait();
    }
}

/// Pins this process, and the processes that it starts later, to one processor with `taskset`, if
/// available.
///
/// Otherwise the scheduler places two processes that take turns on one processor at some times and
/// on two at others. Waking the other processor takes longer than the work itself, and the two do
/// not share all caches.
pub fn pin_to_one_processor() {
    if !pin(process::id(), 0) {
        eprintln!("taskset cannot be used: the figures will vary more");
    }
}

/// Pins this process to one processor and the server to another, so that the measured time does not
/// include the server's work.
pub fn pin_with_server(server: &Server) {
    pin_to_one_processor();
    if !pin(server.id(), 1) {
        eprintln!("there is no second processor for the server: its work counts as well");
    }
}

/// Pins all threads of a process to a processor. Returns `true` on success.
fn pin(process: u32, processor: usize) -> bool {
    let mut taskset = Command::new("taskset");
    let status = taskset
        .args(["-acp", &processor.to_string(), &process.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Exits when stdin ends, because the parent process is then gone.
pub(super) fn end_with_input() {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
}

/// Returns a memory figure of a process (`self` or its ID) in bytes: `VmHWM`, the peak, or `VmRSS`,
/// the current value.
pub fn memory(process: &str, which: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("/proc of Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
    let kib: u64 = line
        .and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
        .expect("kB of memory");
    kib << 10
}
