use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::call::context::CallContext;
use crate::call::options::CallOptions;
use crate::error::{Error, ErrorKind};
use crate::handles::instance::InstanceClient;
use crate::limits::call_limits::StopReason;
use crate::limits::cancel::CancelToken;
use crate::patterns::pool::InstancePool;
use crate::patterns::pool::members::{Member, Shared};
use crate::support::sync::lock;
use crate::transport::error::Phase;

/// Interval for checking if all instances are lost. A handle that notices the end of its instance
/// does not wake the threads that wait for a checkout, so they poll.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// An instance of a pool for exclusive use. Made by [`InstancePool::checkout`].
///
/// Dereferences to [`InstanceClient`]. Dropping it returns the instance to the pool. A
/// [`Channel`](crate::Channel) that was opened through it keeps the instance checked out until the
/// channel is dropped, too. Other streams do not. If the instance has ended and
/// [`PoolOptions::replace`](crate::PoolOptions::replace) is set, the pool replaces it.
///
/// ```no_run
/// # use scramjet_client_blocking::{Error, InstancePool};
/// # fn example(pool: &InstancePool) -> Result<(), Error> {
/// let instance = pool.checkout()?;
/// let response = instance.line_channel()?.ask("a job")?;
/// # drop(response);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it returns the instance to the pool"]
pub struct Checkout {
    instance: InstanceClient,
    _hold: Arc<Hold>,
}

/// Returns the instance to the pool when dropped.
struct Hold {
    pool: Arc<Shared>,
    member: Arc<Member>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.member.checked_out.store(false, Ordering::Release);
        self.pool.available.notify();
        if self.member.is_lost() {
            self.pool.lost.notify();
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
    /// Waits for an available instance and reserves it. Until the [`Checkout`] is dropped,
    /// [`next`](Self::next) and other checkouts do not return the instance.
    ///
    /// Handles that [`next`](Self::next) returned earlier continue to work. The deadline and the
    /// cancel token of the first sequence's handle limit the wait. There is no limit by default.
    ///
    /// # Errors
    /// - [`ErrorKind::NoInstance`] if all instances have ended, and
    ///   [`PoolOptions::replace`](crate::PoolOptions::replace) is not set or the last replacement
    ///   failed. In the latter case, it contains the error of the replacement.
    /// - [`ErrorKind::Deadline`] or [`ErrorKind::Cancelled`] if a limit was reached.
    pub fn checkout(&self) -> Result<Checkout, Error> {
        let options = self.shared.limits();
        wait_for_checkout(&self.shared, &options)
    }

    /// Reserves an instance if one is available now.
    #[must_use]
    pub fn try_checkout(&self) -> Option<Checkout> {
        self.shared.try_checkout()
    }
}

impl Shared {
    fn try_checkout(self: &Arc<Self>) -> Option<Checkout> {
        let member = self.round_robin().find(|member| {
            !member.is_lost() && !member.checked_out.swap(true, Ordering::Acquire)
        })?;
        let mut instance = member.instance.clone();
        let life = member.life.clone();
        let hold = Arc::new(Hold {
            pool: Arc::clone(self),
            member,
        });
        let held: Arc<dyn Any + Send + Sync> = Arc::<Hold>::clone(&hold);
        instance.host.client.life = Some(life.held(Arc::downgrade(&held)));
        Some(Checkout {
            instance,
            _hold: hold,
        })
    }
}

/// Waits within the limits until an instance is available, and reserves it.
pub(super) fn wait_for_checkout(
    pool: &Arc<Shared>,
    options: &CallOptions,
) -> Result<Checkout, Error> {
    let call = CallContext::without_request("check out instance");
    let call = options.begin(call, Duration::ZERO)?;
    let wake = |token: &CancelToken| {
        let pool = Arc::clone(pool);
        token.on_cancel(move || pool.available.notify())
    };
    let _hooks = (call.limits.cancel.as_ref().map(wake), wake(&pool.closed));
    loop {
        let count = pool.available.count();
        if pool.closed.is_cancelled() {
            return Err(call.stopped(StopReason::Cancelled, Phase::Connect));
        }
        call.check(Phase::Connect)?;
        if let Some(checkout) = pool.try_checkout() {
            return Ok(checkout);
        }
        if pool.members().all(|member| member.is_lost()) {
            let error = lock(&pool.replace_error);
            if !pool.options.replace || error.is_some() {
                return Err(call.failed(ErrorKind::NoInstance(error.clone())));
            }
        }
        let poll = Instant::now() + POLL_INTERVAL;
        let until = call.limits.deadline.map_or(poll, |at| at.min(poll));
        pool.available.wait(count, until);
    }
}
