use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use scramjet_client_core::{GetLoadCheck, LoadCheck, RequestError, StartOptions};

use super::{Bell, InstancePool, Shared, Slot, for_all, watch};
use crate::call::CallContext;
use crate::options::CallOptions;
use crate::user_code::ignore_panic;
use crate::{CancelToken, Error, InstanceClient, Readiness, SequenceClient, kill, threads};

/// How long a hub has to tell its load: it takes half a second for it at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// How an [`InstancePool`] is to be.
#[derive(Clone, Debug)]
#[must_use]
pub struct PoolOptions {
    count: usize,
    at_once: usize,
    readiness: Option<Readiness>,
    replace: bool,
    placement: Placement,
}

/// On which of several hubs an instance is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placement {
    /// On each in turn.
    #[default]
    RoundRobin,
    /// On the one that says the least load (`GET /load-check` before each start, of which one that does not answer within 5 seconds is
    /// left out); of equals, on the one with the fewest instances of the pool. For hubs of one generation: what they call their load differs.
    LeastLoaded,
}

impl PoolOptions {
    /// A pool of so many instances.
    pub fn new(count: usize) -> Self {
        Self {
            count,
            at_once: 1,
            readiness: None,
            replace: false,
            placement: Placement::RoundRobin,
        }
    }

    /// Starts so many at the same time, each on a thread. One after another by default, and if threads
    /// cannot be created.
    pub fn concurrency(self, at_once: usize) -> Self {
        Self {
            at_once: at_once.max(1),
            ..self
        }
    }

    /// Waits for each until it is ready. Where it is not said, an instance counts as ready when the hub says that it has started.
    pub fn readiness(self, readiness: Readiness) -> Self {
        Self {
            readiness: Some(readiness),
            ..self
        }
    }

    /// Starts another instance in the place of one that has ended.
    pub fn replace(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// Returns true if instances that have ended are replaced.
    pub(super) fn replaces(&self) -> bool {
        self.replace
    }

    /// On which of several hubs instances are started.
    pub fn placement(self, placement: Placement) -> Self {
        Self { placement, ..self }
    }

    /// Starts the pool: with the options that the function makes for each place, from 0, on the hubs of these sequences (the same package,
    /// uploaded to each hub). The limits of the first sequence's handle hold for the whole of it.
    ///
    /// # Errors
    /// See [`Error`]. Where one instance cannot be started, or the function panics, those that were are killed.
    pub fn start(
        self,
        sequences: impl IntoIterator<Item = SequenceClient>,
        start: impl Fn(usize) -> StartOptions + Send + Sync + 'static,
    ) -> Result<InstancePool, Error> {
        let sequences: Vec<_> = sequences.into_iter().collect();
        let Some(limits) = sequences
            .first()
            .map(|first| first.fix_deadline().host.client.options)
        else {
            return Err(
                RequestError::option("sequences", "at least one sequence is required").into(),
            );
        };
        let begun: Vec<_> = sequences
            .iter()
            .map(|sequence| {
                let mut sequence = sequence.clone();
                sequence.host.client.options = limits.clone();
                sequence
            })
            .collect();
        let instances = self.start_all(&begun, &start)?;
        // The limits of the start end with it.
        let own = |mut instance: InstanceClient| {
            instance.host.client.options = options_of(&sequences, &instance);
            Slot::new(instance)
        };
        let slots = instances.into_iter().map(own).collect();
        let over = CancelToken::new();
        let replaces = self.replace;
        let hosts: BTreeMap<_, _> = sequences
            .iter()
            .map(|sequence| {
                (
                    sequence.host().base_url().to_owned(),
                    sequence.host().clone(),
                )
            })
            .collect();
        let shared = Arc::new(Shared {
            slots,
            turn: AtomicUsize::new(0),
            sequences,
            options: self,
            start: Box::new(start),
            over,
            free: Bell::default(),
            lost: Bell::default(),
            failure: Mutex::default(),
        });
        // Dropped where a thread cannot be had, and with it all instances.
        let mut pool = InstancePool {
            shared,
            watching: Vec::new(),
        };
        for host in hosts.into_values() {
            pool.look_after(move |shared| watch::watch(shared, &host))?;
        }
        if replaces {
            pool.look_after(watch::replace)?;
        }
        Ok(pool)
    }

    /// All instances, in the order of their places; or the first error, and none.
    fn start_all(
        &self,
        sequences: &[SequenceClient],
        start: &(impl Fn(usize) -> StartOptions + Sync),
    ) -> Result<Vec<InstanceClient>, Error> {
        let place = AtomicUsize::new(0);
        let launch = Mutex::<Launch<'_>>::default();
        let lock = || launch.lock().unwrap_or_else(PoisonError::into_inner);
        let work = || {
            loop {
                let index = place.fetch_add(1, Ordering::Relaxed);
                if index >= self.count || lock().failure.is_some() {
                    return;
                }
                let choose = |loads: &[_]| lock().choose(loads);
                // What was started before must not be left behind by a panic of the caller's function.
                let started = catch_unwind(AssertUnwindSafe(|| start(index)))
                    .map_err(Failure::Panic)
                    .and_then(|options| {
                        Ok(self.start_one(self.choose(sequences, index, choose)?, &options)?)
                    });
                match started {
                    Ok(instance) => drop(lock().started.insert(index, instance)),
                    Err(failure) => drop(lock().failure.get_or_insert(failure)),
                }
            }
        };
        // A panic of the caller's transport: those that were started are killed all the same.
        if let Err(panic) = threads::share(self.at_once.min(self.count), work) {
            lock().failure.get_or_insert(Failure::Panic(panic));
        }
        let Launch {
            started, failure, ..
        } = launch.into_inner().unwrap_or_else(PoisonError::into_inner);
        let instances: Vec<_> = started.into_values().collect();
        let Some(failure) = failure else {
            return Ok(instances);
        };
        kill_all(instances);
        match failure {
            Failure::Error(error) => Err(error),
            Failure::Panic(panic) => resume_unwind(panic),
        }
    }

    /// The sequence of the hub on which this place is to be. `pick` has the choice of those that answer.
    pub(super) fn choose<'a>(
        &self,
        sequences: &'a [SequenceClient],
        index: usize,
        pick: impl FnOnce(&[(f64, &'a SequenceClient)]) -> Option<&'a SequenceClient>,
    ) -> Result<&'a SequenceClient, Error> {
        let sequence = match self.placement {
            Placement::RoundRobin => index
                .checked_rem(sequences.len())
                .and_then(|hub| sequences.get(hub)),
            Placement::LeastLoaded => pick(&loads(sequences)?),
        };
        sequence.ok_or_else(|| {
            RequestError::option("sequences", "at least one sequence is required").into()
        })
    }

    pub(super) fn start_one(
        &self,
        sequence: &SequenceClient,
        options: &StartOptions,
    ) -> Result<InstanceClient, Error> {
        match &self.readiness {
            None => sequence.start_owned(options),
            Some(readiness) => Ok(sequence.start_and_wait(options, readiness)?.instance),
        }
    }
}

/// A pool that is being started.
#[derive(Default)]
struct Launch<'a> {
    started: BTreeMap<usize, InstanceClient>,
    /// The hubs of all places that were begun, also of those that are still starting.
    hubs: Vec<&'a str>,
    failure: Option<Failure>,
}

enum Failure {
    Error(Error),
    Panic(Box<dyn Any + Send>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl<'a> Launch<'a> {
    fn choose(&mut self, loads: &[(f64, &'a SequenceClient)]) -> Option<&'a SequenceClient> {
        let sequence = least(loads, &self.hubs)?;
        self.hubs.push(sequence.host().base_url());
        Some(sequence)
    }
}

impl InstancePool {
    fn look_after(&mut self, work: impl FnOnce(&Shared) + Send + 'static) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let thread = threads::spawn("scramjet-pool", move || work(&shared));
        let about = || CallContext::in_general("start pool");
        self.watching
            .push(thread.map_err(|error| about().failed(error))?);
        Ok(())
    }
}

/// The limits of an instance of the pool: those of the handle that it was started by.
pub(super) fn options_of(sequences: &[SequenceClient], instance: &InstanceClient) -> CallOptions {
    let of_its_hub =
        |sequence: &&SequenceClient| sequence.host().base_url() == instance.host().base_url();
    sequences
        .iter()
        .find(of_its_hub)
        .map_or_else(CallOptions::default, |sequence| {
            sequence.host.client.options.clone()
        })
}

/// What the hubs say of their load; an error where none does.
fn loads(sequences: &[SequenceClient]) -> Result<Vec<(f64, &SequenceClient)>, Error> {
    let mut failed = None;
    let mut loads = Vec::new();
    for sequence in sequences {
        match sequence
            .host
            .client
            .tightened(Some(PATIENCE))
            .call(&GetLoadCheck)
        {
            Ok(load) => loads.push((current(&load), sequence)),
            Err(error) => drop(failed.get_or_insert(error)),
        }
    }
    match failed {
        Some(error) if loads.is_empty() => Err(error),
        _ => Ok(loads),
    }
}

fn current(load: &LoadCheck) -> f64 {
    let told = load.cpu_percent.or(load.load_average);
    told.unwrap_or(load.avg_load)
}

/// Of equals the one that is found least among the hubs of the pool's other instances.
pub(super) fn least<'a>(
    loads: &[(f64, &'a SequenceClient)],
    hubs: &[&str],
) -> Option<&'a SequenceClient> {
    let count = |sequence: &SequenceClient| {
        hubs.iter()
            .filter(|hub| **hub == sequence.host().base_url())
            .count()
    };
    let least = loads.iter().min_by(|(one, first), (other, second)| {
        one.total_cmp(other)
            .then_with(|| count(first).cmp(&count(second)))
    });
    least.map(|(_, sequence)| *sequence)
}

/// Kills these instances. Nobody is told of a failure.
pub(super) fn kill_all(instances: Vec<InstanceClient>) {
    let kill = |instance: InstanceClient| kill::kill(&instance.host.client, instance.id());
    // A panic of the caller's transport must not meet another one.
    ignore_panic(for_all(instances, |instance| drop(kill(instance))));
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RoundRobin => "round robin",
            Self::LeastLoaded => "least loaded",
        })
    }
}
