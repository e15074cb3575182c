//! A lock between tests, and the resources of this process.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::helpers::HANG_TIMEOUT;

static LOCK: RwLock<()> = RwLock::new(());

/// Locks out tests that keep the machine busy.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    LOCK.write().unwrap_or_else(PoisonError::into_inner)
}

/// Locks out tests that must run alone, for a test that keeps the machine busy.
pub(crate) fn busy() -> RwLockReadGuard<'static, ()> {
    LOCK.read().unwrap_or_else(PoisonError::into_inner)
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

/// Waits until the condition holds. Returns `false` after [`HANG_TIMEOUT`].
pub(crate) fn becomes_true(what: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !what() {
        if begin.elapsed() > HANG_TIMEOUT {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}
