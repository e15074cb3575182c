//! Starts threads.

use std::thread;

use crate::ErrorKind;

/// Starts a detached thread.
pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), ErrorKind> {
    let thread = thread::Builder::new().name(name.into()).spawn(work);
    thread.map(drop).map_err(ErrorKind::Thread)
}
