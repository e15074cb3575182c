//! Several instances that share the work.

mod start;
mod watch;

use std::fmt;
use std::iter::successors;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use scramjet_client_core::{InstanceId, StartOptions};

pub use self::start::{Placement, PoolOptions};

use crate::{CancelToken, Child, Ended, Error, InstanceClient, SequenceClient};

/// Instances that are handed out in turn, on one hub or on several. Made by [`PoolOptions::start`].
///
/// It may be used from any number of threads. A thread of its own for each hub looks once a second which instances still live: those that
/// have ended are passed over, and replaced, by another thread, where [`PoolOptions::replace`] was asked for. A hub that does not answer
/// says nothing of its instances, and they stay: [`pass_over`](Self::pass_over) is for who knows more.
///
/// Dropping it kills all instances, and waits for the hubs to accept that; [`shutdown`](Self::shutdown) gives them time, and reports.
///
/// ```no_run
/// use std::time::Duration;
/// use scramjet_client_blocking::{HostClient, Input, PoolOptions, Readiness, StartOptions};
///
/// let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("an-id")?;
/// let pool = PoolOptions::new(4)
///     .readiness(Readiness::event("ready"))
///     .start([sequence], |index| StartOptions::new().arg(index))?;
/// for line in ["one\n", "two\n", "three\n"] {
///     if let Some(instance) = pool.next() {
///         instance.send_input(Input::text(line).end(false))?;
///     }
/// }
/// for (id, stopped) in pool.shutdown(Duration::from_secs(1)) {
///     println!("{id}: {stopped:?}");
/// }
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
pub struct InstancePool {
    shared: Arc<Shared>,
    watching: Vec<JoinHandle<()>>,
}

/// What the watching threads have to do with as well.
struct Shared {
    slots: Vec<Slot>,
    turn: AtomicUsize,
    sequences: Vec<SequenceClient>,
    options: PoolOptions,
    start: Box<dyn Fn(usize) -> StartOptions + Send + Sync>,
    /// Cancelled at the end.
    over: CancelToken,
}

/// A place in the pool: the instance that has it now is the last of a chain. Nothing is ever taken out, so that looking for it takes no
/// lock.
struct Slot(Member);

struct Member {
    instance: InstanceClient,
    /// Not handed out any more.
    out: AtomicBool,
    /// There is nothing to kill any more. One that was passed over may still live.
    gone: AtomicBool,
    successor: OnceLock<Box<Member>>,
}

impl Member {
    fn new(instance: InstanceClient) -> Self {
        Self {
            instance,
            out: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            successor: OnceLock::new(),
        }
    }

    fn is_out(&self) -> bool {
        self.out.load(Ordering::Relaxed)
    }

    /// For who sees to its end; `false` where that was done before.
    fn take(&self) -> bool {
        self.out.store(true, Ordering::Relaxed);
        !self.gone.swap(true, Ordering::Relaxed)
    }
}

impl Slot {
    fn new(instance: InstanceClient) -> Self {
        Self(Member::new(instance))
    }

    fn member(&self) -> &Member {
        let mut member = &self.0;
        while let Some(successor) = member.successor.get() {
            member = successor;
        }
        member
    }

    fn members(&self) -> impl Iterator<Item = &Member> {
        successors(Some(&self.0), |member| {
            member.successor.get().map(|next| &**next)
        })
    }
}

impl Drop for Slot {
    /// One after another: left to themselves, the members of a long chain would be dropped each within the one before.
    fn drop(&mut self) {
        let mut next = self.0.successor.take();
        while let Some(mut member) = next {
            next = member.successor.take();
        }
    }
}

impl InstancePool {
    /// The next instance, in turn. `None` where none is left alive.
    #[must_use]
    pub fn next(&self) -> Option<&InstanceClient> {
        let turn = self.shared.turn.fetch_add(1, Ordering::Relaxed);
        let slots = self.shared.slots.len();
        (0..slots)
            .filter_map(|step| self.shared.slots.get(turn.wrapping_add(step) % slots))
            .map(Slot::member)
            .find_map(alive)
    }

    /// The instances that live, as far as is known.
    pub fn instances(&self) -> impl Iterator<Item = &InstanceClient> {
        self.shared.slots.iter().map(Slot::member).filter_map(alive)
    }

    /// Passes an instance over from now on, as one that has ended: for a caller who finds out sooner than the pool. Where it lives all the same,
    /// it is killed when it is replaced, and otherwise ended with the pool.
    pub fn pass_over(&self, id: &InstanceId) {
        for member in self
            .shared
            .slots
            .iter()
            .map(Slot::member)
            .filter(|member| member.instance.id() == id)
        {
            member.out.store(true, Ordering::Relaxed);
        }
    }

    /// Stops all instances at the same time: asks them to stop, and kills them when the time is over. Tells of each how it has ended, or
    /// why that is not known. Takes as long as `grace`, and a moment.
    #[must_use = "it tells which instances could not be stopped"]
    pub fn shutdown(mut self, grace: Duration) -> Vec<(InstanceId, Result<Ended, Error>)> {
        self.end();
        let instances = self.take_all();
        thread::scope(|scope| {
            let stop = |instance: InstanceClient| {
                (
                    instance.id().clone(),
                    scope.spawn(move || Child::of(instance).stop(grace)),
                )
            };
            let stopping: Vec<_> = instances.into_iter().map(stop).collect();
            let joined = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            stopping
                .into_iter()
                .map(|(id, thread)| (id, joined(thread)))
                .collect()
        })
    }

    /// From now on nothing is replaced.
    fn end(&mut self) {
        self.shared.over.cancel();
        for watching in self.watching.drain(..) {
            // It has nothing to tell.
            let _ = watching.join();
        }
    }

    /// All that may still live.
    fn take_all(&self) -> Vec<InstanceClient> {
        let members = self
            .shared
            .slots
            .iter()
            .flat_map(Slot::members)
            .filter(|member| member.take());
        members.map(|member| member.instance.clone()).collect()
    }
}

fn alive(member: &Member) -> Option<&InstanceClient> {
    (!member.is_out()).then_some(&member.instance)
}

impl Drop for InstancePool {
    fn drop(&mut self) {
        self.end();
        start::kill_all(&self.take_all());
    }
}

impl fmt::Debug for InstancePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstancePool")
            .field(
                "instances",
                &self.instances().map(InstanceClient::id).collect::<Vec<_>>(),
            )
            .finish()
    }
}
