//! Processes: this program once more for a part of a benchmark, and what a process needs.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::{env, fs, process, thread};

use super::server::{self, Server};

/// Something that a benchmark lets a process of its own do. What it prints is the result.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub name: &'static str,
    pub run: fn(&[String]),
}

const PART: &str = "--part";

/// Runs the part that this process is for, and ends it.
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

/// A process that is a part of this one. Ends with its input, which is closed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// This program once more, for one of its parts.
    pub fn part(name: &str, args: &[&str]) -> Self {
        Self::program(
            Command::new(env::current_exe().expect("the path of this program"))
                .arg(PART)
                .arg(name)
                .args(args),
        )
    }

    /// Another program.
    pub fn program(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (stdin, stdout) = (
            child.stdin.take(),
            BufReader::new(child.stdout.take().expect("its output")),
        );
        Self {
            child,
            stdin,
            stdout,
        }
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line of text");
        assert!(line.ends_with('\n'), "the other process ended: {line:?}");
        line.trim_end().to_owned()
    }

    /// Its input.
    pub fn stdin(&mut self) -> &mut ChildStdin {
        self.stdin.as_mut().expect("its input")
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        drop(self.stdin.take());
        self.child.wait().expect("its end")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.wait();
    }
}

/// Keeps this process, and those that it starts from now on, to one processor (with `taskset`, where that is there).
///
/// Two that take turns are otherwise on one processor at times and on two at others. To wake the other one takes longer than all that is
/// measured, and the caches are the one's or the other's.
pub fn stay_on_one_processor() {
    if !keep(process::id(), 0) {
        eprintln!("taskset cannot be used: the figures will vary more");
    }
}

/// Keeps this process to one processor, and the server to another: what it does then takes none of the time that is measured.
pub fn stay_beside(server: &Server) {
    stay_on_one_processor();
    if !keep(server.id(), 1) {
        eprintln!("there is no second processor for the server: its work counts as well");
    }
}

/// Whether all threads of a process could be kept to a processor.
fn keep(process: u32, processor: usize) -> bool {
    let mut taskset = Command::new("taskset");
    let kept = taskset
        .args(["-acp", &processor.to_string(), &process.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    kept.is_ok_and(|status| status.success())
}

/// Ends this process when its input does: what started it is gone.
pub(super) fn end_with_input() {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
}

/// Bytes of memory of a process (`self`, or its number): `VmHWM`, the most that it had at a time, or `VmRSS`, what it has now.
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
