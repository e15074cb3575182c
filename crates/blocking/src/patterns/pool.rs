//! Several instances that share the work.

mod bell;
pub(crate) mod checkout;
pub(crate) mod map;
mod members;
pub(crate) mod options;
mod place;
mod start;
mod watch;

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use scramjet_client_core::{Ended, InstanceId};

use self::members::{Shared, Slot, alive};
use self::place::for_all;
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::patterns::child::Child;
use crate::support::panics::{ignore_panic, in_drop};

/// Instances that are handed out in turn, on one hub or on several. Made by
/// [`PoolOptions::start`](crate::PoolOptions::start).
///
/// It may be used from any number of threads. A thread for each hub asks once a second which
/// instances still live. Those that have ended are passed over, and replaced by another thread if
/// [`PoolOptions::replace`](crate::PoolOptions::replace) asks for it. A handle of the pool whose call fails because its instance
/// has ended tells the pool at once. If a hub does not answer, its instances stay in the pool: call
/// [`evict`](Self::evict) if you know more.
///
/// Dropping it kills all instances, up to 32 at the same time, and waits for the hubs to accept that;
/// [`shutdown`](Self::shutdown) gives them time, and reports.
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

impl InstancePool {
    /// The next instance, in turn. `None` if none is left alive, or all are
    /// [checked out](Self::checkout).
    #[must_use]
    pub fn next(&self) -> Option<InstanceClient> {
        let mut members = self.shared.in_turn().map(Slot::member);
        members
            .find(|member| !member.is_out() && !member.busy.load(Ordering::Relaxed))
            .map(|member| member.instance.clone())
    }

    /// The instances that live, as far as is known.
    pub fn instances(&self) -> impl Iterator<Item = InstanceClient> {
        self.shared.slots.iter().filter_map(alive)
    }

    /// Passes an instance over from now on, as one that has ended: for a caller who finds out sooner than the pool. Where it lives all the same,
    /// it is killed when it is replaced, and otherwise ended with the pool.
    pub fn evict(&self, id: &InstanceId) {
        let members = self.shared.slots.iter().map(Slot::member);
        members
            .filter(|member| member.instance.id() == id)
            .for_each(|member| member.life.mark_ended());
        self.shared.lost.ring();
        self.shared.free.ring();
    }

    /// Stops all instances: asks them to stop, and kills them when the time is over. Returns how each
    /// has ended, or why that is not known.
    ///
    /// Takes as long as `grace`, and a moment: up to 32 instances are stopped at the same time, each
    /// on a thread. If there are more, or threads cannot be created, it takes several times as long.
    #[must_use = "it tells which instances could not be stopped"]
    pub fn shutdown(mut self, grace: Duration) -> Vec<(InstanceId, Result<Ended, Error>)> {
        self.end();
        let stop = |instance: InstanceClient| {
            let id = instance.id().clone();
            (id, Child::of(instance).stop(grace))
        };
        for_all(self.take_all(), stop).unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// From now on nothing is replaced.
    fn end(&mut self) {
        in_drop(|| self.shared.over.cancel());
        self.shared.lost.ring();
        let own = thread::current().id();
        for watching in self.watching.drain(..) {
            // A function of the user's that is called by one of these threads may drop the pool.
            if watching.thread().id() != own {
                // It has nothing to tell.
                ignore_panic(watching.join());
            }
        }
    }

    /// All that may still live.
    fn take_all(&self) -> Vec<InstanceClient> {
        let members = self.shared.slots.iter().map(Slot::member);
        members
            .filter(|member| member.take())
            .map(|member| member.instance.clone())
            .collect()
    }
}

impl Drop for InstancePool {
    fn drop(&mut self) {
        self.end();
        place::kill_all(self.take_all());
    }
}

impl fmt::Debug for InstancePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstancePool")
            .field(
                "instances",
                &self
                    .instances()
                    .map(|instance| instance.id().clone())
                    .collect::<Vec<_>>(),
            )
            .finish()
    }
}

#[cfg(all(test, feature = "ureq"))]
mod tests {
    use std::sync::atomic::AtomicBool;

    use scramjet_client_core::StartOptions;
    use scramjet_client_testing::fake_hub::{FakeHub, Generation};

    use super::*;
    use crate::handles::host::HostClient;
    use crate::patterns::pool::map::MapOptions;
    use crate::patterns::pool::options::PoolOptions;
    use crate::support::threads;

    /// Starts a pool of three, and ends it in some way when no thread can be created.
    fn end(generation: Generation, end: fn(InstancePool)) -> Result<(), Error> {
        let hub = FakeHub::new(generation);
        hub.program("stays", |process| process.stay());
        let sequence = HostClient::new(hub.url())?.send_sequence(hub.package("stays"))?;
        let pool = PoolOptions::new(3).start([sequence], |_| StartOptions::new())?;
        assert_eq!(hub.running().len(), 3);
        threads::REFUSED.set(true);
        end(pool);
        threads::REFUSED.set(false);
        hub.wait_until("all have ended", |hub| hub.running().is_empty());
        Ok(())
    }

    #[test]
    fn shutdown_and_drop_end_all_instances_if_no_thread_can_be_created() -> Result<(), Error> {
        for generation in [Generation::V0_18, Generation::V1] {
            end(generation, drop)?;
            end(generation, |pool| {
                let ended = pool.shutdown(Duration::from_millis(50));
                assert_eq!(ended.len(), 3);
                ended
                    .into_iter()
                    .for_each(|(_, ended)| assert!(ended.is_ok()));
            })?;
        }
        Ok(())
    }

    #[test]
    fn drop_kills_the_other_instances_if_an_observer_panics_for_one() -> Result<(), Error> {
        let hub = FakeHub::new(Generation::V1);
        hub.program("stays", |process| process.stay());
        let first = AtomicBool::new(true);
        let observer = move |request: &crate::call::observer::RequestInfo<'_>,
                             _: &crate::call::observer::RequestEvent<'_>| {
            let kills = request.operation == "kill instance";
            assert!(!kills || !first.swap(false, Ordering::SeqCst), "it panics");
        };
        let host = HostClient::builder(hub.url()).observer(observer).build()?;
        let sequence = host.send_sequence(hub.package("stays"))?;
        let pool = PoolOptions::new(3).start([sequence], |_| StartOptions::new())?;
        // All have the same thread.
        threads::REFUSED.set(true);
        drop(pool);
        threads::REFUSED.set(false);
        hub.wait_until("two have ended", |hub| hub.running().len() == 1);
        Ok(())
    }

    #[test]
    fn start_leaves_no_instance_if_no_thread_can_be_created() -> Result<(), Error> {
        let hub = FakeHub::new(Generation::V1);
        hub.program("stays", |process| process.stay());
        let sequence = HostClient::new(hub.url())?.send_sequence(hub.package("stays"))?;
        let start = |index| {
            // The instance is started; the threads of the pool are not.
            threads::REFUSED.set(index == 1);
            StartOptions::new()
        };
        let error = PoolOptions::new(2).start([sequence], start).err();
        threads::REFUSED.set(false);
        let kind = error.as_ref().map(Error::kind);
        assert!(
            matches!(kind, Some(crate::error::ErrorKind::Thread(_))),
            "{error:?}"
        );
        assert_eq!(hub.started().len(), 1);
        hub.wait_until("it has ended", |hub| hub.running().is_empty());
        Ok(())
    }

    /// A pool of one instance of `shout`, which answers in capitals.
    fn shouting(hub: &FakeHub) -> Result<InstancePool, Error> {
        hub.program("shout", |process| {
            process.emit("ready", "shout");
            let mut lines = process.lines();
            while let Some(line) = lines.next_line()? {
                lines.process().write(line.to_uppercase() + "\n")?;
            }
            Ok(())
        });
        let sequence = HostClient::new(hub.url())?.send_sequence(hub.package("shout"))?;
        let options =
            PoolOptions::new(1).readiness(crate::patterns::start::Readiness::event("ready"));
        options.start([sequence], |_| StartOptions::new())
    }

    #[test]
    fn asking_fails_if_no_thread_can_be_created() -> Result<(), Error> {
        let hub = FakeHub::new(Generation::V1);
        let pool = shouting(&hub)?;
        threads::REFUSED.set(true);
        let opened = pool.checkout()?.line_channel().err();
        let mapped = pool.map_lines(["one"], MapOptions::new()).err();
        threads::REFUSED.set(false);
        for error in [opened, mapped] {
            let kind = error.as_ref().map(Error::kind);
            assert!(
                matches!(kind, Some(crate::error::ErrorKind::Thread(_))),
                "{error:?}"
            );
        }
        assert_eq!(pool.checkout()?.line_channel()?.ask("one")?, "ONE");
        Ok(())
    }

    #[test]
    fn checkout_waits_no_longer_than_its_deadline() -> Result<(), Error> {
        let hub = FakeHub::new(Generation::V1);
        let pool = shouting(&hub)?;
        let only = pool.checkout()?;
        let limits = crate::call::options::CallOptions {
            deadline: Some(crate::call::options::Deadline::after(
                Duration::from_millis(50),
            )),
            ..Default::default()
        };
        let error = checkout::take(&pool.shared, &limits).err();
        assert!(error.is_some_and(|error| error.is_timeout()));
        drop(only);
        checkout::take(&pool.shared, &pool.shared.limits()).map(drop)
    }
}
