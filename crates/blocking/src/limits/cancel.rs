use std::collections::BTreeMap;
use std::fmt;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::support::panics::in_drop;

/// Ends calls and streams from another thread.
///
/// Clones are the same token. Give it to a handle with `with_cancel`, for example
/// [`InstanceClient::with_cancel`](crate::InstanceClient::with_cancel): every call and every stream of that handle, and of the
/// handles made from it, ends within moments of [`cancel`](Self::cancel), wherever it is blocked, with an error of which
/// [`Error::is_cancelled`](crate::Error::is_cancelled) is true. Calls of other handles go on. What is cancelled stays cancelled:
/// a call with a token that was cancelled before does not connect at all.
///
/// ```no_run
/// use std::thread;
/// use scramjet_client_blocking::{CancelToken, HostClient};
///
/// let token = CancelToken::new();
/// let instance = HostClient::new("http://localhost:8000/api/v1")?.with_cancel(&token).instance("an-id")?;
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
    hooks: Mutex<Hooks>,
    /// A hook has run.
    ran: Condvar,
    /// What cancels it together with the token that it is a child of.
    parent: OnceLock<OnCancel>,
}

#[derive(Default)]
struct Hooks {
    next: u64,
    waiting: BTreeMap<u64, Box<dyn FnOnce() + Send>>,
    /// Those that run now, and where.
    running: BTreeMap<u64, ThreadId>,
}

/// Notes that a hook has run, also where it panicked.
struct Running<'a>(&'a Shared, u64);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.hooks().running.remove(&self.1);
        self.0.ran.notify_all();
    }
}

impl Shared {
    /// A token is cancelled as soon as its parent is, also if that has not come to it yet.
    fn is_cancelled(&self) -> bool {
        let parent = || self.parent.get();
        self.cancelled.load(Ordering::SeqCst)
            || parent().is_some_and(|hook| hook.shared.is_cancelled())
    }

    fn hooks(&self) -> MutexGuard<'_, Hooks> {
        // A hook that panicked leaves the map whole.
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CancelToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled together with this one, and can be cancelled alone.
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
        // Nobody else has set it.
        let _ = child.shared.parent.set(hook);
        child
    }

    /// Ends everything that was given this token. Again makes no difference.
    ///
    /// A hook that panics does not keep the others from running. The first panic goes on when all
    /// have run.
    pub fn cancel(&self) {
        let mut first = None;
        let mut hooks = self.shared.hooks();
        self.shared.cancelled.store(true, Ordering::SeqCst);
        while let Some((id, hook)) = hooks.waiting.pop_first() {
            hooks.running.insert(id, thread::current().id());
            // Not under the lock: a hook may be the last to hold what has a hook of its own.
            drop(hooks);
            let running = Running(&self.shared, id);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(hook)) {
                match first {
                    None => first = Some(panic),
                    // Dropping it may panic.
                    Some(_) => forget(panic),
                }
            }
            drop(running);
            hooks = self.shared.hooks();
        }
        drop(hooks);
        if let Some(panic) = first {
            resume_unwind(panic);
        }
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.shared.is_cancelled()
    }

    /// Waits until the token is cancelled, for at most this long. `true` if it is cancelled: a loop
    /// sleeps by this, and can be woken.
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
        let (tell, told) = channel();
        let _hook = self.on_cancel(move || tell.send(()).unwrap_or_default());
        let _ = told.recv_timeout(time);
        self.is_cancelled()
    }

    /// Runs the hook when the token is cancelled, on the thread that cancels; at once where it was already. For transports, which wake
    /// by it what is blocked. Dropping what is returned removes the hook: afterwards it does not run, and is not running.
    ///
    /// A hook must be quick.
    pub fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) -> OnCancel {
        let mut hooks = self.shared.hooks();
        let id = hooks.next;
        hooks.next += 1;
        if self.is_cancelled() {
            drop(hooks);
            hook();
        } else {
            hooks.waiting.insert(id, Box::new(hook));
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

/// A hook of a [`CancelToken`], which is removed when this is dropped.
#[must_use = "the hook is removed when this is dropped"]
pub struct OnCancel {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for OnCancel {
    fn drop(&mut self) {
        let mut hooks = self.shared.hooks();
        let hook = hooks.waiting.remove(&self.id);
        // What a hook drops when it has done its work may be this.
        while hooks
            .running
            .get(&self.id)
            .is_some_and(|thread| *thread != thread::current().id())
        {
            hooks = self
                .shared
                .ran
                .wait(hooks)
                .unwrap_or_else(PoisonError::into_inner);
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
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn counting(count: &Arc<AtomicUsize>) -> impl FnOnce() + Send + 'static {
        let count = Arc::clone(count);
        move || {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn hooks_run_once_unless_they_are_removed() {
        let (token, count) = (CancelToken::new(), Arc::default());
        let kept = token.clone().on_cancel(counting(&count));
        drop(token.on_cancel(counting(&count)));
        assert!(!token.is_cancelled());
        token.cancel();
        token.cancel();
        assert!(token.is_cancelled());
        assert_eq!(count.load(Ordering::SeqCst), 1);
        drop(kept);
        let _at_once = token.on_cancel(counting(&count));
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_hook_may_be_the_last_to_hold_what_holds_it() {
        let (token, kept) = (CancelToken::new(), Arc::new(OnceLock::new()));
        let held = Arc::downgrade(&kept);
        // The thread that was woken lets go of it while the hook still has it.
        let others = Mutex::new(Some(Arc::clone(&kept)));
        let hook = token.on_cancel(move || {
            let last = held.upgrade();
            drop(others.lock().map(|mut others| others.take()));
            drop(last);
        });
        assert!(kept.set(hook).is_ok());
        drop(kept);
        token.cancel();
        assert!(token.is_cancelled());
    }

    #[test]
    fn a_hook_that_was_removed_is_not_running() {
        let (token, running) = (CancelToken::new(), Arc::new(AtomicBool::new(false)));
        let (started, starts) = std::sync::mpsc::channel();
        let hook = token.on_cancel({
            let running = Arc::clone(&running);
            move || {
                running.store(true, Ordering::SeqCst);
                let _ = started.send(());
                for _ in 0..1000 {
                    thread::yield_now();
                }
                running.store(false, Ordering::SeqCst);
            }
        });
        let cancelling = thread::spawn(move || token.cancel());
        let _ = starts.recv();
        drop(hook);
        assert!(!running.load(Ordering::SeqCst));
        assert!(cancelling.join().is_ok());
    }

    #[test]
    fn wait_ends_with_its_time_or_when_the_token_is_cancelled() {
        let token = CancelToken::new();
        assert!(!token.wait(Duration::from_millis(1)));
        let waiting = thread::spawn({
            let token = token.clone();
            move || token.wait(Duration::from_secs(3600))
        });
        token.cancel();
        assert_eq!(waiting.join().ok(), Some(true));
        assert!(token.wait(Duration::from_secs(3600)));
        assert!(token.wait(Duration::MAX));
    }

    #[test]
    fn children_are_cancelled_with_their_parent_and_not_the_other_way_round() {
        let parent = CancelToken::new();
        let [first, second] = [parent.child(), parent.child()];
        first.cancel();
        assert!(first.is_cancelled() && !parent.is_cancelled() && !second.is_cancelled());
        let grandchild = second.child();
        parent.cancel();
        assert!(
            second.is_cancelled() && grandchild.is_cancelled() && parent.child().is_cancelled()
        );
    }
}
