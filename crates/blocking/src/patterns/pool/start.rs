use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use scramjet_client_core::{RequestError, StartOptions};

use super::bell::Bell;
use super::members::{Shared, Slot};
use super::options::PoolOptions;
use super::place::{kill_all, least, options_of};
use super::{InstancePool, watch};
use crate::call::context::CallContext;
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::handles::sequence::SequenceClient;
use crate::limits::cancel::CancelToken;
use crate::support::sync::{into_inner, lock};
use crate::support::threads;

impl PoolOptions {
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
        let lock = || lock(&launch);
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
        } = into_inner(launch);
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
        let about = || CallContext::without_request("start pool");
        self.watching
            .push(thread.map_err(|error| about().failed(error))?);
        Ok(())
    }
}
