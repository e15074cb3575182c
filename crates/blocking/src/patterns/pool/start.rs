use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use scramjet_client_core::StartOptions;

use crate::call::context::CallContext;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::handles::host::HostClient;
use crate::handles::instance::InstanceClient;
use crate::handles::sequence::SequenceClient;
use crate::limits::cancel::CancelToken;
use crate::patterns::pool::InstancePool;
use crate::patterns::pool::members::{Shared, Slot};
use crate::patterns::pool::options::PoolOptions;
use crate::patterns::pool::parallel::kill_all;
use crate::patterns::pool::placement::{least_loaded, limits_of, no_sequence};
use crate::patterns::pool::replace::replace;
use crate::patterns::pool::signal::Signal;
use crate::patterns::pool::watch::watch;
use crate::support::sync::{into_inner, lock};
use crate::support::threads;

impl PoolOptions {
    /// Starts the pool, and returns when all its instances have started or are
    /// [ready](Self::readiness).
    ///
    /// To use several hubs, upload the package to each, and pass all sequences. The function
    /// `start` returns the options for an instance. Its argument is the index of the instance, from
    /// 0. A replacement gets the index of the instance that it replaces.
    ///
    /// The limits of the first sequence's handle apply to the start as a whole. Later calls to an
    /// instance use the limits of the handle for its hub.
    ///
    /// # Errors
    /// - [`ErrorKind::Request`] if there is no sequence.
    /// - [`ErrorKind::Thread`] if a thread could not be created.
    /// - Otherwise the first error of starting an instance.
    ///
    /// After an error, the client kills the instances that it has started. It does the same if
    /// `start` panics.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use scramjet_client_blocking::{HostClient, PoolOptions, Readiness, StartOptions};
    ///
    /// let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("an-id")?;
    /// let pool = PoolOptions::new(4)
    ///     .concurrency(2)
    ///     .readiness(Readiness::event("ready").timeout(Duration::from_secs(30)))
    ///     .replace(true)
    ///     .start([sequence], |index| StartOptions::new().arg(index))?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn start(
        self,
        sequences: impl IntoIterator<Item = SequenceClient>,
        start: impl Fn(usize) -> StartOptions + Send + Sync + 'static,
    ) -> Result<InstancePool, Error> {
        let sequences: Vec<_> = sequences.into_iter().collect();
        let Some(first) = sequences.first() else {
            return Err(no_sequence().into());
        };
        let limits = first.fix_deadline().host.client.options;
        let limited: Vec<_> = sequences
            .iter()
            .map(|sequence| {
                let mut sequence = sequence.clone();
                sequence.host.client.options = limits.clone();
                sequence
            })
            .collect();
        let instances = self.start_all(&limited, &start)?;
        // The limits of the start do not apply to later calls.
        let slot = |mut instance: InstanceClient| {
            instance.host.client.options = limits_of(&sequences, &instance);
            Slot::new(instance)
        };
        let slots = instances.into_iter().map(slot).collect();
        let mut hosts: Vec<HostClient> = Vec::new();
        for host in sequences.iter().map(SequenceClient::host) {
            if !hosts
                .iter()
                .any(|other| other.base_url() == host.base_url())
            {
                hosts.push(host.clone());
            }
        }
        let replaces = self.replace;
        let shared = Arc::new(Shared {
            slots,
            turn: AtomicUsize::new(0),
            sequences,
            options: self,
            start: Box::new(start),
            closed: CancelToken::new(),
            available: Signal::default(),
            lost: Signal::default(),
            replace_error: Mutex::default(),
        });
        // If a thread cannot be created, dropping the pool kills the instances.
        let mut pool = InstancePool {
            shared,
            threads: Vec::new(),
        };
        for host in hosts {
            pool.spawn(move |shared| watch(shared, &host))?;
        }
        if replaces {
            pool.spawn(replace)?;
        }
        Ok(pool)
    }

    /// Starts all instances, and returns them in the order of their indexes. After an error, kills
    /// those that have started.
    fn start_all(
        &self,
        sequences: &[SequenceClient],
        start: &(impl Fn(usize) -> StartOptions + Sync),
    ) -> Result<Vec<InstanceClient>, Error> {
        let next_index = AtomicUsize::new(0);
        let launch = Mutex::<Launch<'_>>::default();
        let lock = || lock(&launch);
        let work = || {
            loop {
                let index = next_index.fetch_add(1, Ordering::Relaxed);
                if index >= self.count || lock().failure.is_some() {
                    return;
                }
                let choose = |loads: &[_]| lock().choose(loads);
                // If the caller's function panics, the other instances must be killed.
                let started = catch_unwind(AssertUnwindSafe(|| start(index)))
                    .map_err(StartFailure::Panic)
                    .and_then(|options| {
                        Ok(self.start_one(self.choose(sequences, index, choose)?, &options)?)
                    });
                match started {
                    Ok(instance) => lock().insert(index, instance),
                    Err(failure) => drop(lock().failure.get_or_insert(failure)),
                }
            }
        };
        // If the caller's transport panics, the other instances must be killed as well.
        if let Err(panic) = threads::share(self.concurrency.min(self.count), &work) {
            lock().failure.get_or_insert(StartFailure::Panic(panic));
        }
        let launch = into_inner(launch);
        let instances: Vec<_> = launch.started.into_iter().flatten().collect();
        let Some(failure) = launch.failure else {
            return Ok(instances);
        };
        kill_all(instances);
        match failure {
            StartFailure::Error(error) => Err(error),
            StartFailure::Panic(panic) => resume_unwind(panic),
        }
    }
}

/// State of the threads that start a pool.
#[derive(Default)]
struct Launch<'a> {
    /// The instances that have started, by their indexes.
    started: Vec<Option<InstanceClient>>,
    /// Hub of each instance, including those that are still starting.
    used_hubs: Vec<&'a str>,
    failure: Option<StartFailure>,
}

enum StartFailure {
    Error(Error),
    Panic(Box<dyn Any + Send>),
}

impl From<Error> for StartFailure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl<'a> Launch<'a> {
    fn insert(&mut self, index: usize, instance: InstanceClient) {
        if self.started.len() <= index {
            self.started.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.started.get_mut(index) {
            *slot = Some(instance);
        }
    }

    fn choose(&mut self, loads: &[(f64, &'a SequenceClient)]) -> Option<&'a SequenceClient> {
        let sequence = least_loaded(loads, &self.used_hubs)?;
        self.used_hubs.push(sequence.host().base_url());
        Some(sequence)
    }
}

impl InstancePool {
    fn spawn(&mut self, work: impl FnOnce(&Shared) + Send + 'static) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let thread = threads::spawn("scramjet-pool", move || work(&shared));
        let call = || CallContext::without_request("start pool");
        self.threads
            .push(thread.map_err(|error| call().failed(error))?);
        Ok(())
    }
}
