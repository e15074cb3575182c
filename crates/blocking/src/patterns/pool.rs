//! A pool of instances that share the work.

pub(crate) mod checkout;
pub(crate) mod map;
mod members;
pub(crate) mod options;
mod parallel;
mod placement;
mod replace;
mod signal;
mod start;
mod watch;

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use scramjet_client_core::{Ended, InstanceId};

use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::patterns::child::Child;
use crate::patterns::pool::members::{Shared, Slot};
use crate::patterns::pool::parallel::{for_all, kill_all};
use crate::support::panics::{ignore_panic, in_drop};

/// A pool of instances that share the work, on one hub or on several. Made by
/// [`PoolOptions::start`](crate::PoolOptions::start).
///
/// There are three ways to use the instances:
/// - [`next`](Self::next) returns one after the other.
/// - [`checkout`](Self::checkout) reserves one.
/// - [`map`](Self::map) distributes jobs over all of them.
///
/// A pool can be shared by any number of threads.
///
/// # Instances that end
/// The pool does not return an instance that it knows to have ended. It notices the end at once if
/// a call on one of its handles fails because of it. In addition, one thread for each hub lists the
/// hub's instances every second (`GET /instances`). If
/// [`PoolOptions::replace`](crate::PoolOptions::replace) is set, another thread starts a new
/// instance in place of one that has ended. If a hub does not respond, its instances stay in the
/// pool. Call [`evict`](Self::evict) if you know that one of them is dead.
///
/// # Shutdown
/// Dropping the pool kills all instances, up to 32 at the same time. The drop waits until the hubs
/// have accepted the kills, for up to 10 seconds per instance if a hub does not respond, and
/// ignores errors. [`shutdown`](Self::shutdown) gives the instances time to stop, and reports
/// errors.
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
    threads: Vec<JoinHandle<()>>,
}

impl InstancePool {
    /// Returns the next instance, round robin. `None` if all instances have ended or are
    /// [checked out](Self::checkout).
    #[must_use]
    pub fn next(&self) -> Option<InstanceClient> {
        let mut members = self.shared.round_robin();
        members
            .find(|member| !member.is_lost() && !member.checked_out.load(Ordering::Relaxed))
            .map(|member| member.instance.clone())
    }

    /// Returns the instances that have not ended as far as the pool knows, including those that are
    /// [checked out](Self::checkout).
    pub fn instances(&self) -> impl Iterator<Item = InstanceClient> {
        self.shared.slots.iter().filter_map(Slot::alive)
    }

    /// Treats an instance as ended, so that the pool does not return it any more. Use it if you
    /// notice that an instance is dead or hangs.
    ///
    /// If the instance is still running, the pool kills it before it starts a replacement. Without
    /// [`PoolOptions::replace`](crate::PoolOptions::replace), the instance runs until the pool is
    /// dropped or shut down.
    pub fn evict(&self, id: &InstanceId) {
        let members = self.shared.members();
        members
            .filter(|member| member.instance.id() == id)
            .for_each(|member| member.life.mark_ended());
        self.shared.lost.notify();
        self.shared.available.notify();
    }

    /// Stops all instances like [`Child::stop`]: asks each to stop within `grace`, and kills it if
    /// it does not. Returns for each how it has ended, or the error. The result does not contain
    /// instances that the pool already knew to have ended.
    ///
    /// Up to 32 instances stop at the same time, each on a thread, so this takes a little longer
    /// than `grace`. With more instances, or if threads cannot be created, it takes a multiple of
    /// that.
    #[must_use = "it contains the errors of instances that could not be stopped"]
    pub fn shutdown(mut self, grace: Duration) -> Vec<(InstanceId, Result<Ended, Error>)> {
        self.close();
        let stop = |instance: InstanceClient| {
            let id = instance.id().clone();
            (id, Child::without_streams(instance).stop(grace))
        };
        for_all(self.claim_all(), stop).unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Ends the threads of the pool, so that no more instances start.
    fn close(&mut self) {
        in_drop(|| self.shared.closed.cancel());
        self.shared.lost.notify();
        let current = thread::current().id();
        for handle in self.threads.drain(..) {
            // The caller's function may drop the pool on one of these threads.
            if handle.thread().id() != current {
                ignore_panic(handle.join());
            }
        }
    }

    /// Claims all instances that may be running.
    fn claim_all(&self) -> Vec<InstanceClient> {
        let members = self.shared.members();
        members
            .filter(|member| member.claim())
            .map(|member| member.instance.clone())
            .collect()
    }
}

impl Drop for InstancePool {
    fn drop(&mut self) {
        self.close();
        kill_all(self.claim_all());
    }
}

impl fmt::Debug for InstancePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.instances().map(|instance| instance.id().clone());
        f.debug_struct("InstancePool")
            .field("instances", &ids.collect::<Vec<_>>())
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
    use crate::patterns::pool::map::options::MapOptions;
    use crate::patterns::pool::options::PoolOptions;
    use crate::support::threads;

    /// Starts a pool of three, and ends it while no thread can be created.
    fn end(generation: Generation, end: fn(InstancePool)) -> Result<(), Error> {
        let hub = FakeHub::new(generation);
        hub.program("stays", |process| process.run_until_killed());
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
    fn drop_ends_all_instances_if_no_thread_can_be_created() -> Result<(), Error> {
        end(Generation::V0_18, drop)?;
        end(Generation::V1, drop)
    }

    #[test]
    fn shutdown_ends_all_instances_if_no_thread_can_be_created() -> Result<(), Error> {
        let shutdown = |pool: InstancePool| {
            let ended = pool.shutdown(Duration::from_millis(50));
            assert_eq!(ended.len(), 3);
            ended
                .into_iter()
                .for_each(|(_, ended)| assert!(ended.is_ok()));
        };
        end(Generation::V0_18, shutdown)?;
        end(Generation::V1, shutdown)
    }

    #[test]
    fn drop_kills_the_other_instances_if_an_observer_panics_for_one() -> Result<(), Error> {
        let hub = FakeHub::new(Generation::V1);
        hub.program("stays", |process| process.run_until_killed());
        let first = AtomicBool::new(true);
        let observer = move |request: &crate::call::observer::RequestInfo<'_>,
                             _: &crate::call::observer::RequestEvent<'_>| {
            let kills = request.operation == "kill instance";
            assert!(!kills || !first.swap(false, Ordering::SeqCst), "it panics");
        };
        let host = HostClient::builder(hub.url()).observer(observer).build()?;
        let sequence = host.send_sequence(hub.package("stays"))?;
        let pool = PoolOptions::new(3).start([sequence], |_| StartOptions::new())?;
        // All kills run on this thread.
        threads::REFUSED.set(true);
        drop(pool);
        threads::REFUSED.set(false);
        hub.wait_until("two have ended", |hub| hub.running().len() == 1);
        Ok(())
    }

    #[test]
    fn start_leaves_no_instance_if_no_thread_can_be_created() -> Result<(), Error> {
        let hub = FakeHub::new(Generation::V1);
        hub.program("stays", |process| process.run_until_killed());
        let sequence = HostClient::new(hub.url())?.send_sequence(hub.package("stays"))?;
        let start = |index| {
            // The first instance starts. The threads of the pool cannot be created.
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
        let error = checkout::wait_for_checkout(&pool.shared, &limits).err();
        assert!(error.is_some_and(|error| error.is_timeout()));
        drop(only);
        checkout::wait_for_checkout(&pool.shared, &pool.shared.limits()).map(drop)
    }
}
