//! A hub without Node.js, for tests of programs that use one.
//!
//! A [`FakeHub`] behaves like a real hub of its [`Generation`]: it has the same routes, refusals,
//! life cycles and times, and runs *programs* that are Rust closures. Programs under test reach it
//! by [`FakeHub::client`], in the same process, or by [`FakeHub::url`], over a socket of the
//! loopback interface.
//!
//! ```
//! use scramjet_client_blocking::{Readiness, StartOptions};
//! use scramjet_client_testing::fake_hub::{FakeHub, Generation};
//!
//! let hub = FakeHub::new(Generation::V1);
//! hub.program("greeter", |process| {
//!     process.emit("ready", "hello");
//!     process.stay()
//! });
//!
//! // The code under test:
//! let sequence = hub.client().send_sequence(hub.package("greeter"))?;
//! let ready = sequence.start_and_wait(&StartOptions::new(), &Readiness::event("ready"))?;
//! assert_eq!(ready.event.data, "hello");
//! # Ok::<(), scramjet_client_blocking::Error>(())
//! ```
//!
//! # Time
//! The hub takes the same time as a real one: an instance whose sequence has completed stays for 10
//! seconds, a forced deletion takes 16 seconds on 1.x. [`FakeHubBuilder::time_scale`] lets the
//! hub's time run faster, [`FakeHubBuilder::manual_time`] only when the test says so, with
//! [`FakeHub::advance`]. The limits of the client are real time in any case.

mod clock;
mod parser;
mod process;
mod server;
mod transport;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use scramjet_client_blocking::{HostClient, HostClientBuilder, Transport};

pub use self::process::{Process, ProgramResult, StopRequest};
pub use crate::model::{Exit, Generation, Item, Package, Settings, Times};
pub use crate::network::{Fault, Proxy};

use self::clock::Clock;
use self::process::{LaunchQueue, ThreadedProgram};
use self::server::Server;
use self::transport::InProcess;
use crate::model::{Model, ProgramSpec};
use crate::network::Network;

/// A hub in this process. Clones are the same hub; it ends when the last one is dropped.
#[derive(Clone)]
pub struct FakeHub {
    inner: Arc<Inner>,
}

/// What ends with the hub.
struct Inner {
    shared: Arc<Shared>,
    server: OnceLock<Server>,
}

/// The state of a hub, and the means to wait for a change of it.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    network: Network,
    clock: Clock,
    launched: LaunchQueue,
    shut_down: bool,
}

impl FakeHub {
    /// A base URL that leads to the hub in clients made by [`client_builder`](Self::client_builder).
    const IN_PROCESS: &str = "http://fake-hub.invalid/api/v1";

    /// Starts a hub whose time is real time.
    #[must_use]
    pub fn new(generation: Generation) -> Self {
        Self::builder(generation).start()
    }

    /// Sets up a hub.
    pub fn builder(generation: Generation) -> FakeHubBuilder {
        let epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let mut settings = Settings::of(generation);
        settings.epoch = epoch;
        FakeHubBuilder {
            settings,
            scale: Some(1.0),
        }
    }

    /// A client of the hub, without a network between.
    #[must_use]
    pub fn client(&self) -> HostClient {
        match self.client_builder().build() {
            Ok(client) => client,
            // The address is a valid one, and nothing else was set.
            Err(_) => unreachable!("the address of a fake hub is valid"),
        }
    }

    /// A builder of such clients, to set other options.
    pub fn client_builder(&self) -> HostClientBuilder {
        HostClient::builder(Self::IN_PROCESS).transport(self.transport())
    }

    /// The way to the hub without a network: every host leads there.
    #[must_use]
    pub fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(InProcess { hub: self.clone() })
    }

    /// The address of the hub's API on the loopback interface, for other processes and other
    /// clients. The hub listens from the first call on.
    ///
    /// # Panics
    /// No port can be opened.
    #[must_use]
    pub fn url(&self) -> String {
        let server = self
            .inner
            .server
            .get_or_init(|| match Server::start(&self.inner.shared) {
                Ok(server) => server,
                Err(error) => {
                    unreachable!("no port of the loopback interface can be opened: {error}")
                }
            });
        server.url()
    }

    /// Runs this program for sequences whose `package.json` has this name. It is called on a thread
    /// of its own for each instance.
    pub fn program<F>(&self, name: &str, program: F)
    where
        F: Fn(&mut Process) -> ProgramResult + Send + Sync + 'static,
    {
        self.program_with(name, program, |spec| spec);
    }

    /// The same for a sequence that declares topics: see [`ProgramSpec::input_topic`].
    pub fn program_with<F>(
        &self,
        name: &str,
        program: F,
        declare: impl FnOnce(ProgramSpec) -> ProgramSpec,
    ) where
        F: Fn(&mut Process) -> ProgramResult + Send + Sync + 'static,
    {
        let spec = declare(ThreadedProgram::spec(program, self.inner.shared.launched()));
        self.inner
            .shared
            .with(|state| state.network.hub().program(name, spec));
    }

    /// Finds programs for packages whose names are not known, by what is in them.
    pub fn find_programs<F, P>(&self, find: F)
    where
        F: Fn(&Package) -> Option<P> + Send + Sync + 'static,
        P: Fn(&mut Process) -> ProgramResult + Send + Sync + 'static,
    {
        let launched = self.inner.shared.launched();
        let find = move |package: &Package| {
            find(package).map(|program| ThreadedProgram::spec(program, launched.clone()))
        };
        self.inner
            .shared
            .with(|state| state.network.hub().find_programs(find));
    }

    /// A package that the hub takes for the sequence of this name.
    #[must_use]
    pub fn package(&self, name: &str) -> Vec<u8> {
        Package::named(name).to_archive()
    }

    /// The generation that the hub behaves like.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.inner
            .shared
            .with(|state| state.network.hub().generation())
    }

    /// The hub's time since it began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.inner.shared.with(|state| state.network.now())
    }

    /// Moves the hub's time on. It ends after 100 years.
    pub fn advance(&self, by: Duration) {
        self.inner.shared.with(|state| {
            state.clock.advance(by);
            state.network.advance(state.clock.now());
        });
    }

    /// Adds a fault. Of several that match a request, the one that was added first happens.
    pub fn fault(&self, fault: Fault) {
        self.inner
            .shared
            .with(|state| state.network.add_fault(fault));
    }

    /// Returns the faults that are still to happen, to see that no request missed its fault.
    #[must_use]
    pub fn pending_faults(&self) -> Vec<Fault> {
        self.inner
            .shared
            .with(|state| state.network.pending_faults())
    }

    /// Forgets all faults.
    pub fn clear_faults(&self) {
        self.inner.shared.with(|state| state.network.clear_faults());
    }

    /// Puts a proxy in front of the hub, or takes it away.
    pub fn set_proxy(&self, proxy: impl Into<Option<Proxy>>) {
        let proxy = proxy.into();
        self.inner
            .shared
            .with(|state| state.network.set_proxy(proxy));
    }

    /// Refuses all starts with `419`, as a hub does that is short of memory.
    pub fn set_overloaded(&self, overloaded: bool) {
        self.inner
            .shared
            .with(|state| state.network.hub().set_overloaded(overloaded));
    }

    /// Takes the hub away, or brings it back: meanwhile its connections are lost and new ones
    /// refused. Its instances go on.
    pub fn set_unreachable(&self, away: bool) {
        self.inner
            .shared
            .with(|state| state.network.set_unreachable(away));
    }

    /// Restarts the hub: connections are lost, and all instances end. Sequences are lost as well
    /// unless they are to be kept.
    pub fn restart(&self, keep_sequences: bool) {
        self.inner
            .shared
            .with(|state| state.network.restart(keep_sequences));
    }

    /// Ends the process of an instance from outside, like `SIGKILL`. `false` if there is no such
    /// instance.
    pub fn crash(&self, instance: impl AsRef<str>) -> bool {
        self.inner.shared.with(|state| {
            let hub = state.network.hub();
            let key = hub.instance(instance.as_ref());
            key.into_iter().for_each(|key| hub.crash(key));
            key.is_some()
        })
    }

    /// The ids of the sequences that are there, to see that nothing is left behind.
    #[must_use]
    pub fn sequences(&self) -> Vec<String> {
        self.inner
            .shared
            .with(|state| state.network.hub().sequences())
    }

    /// The ids of the instances whose processes run, to see that nothing is left behind.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        self.inner
            .shared
            .with(|state| state.network.hub().running())
    }

    /// The ids of all instances whose processes were started, in their order.
    #[must_use]
    pub fn started(&self) -> Vec<String> {
        self.inner.shared.with(|state| {
            state
                .network
                .hub()
                .records()
                .map(|(_, record)| record.id.clone())
                .collect()
        })
    }

    /// The requests that have come, in their order, each as method and path:
    /// `GET /api/v1/version`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.inner
            .shared
            .with(|state| state.network.requests().to_vec())
    }

    /// Waits until this holds, while the hub goes on. For what comes about in its own time.
    ///
    /// # Panics
    /// It does not within 10 seconds of real time.
    #[track_caller]
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        const LIMIT: Duration = Duration::from_secs(10);
        let begin = Instant::now();
        while !holds(self) {
            let left = LIMIT.saturating_sub(begin.elapsed());
            assert!(!left.is_zero(), "{what}: not within {LIMIT:?}; {self:?}");
            let state = self.inner.shared.lock();
            drop(
                self.inner
                    .shared
                    .wait(state, Some(left.min(Duration::from_millis(20)))),
            );
        }
    }
}

impl fmt::Debug for FakeHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner
            .shared
            .with(|state| f.debug_tuple("FakeHub").field(state.network.hub()).finish())
    }
}

/// Sets up a [`FakeHub`].
#[derive(Clone, Debug)]
#[must_use = "the hub is made by `start`"]
pub struct FakeHubBuilder {
    settings: Settings,
    scale: Option<f64>,
}

impl FakeHubBuilder {
    /// Lets the hub's time run so many times as fast as real time. The default is 1.
    ///
    /// # Panics
    /// If the scale is not a positive number. [`manual_time`](Self::manual_time) stops the time.
    #[track_caller]
    pub fn time_scale(self, scale: f64) -> Self {
        assert!(
            scale > 0.0 && scale.is_finite(),
            "time cannot run {scale} times as fast; use manual_time to stop it"
        );
        Self {
            scale: Some(scale),
            ..self
        }
    }

    /// Lets the hub's time stand still but for [`FakeHub::advance`].
    pub fn manual_time(self) -> Self {
        Self {
            scale: None,
            ..self
        }
    }

    /// Changes how the hub is set up: its times, for example.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Starts the hub.
    #[must_use]
    pub fn start(self) -> FakeHub {
        let clock = self.scale.map_or_else(Clock::manual, Clock::scaled);
        let network = Network::new(Model::new(self.settings));
        let state = State {
            network,
            clock,
            launched: LaunchQueue::default(),
            shut_down: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let timer = Arc::clone(&shared);
        // A machine that has no thread for it has none for the programs either.
        let _ = thread::Builder::new()
            .name("fake-hub".into())
            .spawn(move || timer.keep_time());
        FakeHub {
            inner: Arc::new(Inner {
                shared,
                server: OnceLock::new(),
            }),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing of the caller's runs with the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn launched(&self) -> LaunchQueue {
        self.lock().launched.clone()
    }

    /// Does something at the hub's present time, and tells those who wait of it.
    fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        state.keep_up();
        let result = act(&mut state);
        self.after(state);
        result
    }

    /// Starts the programs that are to be started, and wakes those who wait.
    fn after(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let changed = state.network.hub().take_changed();
        let launches = state.launched.take();
        drop(state);
        if changed {
            self.changed.notify_all();
        }
        for launch in launches {
            launch.start(self);
        }
    }

    /// Waits until a look finds something; `limit` tells how long it may wait for the next change.
    /// A look that finds nothing must change nothing.
    fn wait_for<T, E>(
        self: &Arc<Self>,
        mut look: impl FnMut(&mut State) -> Option<T>,
        mut limit: impl FnMut() -> Result<Option<Duration>, E>,
    ) -> Result<T, E> {
        loop {
            let mut state = self.lock();
            state.keep_up();
            // The time that has passed may have changed something, and started programs.
            if state.network.hub().take_changed() || !state.launched.is_empty() {
                state.network.hub().set_changed();
                self.after(state);
                state = self.lock();
            }
            if let Some(found) = look(&mut state) {
                state.network.hub().set_changed();
                self.after(state);
                return Ok(found);
            }
            state.network.hub().take_changed();
            let limit = limit()?;
            drop(self.wait(state, limit));
        }
    }

    /// Waits for a change, for at most this long.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        limit: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        match limit {
            None => self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = self.changed.wait_timeout(state, limit);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Does what is due at its time, until the hub is over.
    fn keep_time(self: Arc<Self>) {
        let mut state = self.lock();
        while !state.shut_down {
            state.keep_up();
            self.after(state);
            state = self.lock();
            let next = state.network.next_due();
            let limit = next.and_then(|next| state.clock.until(next));
            if !state.shut_down && limit != Some(Duration::ZERO) {
                state = self.wait(state, limit);
            }
        }
    }
}

impl State {
    fn keep_up(&mut self) {
        self.network.advance(self.clock.now());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.with(|state| {
            state.shut_down = true;
            // Programs end when they find that their instances are gone.
            state.network.restart(false);
        });
        self.shared.changed.notify_all();
    }
}
