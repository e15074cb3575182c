//! Starts threads.

use std::fmt;
use std::io;
#[cfg(feature = "ureq")]
use std::panic::resume_unwind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

fn builder(name: &str) -> io::Result<thread::Builder> {
    #[cfg(test)]
    if REFUSED.get() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(thread::Builder::new().name(name.into()))
}

#[cfg(test)]
thread_local! {
    /// Makes attempts of this thread to create others fail.
    pub(crate) static REFUSED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Starts a detached thread.
pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), NoThread> {
    spawn(name, work).map(drop)
}

/// Starts a thread that can be joined.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, NoThread> {
    let thread = builder(name).map_err(NoThread)?;
    thread.spawn(work).map_err(NoThread)
}

/// Runs a function on another thread, and waits for it.
///
/// # Errors
/// The thread could not be created.
#[cfg(feature = "ureq")]
pub(crate) fn elsewhere<T: Send>(
    name: &str,
    work: impl FnOnce() -> T + Send,
) -> Result<T, NoThread> {
    thread::scope(|scope| {
        let thread = builder(name).map_err(NoThread)?;
        let result = thread.spawn_scoped(scope, work).map_err(NoThread)?.join();
        Ok(result.unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// The error of a thread that could not be created.
#[derive(Debug)]
pub(crate) struct NoThread(pub(crate) io::Error);

impl fmt::Display for NoThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("thread could not be created")
    }
}

impl std::error::Error for NoThread {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Runs the same function on `count` threads, including the current one, and waits for all of them.
/// If threads cannot be created, uses fewer, but always the current one.
///
/// # Errors
/// The first panic, after all threads have ended.
pub(crate) fn share(count: usize, work: impl Fn() + Sync) -> thread::Result<()> {
    thread::scope(|scope| {
        let start = || {
            let thread = builder("scramjet-worker").ok()?;
            thread.spawn_scoped(scope, &work).ok()
        };
        let others: Vec<_> = (1..count).map_while(|_| start()).collect();
        let own = catch_unwind(AssertUnwindSafe(&work));
        let joined = others.into_iter().map(|thread| thread.join());
        joined
            .collect::<Vec<_>>()
            .into_iter()
            .fold(own, Result::and)
    })
}
