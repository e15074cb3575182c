//! A hub that runs in the process of a test, without Node.js.
//!
//! A [`FakeHub`] behaves like a real hub of its [`Generation`]: it has the same routes, errors,
//! life cycles and times. Its *programs* are Rust closures. Clients in the same process use
//! [`FakeHub::client`]. Other clients and other processes use [`FakeHub::url`], which is served on
//! the loopback interface.
//!
//! ```
//! use scramjet_client_blocking::{Readiness, StartOptions};
//! use scramjet_client_testing::fake_hub::{FakeHub, Generation};
//!
//! let hub = FakeHub::new(Generation::V1);
//! hub.program("greeter", |process| {
//!     process.emit("ready", "hello");
//!     process.run_until_killed()
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
//! The hub takes as much time as a real one. For example, an instance stays for 10 seconds after
//! its sequence has completed, and a forced deletion takes 16 seconds on 1.x.
//! [`FakeHubBuilder::time_scale`] makes the hub's time run faster. With
//! [`FakeHubBuilder::manual_time`], it passes only when the test calls [`FakeHub::advance`].
//! Timeouts of the client are always in real time.

mod builder;
mod clock;
mod parser;
mod process;
mod server;
mod shared;
mod transport;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use scramjet_client_blocking::{HostClient, HostClientBuilder, Transport};

pub use self::builder::FakeHubBuilder;
pub use self::process::{Lines, Process, ProgramResult, StopRequest};
pub use crate::model::{Exit, Generation, Item, Package, Settings, Times};
pub use crate::network::{Fault, Proxy};

use self::process::ThreadedProgram;
use self::shared::{Shared, State};
use self::transport::InProcess;
use crate::model::{Model, ProgramSpec};
use crate::server::Server;

/// A hub that runs in this process.
///
/// Clones share one hub. It shuts down when the last clone, and the last client that
/// [`client`](Self::client) returned, is dropped.
#[derive(Clone)]
pub struct FakeHub {
    inner: Arc<Inner>,
}

/// The parts that shut down together with the hub.
struct Inner {
    shared: Arc<Shared>,
    server: OnceLock<Server>,
}

impl FakeHub {
    /// The base URL of clients in the same process. Nothing ever connects to it.
    const IN_PROCESS: &str = "http://fake-hub.invalid/api/v1";

    /// Starts a hub whose time is real time.
    #[must_use]
    pub fn new(generation: Generation) -> Self {
        Self::builder(generation).start()
    }

    /// Returns a builder, to set options before the start.
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

    /// Returns a client that reaches the hub without a network.
    #[must_use]
    pub fn client(&self) -> HostClient {
        match self.client_builder().build() {
            Ok(client) => client,
            // Nothing but a valid address and a transport was set.
            Err(_) => unreachable!("the address of a fake hub is valid"),
        }
    }

    /// Returns a builder of such clients, to set other options.
    pub fn client_builder(&self) -> HostClientBuilder {
        HostClient::builder(Self::IN_PROCESS).transport(self.transport())
    }

    /// Returns a transport that sends all requests to the hub, whatever their host.
    #[must_use]
    pub fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(InProcess { hub: self.clone() })
    }

    /// Returns the base URL of the hub on the loopback interface, for other clients and processes.
    ///
    /// The hub starts to listen at the first call.
    ///
    /// # Panics
    /// If no port can be opened.
    #[must_use]
    pub fn url(&self) -> String {
        let server = self
            .inner
            .server
            .get_or_init(|| match server::start(&self.inner.shared) {
                Ok(server) => server,
                Err(error) => {
                    unreachable!("no port of the loopback interface can be opened: {error}")
                }
            });
        server.url()
    }

    /// Sets the program of the sequences whose `package.json` has this name.
    ///
    /// The hub calls it for each instance, on a thread of its own. A start of a sequence without a
    /// program fails with the status 501.
    pub fn program<F>(&self, name: &str, program: F)
    where
        F: Fn(&mut Process) -> ProgramResult + Send + Sync + 'static,
    {
        self.program_with(name, program, |spec| spec);
    }

    /// Like [`program`](Self::program), for a sequence that declares topics: see
    /// [`ProgramSpec::input_topic`].
    pub fn program_with<F>(
        &self,
        name: &str,
        program: F,
        declare: impl FnOnce(ProgramSpec) -> ProgramSpec,
    ) where
        F: Fn(&mut Process) -> ProgramResult + Send + Sync + 'static,
    {
        let launched = self.inner.shared.launched();
        let spec = declare(ThreadedProgram::spec(program, launched));
        self.with_model(|model| model.program(name, spec));
    }

    /// Sets a function that finds the program of a package by its content.
    ///
    /// The hub calls it for packages whose name has no [`program`](Self::program).
    pub fn find_programs<F, P>(&self, find: F)
    where
        F: Fn(&Package) -> Option<P> + Send + Sync + 'static,
        P: Fn(&mut Process) -> ProgramResult + Send + Sync + 'static,
    {
        let launched = self.inner.shared.launched();
        let find = move |package: &Package| {
            find(package).map(|program| ThreadedProgram::spec(program, launched.clone()))
        };
        self.with_model(|model| model.find_programs(find));
    }

    /// Returns a package whose `package.json` has this name, for uploads.
    #[must_use]
    pub fn package(&self, name: &str) -> Vec<u8> {
        Package::named(name).to_archive()
    }

    /// Returns the generation of the hub.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.with_model(|model| model.generation())
    }

    /// Returns the hub's time since its start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.with_model(|model| model.now())
    }

    /// Advances the hub's time. It stops at 100 years.
    pub fn advance(&self, by: Duration) {
        self.with(|state| {
            state.clock.advance(by);
            state.network.advance(state.clock.now());
        });
    }

    /// Adds a fault. If several faults match a request, the one that was added first applies.
    pub fn fault(&self, fault: Fault) {
        self.with(|state| state.network.add_fault(fault));
    }

    /// Returns the faults that can still apply to a request. Empty if each fault has met its
    /// requests.
    #[must_use]
    pub fn pending_faults(&self) -> Vec<Fault> {
        self.with(|state| state.network.pending_faults())
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.with(|state| state.network.clear_faults());
    }

    /// Puts a proxy in front of the hub, or removes it.
    pub fn set_proxy(&self, proxy: impl Into<Option<Proxy>>) {
        let proxy = proxy.into();
        self.with(|state| state.network.set_proxy(proxy));
    }

    /// Makes the hub refuse all starts with the status 419 (`true`), like a hub that is short of
    /// memory, or accept them again (`false`).
    pub fn set_overloaded(&self, overloaded: bool) {
        self.with_model(|model| model.set_overloaded(overloaded));
    }

    /// Makes the hub unreachable, or reachable again.
    ///
    /// All connections to an unreachable hub are lost, and it refuses new ones. Its instances
    /// continue to run.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.with(|state| state.network.set_unreachable(unreachable));
    }

    /// Restarts the hub. All connections are lost, and all instances end. Sequences are lost as
    /// well, unless `keep_sequences` is set.
    pub fn restart(&self, keep_sequences: bool) {
        self.with(|state| state.network.restart(keep_sequences));
    }

    /// Ends the process of an instance from outside, like `SIGKILL`. Returns `false` if there is no
    /// such instance.
    pub fn crash(&self, instance: impl AsRef<str>) -> bool {
        self.with_model(|model| {
            let key = model.instance(instance.as_ref());
            key.into_iter().for_each(|key| model.crash(key));
            key.is_some()
        })
    }

    /// Returns the ids of the sequences on the hub, to check that the test leaves none behind.
    #[must_use]
    pub fn sequences(&self) -> Vec<String> {
        self.with_model(|model| model.sequences())
    }

    /// Returns the ids of the instances whose processes run, to check that the test leaves none
    /// behind.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        self.with_model(|model| model.running())
    }

    /// Returns the ids of all instances whose processes were started, in the order of their starts.
    #[must_use]
    pub fn started(&self) -> Vec<String> {
        self.with_model(|model| {
            let records = model.records();
            records.map(|(_, record)| record.id.clone()).collect()
        })
    }

    /// Returns the method and the path of each request so far, in the order of arrival:
    /// `GET /api/v1/version`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.with(|state| state.network.requests().to_vec())
    }

    /// Blocks until a condition holds. `what` describes the condition, for the panic message.
    ///
    /// # Panics
    /// If the condition does not hold within a minute of real time.
    #[track_caller]
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        const LIMIT: Duration = Duration::from_secs(60);
        const POLL_INTERVAL: Duration = Duration::from_millis(20);
        let begin = Instant::now();
        while !holds(self) {
            let left = LIMIT.saturating_sub(begin.elapsed());
            assert!(!left.is_zero(), "{what}: not within {LIMIT:?}; {self:?}");
            self.inner.shared.wait_for_change(left.min(POLL_INTERVAL));
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        self.inner.shared.with(act)
    }

    fn with_model<T>(&self, act: impl FnOnce(&mut Model) -> T) -> T {
        self.with(|state| act(state.network.hub()))
    }
}

impl fmt::Debug for FakeHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_model(|model| f.debug_tuple("FakeHub").field(model).finish())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.with(|state| {
            state.shut_down = true;
            // The programs end when they notice that their instances are gone.
            state.network.restart(false);
        });
        self.shared.wake_all();
    }
}
