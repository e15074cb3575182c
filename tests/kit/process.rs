//! Resources of this process. Only Linux reports them, in `/proc`, so tests that count them are
//! compiled for Linux only.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::bench::process::memory;

/// Returns the names of all threads.
#[must_use]
pub fn thread_names() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("the threads of this process");
    // Skips threads that ended meanwhile.
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .collect()
}

/// Returns the number of threads.
#[must_use]
pub fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task");
    tasks.expect("the threads of this process").count()
}

/// Returns the number of threads that the client has started.
#[must_use]
pub fn client_threads() -> usize {
    let is_client = |name: &&String| name.starts_with("scramjet-");
    thread_names().iter().filter(is_client).count()
}

/// Returns the targets of all open files.
#[must_use]
pub fn open_files() -> Vec<PathBuf> {
    let files = fs::read_dir("/proc/self/fd").expect("the open files of this process");
    // Skips the listed folder itself, and files that were closed meanwhile.
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .collect()
}

/// Returns the number of open sockets.
#[must_use]
pub fn sockets() -> usize {
    let is_socket = |file: &&PathBuf| file.to_string_lossy().starts_with("socket:");
    open_files().iter().filter(is_socket).count()
}

/// Returns the memory in use, in bytes.
#[must_use]
pub fn resident() -> u64 {
    memory("self", "VmRSS")
}

/// Returns the peak of the memory in use, in bytes.
#[must_use]
pub fn peak() -> u64 {
    memory("self", "VmHWM")
}

/// Sets the peak to the memory in use, if the kernel supports it.
pub fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// An established connection to a server on 127.0.0.1.
#[derive(Debug)]
pub struct Established {
    /// The time until the next keep-alive packet, if keep-alive is on.
    pub keep_alive: Option<Duration>,
}

/// Returns the connections of all processes to a server on 127.0.0.1.
#[must_use]
pub fn connections_to(url: &str) -> Vec<Established> {
    let port = url
        .split(':')
        .nth(2)
        .and_then(|rest| rest.split('/').next()?.parse::<u16>().ok())
        .expect("a URL with a port");
    // Columns: number, local address, remote address, state, queues, timer and its ticks.
    let remote = format!("0100007F:{port:04X}");
    let table = fs::read_to_string("/proc/self/net/tcp").expect("the connections");
    let established = table.lines().filter_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [_, _, to, "01", _, timer, ..] = columns.as_slice() else {
            return None;
        };
        let (kind, ticks) = timer.split_once(':')?;
        let ticks = u64::from_str_radix(ticks, 16).ok()?;
        (*to == remote).then(|| Established {
            keep_alive: (kind == "02").then(|| Duration::from_millis(ticks * 10)),
        })
    });
    established.collect()
}
