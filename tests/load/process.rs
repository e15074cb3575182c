//! A lock for tests that must run alone, and the resources of this process.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Locks out other tests that must run alone.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the targets of all open files.
pub(crate) fn files() -> Vec<PathBuf> {
    let files = fs::read_dir("/proc/self/fd").unwrap();
    // Skips the listed folder itself, and files that were closed meanwhile.
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .collect()
}

/// Returns the number of open sockets.
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

/// Returns the number of threads.
pub(crate) fn threads() -> usize {
    status("Threads:")
}

/// Returns the memory in use, in KiB.
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

/// Waits until the condition holds. Returns `false` after a timeout, which is longer than
/// background work takes on a busy machine.
pub(crate) fn becomes_true(what: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !what() {
        if begin.elapsed() > Duration::from_secs(20) {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}
