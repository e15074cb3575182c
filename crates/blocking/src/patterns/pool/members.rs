//! The instances of a pool, and what its handles and threads share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use scramjet_client_core::StartOptions;

use super::bell::Bell;
use super::options::PoolOptions;
use crate::call::options::CallOptions;
use crate::client::life::Life;
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::handles::sequence::SequenceClient;
use crate::limits::cancel::CancelToken;

/// What the watching threads have to do with as well.
pub(super) struct Shared {
    pub(super) slots: Vec<Slot>,
    pub(super) turn: AtomicUsize,
    pub(super) sequences: Vec<SequenceClient>,
    pub(super) options: PoolOptions,
    pub(super) start: Box<dyn Fn(usize) -> StartOptions + Send + Sync>,
    /// Cancelled at the end.
    pub(super) over: CancelToken,
    /// An instance may be free.
    pub(super) free: Bell,
    /// An instance may have to be replaced.
    pub(super) lost: Bell,
    /// The error of the last attempt to replace an instance, if it has failed.
    pub(super) failure: Mutex<Option<Arc<Error>>>,
}

/// A place in the pool, and the instance that has it now.
pub(super) struct Slot(RwLock<Arc<Member>>);

pub(super) struct Member {
    pub(super) instance: InstanceClient,
    /// Its end is the end of handing it out.
    pub(super) life: Life,
    /// There is nothing to kill any more. One that was passed over may still live.
    pub(super) gone: AtomicBool,
    /// It is checked out.
    pub(super) busy: AtomicBool,
}

impl Member {
    /// Takes an instance into the pool: its handles tell the pool if they learn of its end.
    pub(super) fn new(mut instance: InstanceClient) -> Self {
        let life = Life::of(instance.id());
        instance.host.client.life = Some(life.clone());
        Self {
            instance,
            life,
            gone: AtomicBool::new(false),
            busy: AtomicBool::new(false),
        }
    }

    pub(super) fn is_out(&self) -> bool {
        self.life.has_ended()
    }

    /// Claims the right to end the instance; `false` if it was claimed before.
    pub(super) fn take(&self) -> bool {
        self.life.mark_ended();
        !self.gone.swap(true, Ordering::Relaxed)
    }
}

impl Slot {
    pub(super) fn new(instance: InstanceClient) -> Self {
        Self(RwLock::new(Arc::new(Member::new(instance))))
    }

    pub(super) fn member(&self) -> Arc<Member> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives the place to another instance.
    pub(super) fn replace(&self, successor: Member) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(successor);
    }
}

impl Shared {
    /// All places, beginning with another one each time.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = &Slot> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let slots = self.slots.len();
        (0..slots).filter_map(move |step| self.slots.get(turn.wrapping_add(step) % slots))
    }

    /// The limits of a call to the pool that begins now.
    pub(super) fn limits(&self) -> CallOptions {
        let first = self.sequences.first();
        first.map_or_else(CallOptions::default, |sequence| {
            sequence.host.client.options.fix_deadline()
        })
    }
}

pub(super) fn alive(slot: &Slot) -> Option<InstanceClient> {
    let member = slot.member();
    (!member.is_out()).then(|| member.instance.clone())
}
