//! A model of a hub, without IO, clock or threads: it gets requests and the time, and returns
//! responses.
//!
#![doc = include_str!("model/rules.md")]

mod control_routes;
mod dispatch;
mod ends;
mod events;
mod exchange;
mod generation;
mod hub;
mod instance;
mod instance_routes;
mod items;
mod javascript;
mod log;
mod negotiate;
mod package;
mod pipe;
mod process;
mod process_context;
mod record;
mod reply;
mod routes;
mod sequences;
mod starts;
mod steps;
mod stream_routes;
mod text;
mod timer_events;
mod timers;
mod topics;
mod upload;
mod utf8;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::exchange::ExchangeId;
pub use self::generation::{Generation, Times};
pub use self::items::Item;
pub use self::package::Package;
pub use self::process::{Exit, Input, Message, Output, Program, ProgramSpec, ReadResult};
pub use self::process_context::ProcessContext;
pub use self::record::InstanceRecord;
pub use self::reply::{Piece, ResponseHead};
pub use self::steps::{Step, Steps};

use self::exchange::Exchange;
use self::instance::Instances;
use self::pipe::{PipeId, Pipes, Retention};
use self::sequences::{PendingDeletion, Sequence};
use self::text::IdGenerator;
use self::timer_events::TimerEvent;
use self::timers::Timers;
use self::topics::Topic;

/// The key of an instance. It is unique within a model, also if several instances have the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKey(u64);

/// A function that finds the program for an uploaded package.
type FindProgram = Arc<dyn Fn(&Package) -> Option<ProgramSpec> + Send + Sync>;

/// Options for a [`Model`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The generation of the hub.
    pub generation: Generation,
    /// The times that the hub takes.
    pub times: Times,
    /// The seed of the ids. The same seed gives the same ids.
    pub seed: u64,
    /// The time of the hub's start, since the beginning of 1970.
    pub epoch: Duration,
    /// If `true`, 1.x refuses a start if the sequence fails to load or its function fails at once.
    /// If `false`, the start succeeds, and the hub shows the instance as failed.
    ///
    /// Real hubs do both, depending on timing. 0.18 never refuses such a start.
    pub refuses_failed_starts: bool,
}

impl Settings {
    /// Returns the default settings of a generation, with times that were measured on real hubs.
    #[must_use]
    pub fn of(generation: Generation) -> Self {
        Self {
            generation,
            times: Times::of(generation),
            seed: 0,
            epoch: Duration::from_secs(1_795_462_331),
            refuses_failed_starts: true,
        }
    }
}

/// A hub without IO.
///
/// A driver passes requests and the time to it, and polls each exchange for its response:
///
/// ```
/// use std::time::Duration;
/// use http::Request;
/// use scramjet_client_testing::model::{Generation, Model, Piece, Settings};
///
/// let mut hub = Model::new(Settings::of(Generation::V1));
/// hub.advance(Duration::from_secs(1));
/// let id = hub.request(&Request::get("/api/v1/version").body(())?);
/// hub.end_upload(id);
/// let Piece::Head(head) = hub.poll(id) else { panic!("no answer") };
/// assert_eq!(head.status, 200);
/// let Piece::Body(body) = hub.poll(id) else { panic!("no body") };
/// assert!(String::from_utf8_lossy(&body).contains(r#""version":"1.0.1""#));
/// assert_eq!(hub.poll(id), Piece::End);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Model {
    generation: Generation,
    times: Times,
    refuses_failed_starts: bool,
    epoch: Duration,
    now: Duration,
    ids: IdGenerator,
    timers: Timers<TimerEvent>,
    exchanges: BTreeMap<ExchangeId, Exchange>,
    next_exchange: u64,
    pipes: Pipes,
    sequences: Vec<Sequence>,
    deletions: Vec<PendingDeletion>,
    /// `true` if the timer of the audit's heartbeat runs.
    audit_heartbeat: bool,
    instances: Instances,
    topics: Vec<Topic>,
    log: PipeId,
    audit: PipeId,
    programs: BTreeMap<String, ProgramSpec>,
    find_program: Option<FindProgram>,
    overloaded: bool,
    records: BTreeMap<InstanceKey, InstanceRecord>,
    /// The instances whose programs must be called.
    dirty: BTreeSet<InstanceKey>,
    /// `true` if anything may have changed since the last [`take_changed`](Self::take_changed).
    changed: bool,
}

impl Model {
    /// The base path of all routes.
    pub const BASE: &'static str = "/api/v1";

    /// Returns a hub that has just been started.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let mut pipes = Pipes::new(!settings.generation.is_v1());
        let log = pipes.add(Retention::History, 1 << 20);
        let audit = pipes.add(Retention::History, 1 << 20);
        let mut model = Self {
            generation: settings.generation,
            times: settings.times,
            refuses_failed_starts: settings.refuses_failed_starts,
            epoch: settings.epoch,
            now: Duration::ZERO,
            ids: IdGenerator::new(settings.seed),
            timers: Timers::default(),
            exchanges: BTreeMap::new(),
            next_exchange: 0,
            pipes,
            sequences: Vec::new(),
            deletions: Vec::new(),
            audit_heartbeat: false,
            instances: Instances::default(),
            topics: Vec::new(),
            log,
            audit,
            programs: BTreeMap::new(),
            find_program: None,
            overloaded: false,
            records: BTreeMap::new(),
            dirty: BTreeSet::new(),
            changed: true,
        };
        model.log_begin();
        model
    }

    /// Returns the generation of the hub.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Sets the program of the sequences whose `package.json` has this name.
    pub fn program(&mut self, name: &str, program: ProgramSpec) {
        self.programs.insert(name.to_owned(), program);
    }

    /// Sets a function that finds the program of packages with other names.
    pub fn find_programs(
        &mut self,
        find: impl Fn(&Package) -> Option<ProgramSpec> + Send + Sync + 'static,
    ) {
        self.find_program = Some(Arc::new(find));
    }

    /// Makes the hub refuse all starts with the status 419 (`true`), like a hub that is short of
    /// memory or disk space, or accept them again (`false`).
    pub fn set_overloaded(&mut self, overloaded: bool) {
        self.overloaded = overloaded;
    }

    /// Returns the time since the start of the hub.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Returns the time of the next timer; `None` if no timer runs.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// Advances the time to `now`, and handles all timers until then. An earlier time than the
    /// current one changes nothing.
    pub fn advance(&mut self, now: Duration) {
        while let Some((at, due)) = self.timers.take(now) {
            self.now = self.now.max(at);
            self.handle_timer(due);
            self.settle();
        }
        self.now = self.now.max(now);
    }

    /// Returns the ids of the instances whose processes run.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        let alive = self.instances.iter().filter(|instance| !instance.is_dead());
        alive.map(|instance| instance.id.clone()).collect()
    }

    /// Returns the ids of the sequences.
    #[must_use]
    pub fn sequences(&self) -> Vec<String> {
        self.sequences
            .iter()
            .map(|sequence| sequence.id.clone())
            .collect()
    }

    /// Calls a function with the process of an instance, as its program would. Returns `None` if
    /// the hub has forgotten the instance.
    pub fn with_process<T>(
        &mut self,
        key: InstanceKey,
        act: impl FnOnce(&mut ProcessContext<'_>) -> T,
    ) -> Option<T> {
        self.instances.get(key)?;
        let result = act(&mut ProcessContext { model: self, key });
        self.changed = true;
        self.settle();
        Some(result)
    }

    /// Returns the key of the instance with this id, if the hub lists it.
    #[must_use]
    pub fn instance(&self, id: &str) -> Option<InstanceKey> {
        self.instances.find(id).map(|instance| instance.key)
    }

    /// Ends the process of an instance from outside, like `SIGKILL`.
    pub fn crash(&mut self, key: InstanceKey) {
        self.process_ended(key, instance::ProcessEnd::Exited);
        self.settle();
    }

    /// Restarts the hub. All connections, processes and streams are lost, and also the sequences
    /// unless `keep_sequences` is set. Real hubs keep sequences if `identifyExisting` is
    /// configured.
    pub fn restart(&mut self, keep_sequences: bool) {
        for id in self.exchanges.keys().copied().collect::<Vec<_>>() {
            self.cut(id);
        }
        for key in self.instances.keys() {
            self.instances.remove(key);
            let record = self
                .records
                .get_mut(&key)
                .filter(|record| record.ended.is_none());
            record
                .into_iter()
                .for_each(|record| record.ended = Some(self.now));
        }
        if !keep_sequences {
            self.sequences.clear();
        }
        self.timers = Timers::default();
        self.deletions.clear();
        self.topics.clear();
        self.dirty.clear();
        self.audit_heartbeat = false;
        self.pipes = Pipes::new(!self.generation.is_v1());
        self.log = self.pipes.add(Retention::History, 1 << 20);
        self.audit = self.pipes.add(Retention::History, 1 << 20);
        self.log_begin();
    }

    /// Returns `true` if anything may have changed since the last call. If nothing has changed, a
    /// driver that waits for an exchange need not poll it.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Makes the next [`take_changed`](Self::take_changed) return `true`.
    pub fn set_changed(&mut self) {
        self.changed = true;
    }

    /// Calls programs until none has anything left to do.
    fn settle(&mut self) {
        self.changed = true;
        while let Some(key) = self.dirty.pop_first() {
            let Some(instance) = self.instances.get_mut(key) else {
                continue;
            };
            if instance.runner.hangs || instance.state != instance::ProcessState::Running {
                continue;
            }
            let Some(mut program) = instance.runner.program.take() else {
                continue;
            };
            program.run(&mut ProcessContext { model: self, key });
            if let Some(instance) = self.instances.get_mut(key) {
                if !instance.is_dead() {
                    instance.runner.program = Some(program);
                }
            }
        }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("generation", &self.generation)
            .field("now", &self.now)
            .field("sequences", &self.sequences())
            .field("running", &self.running())
            .field("exchanges", &self.exchanges.len())
            .finish_non_exhaustive()
    }
}
