//! The instances of a pool, and the state that its handles and threads share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use scramjet_client_core::StartOptions;

use crate::call::options::CallOptions;
use crate::client::life::Life;
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::handles::sequence::SequenceClient;
use crate::limits::call_limits::{CallLimits, StopReason};
use crate::limits::cancel::CancelToken;
use crate::patterns::pool::options::PoolOptions;
use crate::patterns::pool::signal::Signal;

/// The state of a pool. Its threads and checked-out instances share it.
pub(super) struct Shared {
    pub(super) slots: Vec<Slot>,
    /// Counter for [`round_robin`](Self::round_robin).
    pub(super) turn: AtomicUsize,
    pub(super) sequences: Vec<SequenceClient>,
    pub(super) options: PoolOptions,
    pub(super) start: Box<dyn Fn(usize) -> StartOptions + Send + Sync>,
    /// Cancelled when the pool is dropped or shut down.
    pub(super) closed: CancelToken,
    /// Notified when an instance may have become available.
    pub(super) available: Signal,
    /// Notified when an instance may have to be replaced.
    pub(super) lost: Signal,
    /// Error of the last attempt to replace an instance, if it failed.
    pub(super) replace_error: Mutex<Option<Arc<Error>>>,
}

/// A place in the pool with its current instance.
pub(super) struct Slot(RwLock<Arc<Member>>);

pub(super) struct Member {
    pub(super) instance: InstanceClient,
    /// Shared with the handles of the instance. It ends when the instance has ended or was evicted.
    pub(super) life: Life,
    /// `true` if a thread has claimed the right to kill the instance, or the instance has ended.
    /// Stays `false` when the instance is evicted, because it may still be running.
    pub(super) claimed: AtomicBool,
    pub(super) checked_out: AtomicBool,
}

impl Member {
    /// Creates the member for an instance. The handles of the instance report to the pool if they
    /// notice its end.
    pub(super) fn new(mut instance: InstanceClient) -> Self {
        let life = Life::of(instance.id());
        instance.host.client.life = Some(life.clone());
        Self {
            instance,
            life,
            claimed: AtomicBool::new(false),
            checked_out: AtomicBool::new(false),
        }
    }

    /// Returns `true` if the instance has ended or was evicted.
    pub(super) fn is_lost(&self) -> bool {
        self.life.has_ended()
    }

    /// Removes the instance from the pool, and claims the right to kill it. Returns `false` if
    /// another thread has claimed it, or it has ended.
    pub(super) fn claim(&self) -> bool {
        self.life.mark_ended();
        !self.claimed.swap(true, Ordering::Relaxed)
    }
}

impl Slot {
    pub(super) fn new(instance: InstanceClient) -> Self {
        Self(RwLock::new(Arc::new(Member::new(instance))))
    }

    pub(super) fn member(&self) -> Arc<Member> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the instance, unless it has ended or was evicted.
    pub(super) fn alive(&self) -> Option<InstanceClient> {
        let member = self.member();
        (!member.is_lost()).then(|| member.instance.clone())
    }

    pub(super) fn replace(&self, successor: Member) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(successor);
    }
}

impl Shared {
    pub(super) fn members(&self) -> impl Iterator<Item = Arc<Member>> {
        self.slots.iter().map(Slot::member)
    }

    /// Returns all members. Each call begins with the next slot.
    pub(super) fn round_robin(&self) -> impl Iterator<Item = Arc<Member>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let slots = self.slots.len();
        (0..slots)
            .filter_map(move |step| self.slots.get(turn.wrapping_add(step) % slots))
            .map(Slot::member)
    }

    /// Returns the limits of the first sequence's handle, for a call to the pool that begins now.
    pub(super) fn limits(&self) -> CallOptions {
        let first = self.sequences.first();
        first.map_or_else(CallOptions::default, |sequence| {
            sequence.host.client.options.fix_deadline()
        })
    }

    /// Sleeps for this long.
    ///
    /// # Errors
    /// The pool was closed.
    pub(super) fn pause(&self, time: Duration) -> Result<(), StopReason> {
        let limits = CallLimits {
            cancel: Some(self.closed.clone()),
            ..CallLimits::default()
        };
        limits.pause(time)
    }
}
