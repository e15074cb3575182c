//! Starts threads.

use std::fmt;
use std::io;
#[cfg(feature = "ureq")]
use std::panic::resume_unwind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::channel::{Receiver, channel};
use crate::support::panics::ignore_panic;

fn builder(name: &str) -> io::Result<thread::Builder> {
    #[cfg(test)]
    if REFUSED.get() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(thread::Builder::new().name(name.into()))
}

#[cfg(test)]
thread_local! {
    /// Makes creating threads fail on this thread.
    pub(crate) static REFUSED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Starts a detached thread.
pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), NoThread> {
    spawn(name, work).map(drop)
}

/// Runs something on a detached thread. The receiver gets its result or its panic.
pub(crate) fn start_with_result<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Receiver<thread::Result<T>>, NoThread> {
    let (sender, receiver) = channel();
    start(name, move || {
        let result = catch_unwind(AssertUnwindSafe(work));
        sender.send(result);
    })?;
    Ok(receiver)
}

/// Runs something on a detached thread, and waits for its result, but not longer than `wait`.
/// Returns `None` if the thread takes longer or panics.
pub(crate) fn start_and_wait<T: Send + 'static>(
    name: &str,
    wait: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, NoThread> {
    let result = start_with_result(name, work)?.recv_timeout(wait);
    Ok(result.ok().and_then(ignore_panic))
}

/// Starts a thread that can be joined.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, NoThread> {
    spawn_boxed(name, Box::new(work))
}

/// Generic only over the result, so that it is compiled once for most threads.
fn spawn_boxed<T: Send + 'static>(
    name: &str,
    work: Box<dyn FnOnce() -> T + Send>,
) -> Result<JoinHandle<T>, NoThread> {
    builder(name)
        .and_then(|thread| thread.spawn(work))
        .map_err(NoThread)
}

/// Runs something on another thread, and waits for its result.
///
/// # Errors
/// The thread could not be created.
#[cfg(feature = "ureq")]
pub(crate) fn run_on_thread<T: Send>(
    name: &str,
    work: impl FnOnce() -> T + Send,
) -> Result<T, NoThread> {
    thread::scope(|scope| {
        let thread = builder(name).map_err(NoThread)?;
        let result = thread.spawn_scoped(scope, work).map_err(NoThread)?.join();
        Ok(result.unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// The error if a thread could not be created.
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

/// Runs the same work on `count` threads, including this one, and waits for all of them. Uses fewer
/// threads if they cannot be created.
///
/// # Errors
/// The first panic, after all threads have ended.
pub(crate) fn share(count: usize, work: &(dyn Fn() + Sync)) -> thread::Result<()> {
    thread::scope(|scope| {
        let start = || {
            let thread = builder("scramjet-worker").ok()?;
            thread.spawn_scoped(scope, work).ok()
        };
        let others: Vec<_> = (1..count).map_while(|_| start()).collect();
        let own = catch_unwind(AssertUnwindSafe(work));
        let joined = others.into_iter().map(|thread| thread.join());
        joined
            .collect::<Vec<_>>()
            .into_iter()
            .fold(own, Result::and)
    })
}
