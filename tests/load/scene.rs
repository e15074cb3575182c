//! What the tests share: one at a time, and what a process holds.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Held by a test as long as it must not be disturbed.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What this process has open.
pub(crate) fn files() -> Vec<PathBuf> {
    let files = fs::read_dir("/proc/self/fd").unwrap();
    // The folder itself is among them, and what others close meanwhile.
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .collect()
}

/// How many sockets this process has.
pub(crate) fn sockets() -> usize {
    files()
        .iter()
        .filter(|target| {
            target
                .to_str()
                .is_some_and(|target| target.starts_with("socket:"))
        })
        .count()
}

/// How many threads this process has.
pub(crate) fn threads() -> usize {
    status("Threads:")
}

/// The memory that this process has now, in KiB.
pub(crate) fn resident() -> usize {
    status("VmRSS:")
}

fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .expect("a figure");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Waits for what others still have to do: longer than they take, also on a busy machine.
pub(crate) fn settles(what: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !what() {
        if begin.elapsed() > Duration::from_secs(20) {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}
