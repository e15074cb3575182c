//! Starts an instance on one of several hubs, and ends many.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Duration;

use scramjet_client_core::{GetLoadCheck, LoadCheck, RequestError, StartOptions};

use super::options::{Placement, PoolOptions};
use crate::call::options::CallOptions;
use crate::client::kill;
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::handles::sequence::SequenceClient;
use crate::support::panics::ignore_panic;
use crate::support::sync::{into_inner, lock};
use crate::support::threads;

/// How long a hub has to tell its load: it takes half a second for it at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many instances are stopped or killed at the same time, each on a thread.
const WORKERS: usize = 32;

impl PoolOptions {
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

/// Does something with all instances, several at the same time. Returns the results in their order.
pub(super) fn for_all<T: Send>(
    instances: Vec<InstanceClient>,
    act: impl Fn(InstanceClient) -> T + Sync,
) -> std::thread::Result<Vec<T>> {
    let workers = instances.len().min(WORKERS);
    let left = Mutex::new(instances.into_iter().enumerate());
    let done = Mutex::new(BTreeMap::new());
    let next = || lock(&left).next();
    let finished = threads::share(workers, || {
        while let Some((place, instance)) = next() {
            // The others get their turns, too.
            let result = catch_unwind(AssertUnwindSafe(|| act(instance)));
            let mut done = lock(&done);
            done.insert(place, result);
        }
    });
    let done = into_inner(done);
    finished.and_then(|()| done.into_values().collect())
}

/// Kills these instances. Nobody is told of a failure.
pub(super) fn kill_all(instances: Vec<InstanceClient>) {
    let kill = |instance: InstanceClient| kill::kill(&instance.host.client, instance.id());
    // A panic of the caller's transport must not meet another one.
    ignore_panic(for_all(instances, |instance| drop(kill(instance))));
}
