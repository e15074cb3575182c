use std::collections::VecDeque;
use std::fmt;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::support::channel::channel;
use crate::support::monitor::Monitor;
use crate::support::panics::in_drop;

/// Cancels calls and streams from another thread.
///
/// Pass a token to a handle, for example with
/// [`InstanceClient::with_cancel`](crate::InstanceClient::with_cancel). After
/// [`cancel`](Self::cancel), all calls and streams of this handle, and of the handles made from it,
/// fail within milliseconds with an error that [`is_cancelled`](crate::Error::is_cancelled). A
/// cancelled token stays cancelled: later calls fail before they connect. Other handles are not
/// affected. Clones share the same state.
///
/// ```no_run
/// use std::thread;
/// use scramjet_client_blocking::{CancelToken, HostClient};
///
/// let token = CancelToken::new();
/// let host = HostClient::new("http://localhost:8000/api/v1")?.with_cancel(&token);
/// let instance = host.instance("an-id")?;
/// let waiter = thread::spawn(move || instance.next_event("done"));
/// token.cancel();
/// # let _ = waiter.join();
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct CancelToken {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    cancelled: AtomicBool,
    /// Notifies waiting threads when a hook has finished. Hooks run without the lock, so a panic
    /// cannot leave the maps inconsistent.
    hooks: Monitor<Hooks>,
    /// The hook in the parent token that cancels this one.
    parent: OnceLock<OnCancel>,
}

#[derive(Default)]
struct Hooks {
    next: u64,
    /// Sorted by the ids, which are increasing.
    waiting: VecDeque<(u64, Box<dyn FnOnce() + Send>)>,
    /// Hooks that are running, and the threads that run them.
    running: Vec<(u64, ThreadId)>,
}

/// Marks a hook as finished when dropped, also after a panic.
struct Running<'a>(&'a Shared, u64);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0
            .hooks
            .change(|hooks| hooks.running.retain(|(id, _)| *id != self.1));
    }
}

impl Shared {
    /// Checks the parent as well, because the parent's hook that cancels this token may not have
    /// run yet.
    fn is_cancelled(&self) -> bool {
        let by_parent = |hook: &OnCancel| hook.shared.is_cancelled();
        self.cancelled.load(Ordering::SeqCst) || self.parent.get().is_some_and(by_parent)
    }
}

impl CancelToken {
    /// Creates a token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a token that is cancelled together with this one, and can also be cancelled alone.
    #[must_use]
    pub fn child(&self) -> Self {
        let child = Self::new();
        let shared = Arc::downgrade(&child.shared);
        let hook = self.on_cancel(move || {
            shared
                .upgrade()
                .into_iter()
                .for_each(|shared| Self { shared }.cancel())
        });
        // Cannot fail: the child is new.
        let _ = child.shared.parent.set(hook);
        child
    }

    /// Cancels all calls and streams with this token. Calling it again has no effect.
    ///
    /// If a hook panics, the other hooks still run. Then the first panic continues.
    pub fn cancel(&self) {
        let mut first = None;
        let mut hooks = self.shared.hooks.lock();
        self.shared.cancelled.store(true, Ordering::SeqCst);
        while let Some((id, hook)) = hooks.waiting.pop_front() {
            hooks.running.push((id, thread::current().id()));
            // A hook may drop an `OnCancel`, which takes the lock.
            drop(hooks);
            let running = Running(&self.shared, id);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(hook)) {
                match first {
                    None => first = Some(panic),
                    // Dropping the payload may panic.
                    Some(_) => forget(panic),
                }
            }
            drop(running);
            hooks = self.shared.hooks.lock();
        }
        drop(hooks);
        if let Some(panic) = first {
            resume_unwind(panic);
        }
    }

    /// Returns `true` if the token was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.shared.is_cancelled()
    }

    /// Blocks until the token is cancelled, but not longer than `time`. Returns `true` if the token
    /// is cancelled. A loop can use it instead of [`thread::sleep`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use scramjet_client_blocking::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// std::thread::spawn({
    ///     let token = token.clone();
    ///     move || token.cancel()
    /// });
    /// while !token.wait(Duration::from_secs(60)) {
    ///     println!("another minute has passed");
    /// }
    /// ```
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let (sender, receiver) = channel();
        let _hook = self.on_cancel(move || sender.send(()));
        let _ = receiver.recv_timeout(time);
        self.is_cancelled()
    }

    /// Registers a hook that runs when the token is cancelled, on the thread that cancels it. If
    /// the token is already cancelled, the hook runs before this method returns. Transports use
    /// hooks to wake blocked threads. A hook must be quick.
    ///
    /// Dropping the returned guard removes the hook, and waits for it if it is running on another
    /// thread.
    pub fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) -> OnCancel {
        self.add_hook(Box::new(hook))
    }

    fn add_hook(&self, hook: Box<dyn FnOnce() + Send>) -> OnCancel {
        let mut hooks = self.shared.hooks.lock();
        let id = hooks.next;
        hooks.next += 1;
        if self.is_cancelled() {
            drop(hooks);
            hook();
        } else {
            hooks.waiting.push_back((id, hook));
            drop(hooks);
        }
        OnCancel {
            shared: Arc::clone(&self.shared),
            id,
        }
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("cancelled", &self.is_cancelled())
            .finish()
    }
}

/// A hook of a [`CancelToken`]. Dropping this removes the hook.
#[must_use = "the hook is removed when this is dropped"]
pub struct OnCancel {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for OnCancel {
    fn drop(&mut self) {
        let mut hooks = self.shared.hooks.lock();
        let position = hooks.waiting.binary_search_by_key(&self.id, |(id, _)| *id);
        let hook = position.ok().and_then(|at| hooks.waiting.remove(at));
        // A hook that drops its own guard must not wait for itself.
        let current = thread::current().id();
        while hooks
            .running
            .iter()
            .any(|(id, thread)| *id == self.id && *thread != current)
        {
            hooks = self.shared.hooks.wait(hooks, None);
        }
        drop(hooks);
        in_drop(|| drop(hook));
    }
}

impl fmt::Debug for OnCancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnCancel")
    }
}

#[cfg(test)]
mod tests;
