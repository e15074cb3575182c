//! Chooses the hub on which a pool starts an instance.

use std::time::Duration;

use scramjet_client_core::{GetLoadCheck, LoadCheck, RequestError, StartOptions};

use crate::call::options::CallOptions;
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::handles::sequence::SequenceClient;
use crate::patterns::pool::options::{Placement, PoolOptions};

/// Time that a hub has to report its load. It needs up to half a second.
const LOAD_CHECK_TIMEOUT: Duration = Duration::from_secs(5);

impl PoolOptions {
    /// Chooses the sequence, and so the hub, for the instance with this index. For
    /// [`Placement::LeastLoaded`], `pick` chooses among the hubs that have reported their load.
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
        sequence.ok_or_else(|| no_sequence().into())
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

pub(super) fn no_sequence() -> RequestError {
    RequestError::option("sequences", "at least one sequence is required")
}

/// Returns the limits for an instance of the pool: those of the handle of the sequence on its hub.
pub(super) fn limits_of(sequences: &[SequenceClient], instance: &InstanceClient) -> CallOptions {
    let hub = instance.host().base_url();
    sequences
        .iter()
        .find(|sequence| sequence.host().base_url() == hub)
        .map_or_else(CallOptions::default, |sequence| {
            sequence.host.client.options.clone()
        })
}

/// Requests the load of each hub. Leaves out hubs that fail.
///
/// # Errors
/// The first error, if all hubs fail.
fn loads(sequences: &[SequenceClient]) -> Result<Vec<(f64, &SequenceClient)>, Error> {
    let mut first_error = None;
    let mut loads = Vec::new();
    for sequence in sequences {
        let client = sequence.host.client.tightened(Some(LOAD_CHECK_TIMEOUT));
        match client.call(&GetLoadCheck) {
            Ok(load) => loads.push((current_load(&load), sequence)),
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    match first_error {
        Some(error) if loads.is_empty() => Err(error),
        _ => Ok(loads),
    }
}

fn current_load(load: &LoadCheck) -> f64 {
    let current = load.cpu_percent.or(load.load_average);
    current.unwrap_or(load.avg_load)
}

/// Returns the sequence whose hub has the least load. If loads are equal, counts how often each hub
/// is in `used_hubs`, and takes the one with the lowest count.
pub(super) fn least_loaded<'a>(
    loads: &[(f64, &'a SequenceClient)],
    used_hubs: &[&str],
) -> Option<&'a SequenceClient> {
    let count = |sequence: &SequenceClient| {
        let hub = sequence.host().base_url();
        used_hubs.iter().filter(|used| **used == hub).count()
    };
    let least = loads.iter().min_by(|(one, first), (other, second)| {
        one.total_cmp(other)
            .then_with(|| count(first).cmp(&count(second)))
    });
    least.map(|(_, sequence)| *sequence)
}
