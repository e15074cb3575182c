//! Instances for one alone.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::InstancePool;
use super::members::{Member, Shared, Slot};
use crate::call::context::CallContext;
use crate::call::options::CallOptions;
use crate::error::{Error, ErrorKind};
use crate::handles::instance::InstanceClient;
use crate::limits::call_limits::StopReason;
use crate::limits::cancel::CancelToken;
use crate::support::sync::lock;
use crate::transport::error::Phase;

/// A waiter looks again after this time, because nobody wakes it if an instance ends.
const LOOK: Duration = Duration::from_secs(1);

/// An instance of a pool that nobody else is given, until this is dropped. Made by
/// [`InstancePool::checkout`].
///
/// It is an [`InstanceClient`]. If the instance has ended when it is given back, it is replaced if
/// the pool does that. A [`Channel`](crate::Channel) opened through it keeps the instance checked
/// out as long as the channel is open; other streams do not.
///
/// ```no_run
/// # use scramjet_client_blocking::{Error, InstancePool};
/// # fn example(pool: &InstancePool) -> Result<(), Error> {
/// let instance = pool.checkout()?;
/// let answer = instance.line_channel()?.ask("a job")?;
/// # drop(answer);
/// # Ok(())
/// # }
/// ```
#[must_use = "it is given back when this is dropped"]
pub struct Checkout {
    instance: InstanceClient,
    _hold: Arc<Hold>,
}

/// Gives the instance back when it is dropped.
struct Hold {
    pool: Arc<Shared>,
    member: Arc<Member>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.member.busy.store(false, Ordering::Release);
        self.pool.free.ring();
        if self.member.is_out() {
            self.pool.lost.ring();
        }
    }
}

impl Deref for Checkout {
    type Target = InstanceClient;

    fn deref(&self) -> &InstanceClient {
        &self.instance
    }
}

impl fmt::Debug for Checkout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Checkout").field(&self.instance).finish()
    }
}

impl InstancePool {
    /// Checks an instance out: nobody else is given it until it is dropped. Waits until one is
    /// free.
    ///
    /// [`next`](Self::next) passes over instances that are checked out, but handles that it gave
    /// out before go on.
    ///
    /// # Errors
    /// [`ErrorKind::NoInstance`] at once if no instance is alive and none is started in its place,
    /// or if the last attempt to do so has failed, with its error. The deadline and the token of
    /// the first sequence's handle end the waiting.
    pub fn checkout(&self) -> Result<Checkout, Error> {
        let options = self.shared.limits();
        take(&self.shared, &options)
    }

    /// Checks an instance out if one is free now.
    #[must_use]
    pub fn try_checkout(&self) -> Option<Checkout> {
        self.shared.checkout()
    }
}

impl Shared {
    fn checkout(self: &Arc<Self>) -> Option<Checkout> {
        let slots = self.in_turn();
        let free = slots
            .map(Slot::member)
            .find(|member| !member.is_out() && !member.busy.swap(true, Ordering::Acquire));
        free.map(|member| {
            let mut instance = member.instance.clone();
            let life = member.life.clone();
            let hold = Arc::new(Hold {
                pool: Arc::clone(self),
                member,
            });
            let held: Arc<dyn Any + Send + Sync> = Arc::<Hold>::clone(&hold);
            instance.host.client.life = Some(life.held(Arc::downgrade(&held)));
            Checkout {
                instance,
                _hold: hold,
            }
        })
    }
}

/// Waits until an instance is free, within these limits.
pub(super) fn take(pool: &Arc<Shared>, options: &CallOptions) -> Result<Checkout, Error> {
    let call = CallContext::without_request("check out instance");
    let call = options.begin(call, Duration::ZERO)?;
    let wake = |token: &CancelToken| {
        let pool = Arc::clone(pool);
        token.on_cancel(move || pool.free.ring())
    };
    let _wakes = (call.limits.cancel.as_ref().map(wake), wake(&pool.over));
    loop {
        let before = pool.free.count();
        if pool.over.is_cancelled() {
            return Err(call.stopped(StopReason::Cancelled, Phase::Connect));
        }
        call.check(Phase::Connect)?;
        if let Some(checkout) = pool.checkout() {
            return Ok(checkout);
        }
        if pool.slots.iter().all(|slot| slot.member().is_out()) {
            let failure = lock(&pool.failure);
            if !pool.options.replaces() || failure.is_some() {
                return Err(call.failed(ErrorKind::NoInstance(failure.clone())));
            }
        }
        let look = Instant::now() + LOOK;
        pool.free
            .wait(before, call.limits.deadline.map_or(look, |at| at.min(look)));
    }
}
