//! Distributes jobs over the instances of a pool.

mod job_runner;
pub(crate) mod options;
mod worker;

use std::fmt;
use std::iter::FusedIterator;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Instant;

use scramjet_client_core::{JsonLines, ReplyError, RequestError, TextLines};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::limits::cancel::OnCancel;
use crate::patterns::channel::codec::{Format, decode, encode_json, encode_line};
use crate::patterns::pool::InstancePool;
use crate::patterns::pool::map::job_runner::JobRunner;
use crate::patterns::pool::map::options::MapOptions;
use crate::patterns::pool::members::Shared;
use crate::support::panics::in_drop;
use crate::support::threads;
use crate::transport::error::Phase;

/// An iterator over the results of jobs, each with the index of its job, from 0. Made by
/// [`InstancePool::map`].
///
/// Each job has exactly one result: a value or an error. After a deadline or a cancellation, the
/// client takes no more jobs. The unfinished jobs fail. If the jobs had not ended, there is one
/// more error, with the index of the next job. Then the iterator ends.
///
/// Dropping the iterator cancels all jobs in progress. The pool does not use an instance again if
/// its response to a job is outstanding.
///
/// # Panics
/// If the iterator of the jobs, the progress callback or the decoding panics,
/// [`next`](Iterator::next) panics as well. A panic of the iterator comes after the results of all
/// earlier jobs.
#[must_use = "iterators are lazy, and dropping this cancels the jobs"]
pub struct Map<R> {
    runner: Arc<JobRunner<R>>,
    _hook: OnCancel,
}

impl InstancePool {
    /// Runs many jobs on the instances of the pool, and returns an iterator over the results. Each
    /// job is a line of JSON, and so is each response. [`Channel`](crate::Channel) describes what
    /// the sequence must do.
    ///
    /// A separate thread takes the jobs from the iterator, which may therefore block without
    /// delaying results. The thread pauses while it is `4 × instances × depth` jobs ahead of the
    /// results that you have taken. The depth is 1, or the value of [`MapOptions::pipelined`].
    ///
    /// In addition, there is one thread for each instance of the pool. It
    /// [checks out](Self::checkout) an instance, opens a channel, and keeps both as long as there
    /// are jobs.
    ///
    /// The deadline and the cancel token of the first sequence's handle apply to the whole map. The
    /// idle timeout of a sequence's handle applies to each response of its instances.
    ///
    /// # Deadlocks
    /// A second map on the same pool waits until the first one returns an instance. Do not use the
    /// iterator of one map as the jobs of another, and do not start a map in a progress callback:
    /// both block forever. Take all results of the first map before you start the second one.
    ///
    /// # Errors
    /// [`ErrorKind::Thread`] if a thread could not be created. [`ErrorKind::Deadline`] or
    /// [`ErrorKind::Cancelled`] if a limit was already reached.
    ///
    /// If a job fails, its result is the error of the attempt, or [`ErrorKind::Attempts`] after
    /// several attempts. In particular:
    /// - [`ErrorKind::Request`]: the job cannot be encoded as a line of JSON.
    /// - [`ErrorKind::Reply`]: the response cannot be decoded.
    /// - [`ErrorKind::NoInstance`]: no instance is left.
    ///
    /// ```no_run
    /// use scramjet_client_blocking::{Error, InstancePool, MapOptions};
    ///
    /// fn lengths(pool: &InstancePool, words: Vec<String>) -> Result<(), Error> {
    ///     for (index, length) in pool.map::<String, usize>(words, MapOptions::new())? {
    ///         match length {
    ///             Ok(length) => println!("{index}: {length}"),
    ///             Err(error) => println!("{index}: {error}"),
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn map<J, R>(
        &self,
        jobs: impl IntoIterator<Item = J, IntoIter: Send + 'static>,
        options: MapOptions,
    ) -> Result<Map<R>, Error>
    where
        J: Serialize,
        R: DeserializeOwned + Send + 'static,
    {
        let encode = |job: J| encode_json(&job);
        let decode = decode::<JsonLines<R>>;
        Map::start(&self.shared, jobs, encode, decode, Format::Json, options)
    }

    /// Runs many jobs like [`map`](Self::map). Job and result are each a line of text.
    ///
    /// # Errors
    /// Like [`map`](Self::map).
    pub fn map_lines<J: AsRef<str>>(
        &self,
        jobs: impl IntoIterator<Item = J, IntoIter: Send + 'static>,
        options: MapOptions,
    ) -> Result<Map<String>, Error> {
        let encode = |job: J| encode_line(job.as_ref());
        let decode = decode::<TextLines>;
        Map::start(&self.shared, jobs, encode, decode, Format::Text, options)
    }
}

impl<R: Send + 'static> Map<R> {
    fn start<J>(
        pool: &Arc<Shared>,
        jobs: impl IntoIterator<Item = J, IntoIter: Send + 'static>,
        encode: impl Fn(J) -> Result<Vec<u8>, RequestError> + Send + 'static,
        decode: fn(&[u8]) -> Result<R, ReplyError>,
        format: Format,
        options: MapOptions,
    ) -> Result<Self, Error> {
        let mut jobs = jobs.into_iter();
        let total = match jobs.size_hint() {
            (least, Some(most)) if least == most => Some(most),
            _ => None,
        };
        let runner = Arc::new(JobRunner::new(pool, format, decode, options, total)?);
        let weak = Arc::downgrade(&runner);
        let hook = runner.cancel.on_cancel(move || {
            // Takes the lock, so that a thread that has just checked the token does not miss this.
            let wake = |runner: Arc<JobRunner<R>>| runner.change(|_| ());
            weak.upgrade().into_iter().for_each(wake);
        });
        // If a thread cannot be created, dropping the map ends the others.
        let map = Self {
            runner,
            _hook: hook,
        };
        for _ in 0..map.runner.workers {
            let runner = Arc::clone(&map.runner);
            let work = move || runner.stop_on_panic(|| runner.work());
            map.spawn("scramjet-map", work)?;
        }
        let runner = Arc::clone(&map.runner);
        map.spawn("scramjet-jobs", move || {
            let next = || jobs.next().map(&encode);
            let taken = catch_unwind(AssertUnwindSafe(|| runner.take_jobs(next)));
            runner.change(|state| match taken {
                Ok(exhausted) => state.exhausted = exhausted,
                Err(panic) => {
                    state.exhausted = true;
                    state.panic = Some(panic).filter(|_| !state.stopped);
                }
            });
        })?;
        Ok(map)
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        threads::start(name, work).map_err(|error| self.runner.call.failed(error))
    }
}

impl<R> Iterator for Map<R> {
    type Item = (usize, Result<R, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        let runner = &*self.runner;
        let mut state = runner.state.lock();
        loop {
            let result = match runner.in_order {
                true => {
                    let next = state.handed_out;
                    state.results.remove(&next)
                }
                false => state.results.pop_first().map(|(_, result)| result),
            };
            if result.is_some() {
                state.handed_out += 1;
                drop(state);
                runner.state.notify();
                return result;
            }
            if state.stopped || state.finished == state.taken {
                if let Some(panic) = state.panic.take() {
                    state.stopped = true;
                    drop(state);
                    resume_unwind(panic);
                }
                if state.stopped || state.exhausted {
                    return None;
                }
                if let Err(reason) = runner.call.limits.check() {
                    // No more jobs are taken. The next job gets this error.
                    state.stopped = true;
                    let error = runner.call.stopped(reason, Phase::Connect);
                    return Some((state.taken, Err(error)));
                }
            }
            let deadline = runner
                .call
                .limits
                .deadline
                .filter(|at| *at > Instant::now());
            state = runner.state.wait(state, deadline);
        }
    }
}

impl<R> FusedIterator for Map<R> {}

impl<R> Drop for Map<R> {
    fn drop(&mut self) {
        // Threads that have finished all jobs close their channels themselves.
        if !self.runner.state.lock().is_finished() {
            in_drop(|| self.runner.stop(None));
        }
    }
}

impl<R> fmt::Debug for Map<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.runner.state.lock();
        f.debug_struct("Map")
            .field("taken", &state.taken)
            .field("finished", &state.finished)
            .finish_non_exhaustive()
    }
}
