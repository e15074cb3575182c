//! Many jobs for the instances of a pool.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::iter::FusedIterator;
use std::mem::{forget, take};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use scramjet_client_core::{JsonLines, ReplyError, RequestError, TextLines};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::InstancePool;
use super::checkout::{self, Checkout};
use super::members::Shared;
use crate::call::context::CallContext;
use crate::call::options::CallOptions;
use crate::error::{Error, ErrorKind};
use crate::handles::instance::InstanceClient;
use crate::limits::cancel::{CancelToken, OnCancel};
use crate::patterns::channel::lines::{Format, LineChannel};
use crate::patterns::channel::{decode, encode_json, encode_line};
use crate::support::panics::in_drop;
use crate::support::sync::{lock, wait};
use crate::support::threads;
use crate::transport::error::Phase;

/// So many jobs are taken for each one that an instance may have, before results are handed out.
const WINDOW: usize = 4;

/// Options for [`InstancePool::map`].
#[derive(Default)]
#[must_use]
pub struct MapOptions {
    attempts: Option<usize>,
    depth: Option<usize>,
    in_order: bool,
    progress: Option<Report>,
}

type Report = Box<dyn FnMut(&MapProgress) + Send>;

/// The progress of a [`Map`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapProgress {
    /// The number of jobs that have a result, those that failed included.
    pub finished: usize,
    /// The number of jobs whose result is an error.
    pub failed: usize,
    /// The number of all jobs, if their iterator tells it.
    pub total: Option<usize>,
}

impl MapOptions {
    /// Two attempts for each job, one job at a time for each instance, results as they come.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tries a job so many times in all, on another instance each time: if the instance ends, its
    /// connection is lost, or no answer comes within the idle timeout. 2 by default; 1 for jobs
    /// that must not be carried out twice.
    pub fn max_attempts(self, attempts: usize) -> Self {
        Self {
            attempts: Some(attempts.max(1)),
            ..self
        }
    }

    /// Sends so many jobs to an instance before the first of them is answered. 1 by default. More
    /// is faster if jobs are short, as long as the instance answers in order.
    ///
    /// If an instance ends, only the oldest of its jobs counts an attempt; the others are tried
    /// again in any case.
    pub fn pipelined(self, depth: usize) -> Self {
        Self {
            depth: Some(depth.max(1)),
            ..self
        }
    }

    /// Hands out the results in the order of the jobs. As they come by default.
    pub fn in_order(self, in_order: bool) -> Self {
        Self { in_order, ..self }
    }

    /// Calls this after each job, on any thread, one call at a time.
    pub fn on_progress(self, report: impl FnMut(&MapProgress) + Send + 'static) -> Self {
        Self {
            progress: Some(Box::new(report)),
            ..self
        }
    }
}

impl fmt::Debug for MapOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapOptions")
            .field("attempts", &self.attempts)
            .field("depth", &self.depth)
            .field("in_order", &self.in_order)
            .finish_non_exhaustive()
    }
}

/// The results of jobs that the instances of a pool do, each with the number of its job, from 0.
/// Made by [`InstancePool::map`].
///
/// Each job has exactly one result, a value or an error. Dropping it ends what is under way;
/// instances that still have a job to answer are passed over.
///
/// A panic of the caller's iterator, of its progress callback or in decoding comes out of
/// [`next`](Iterator::next): that of the iterator after the results of all jobs before it.
#[must_use = "iterators are lazy, and dropping this ends the jobs"]
pub struct Map<R> {
    work: Arc<Work<R>>,
    _waking: OnCancel,
}

impl InstancePool {
    /// Does many jobs, each a line of JSON for an instance of the pool, which answers with a line
    /// of JSON: returns an iterator of the results. See [`Channel`](crate::Channel) for what the
    /// sequence has to do.
    ///
    /// A thread for each place of the pool checks out an instance and opens a channel, which it
    /// keeps as long as there are jobs. Another thread takes the jobs from the iterator, at most
    /// four times as many as fit into the instances beyond what was handed out. It may block
    /// without holding up results.
    ///
    /// A second map of the same pool waits until the first one gives an instance back. So take the
    /// results of one map to their end before they become the jobs of another, and start no map from
    /// a progress callback: both would wait for ever.
    ///
    /// The deadline and the token of the first sequence's handle hold for the whole of it, the idle
    /// timeout of a sequence's handle for each answer of its instances.
    ///
    /// # Errors
    /// A thread could not be created. Of a job: that of the last attempt, or
    /// [`ErrorKind::Attempts`] if there were several, [`ErrorKind::Reply`] if the answer cannot be
    /// decoded, [`ErrorKind::Request`] if the job is no line of JSON, [`ErrorKind::NoInstance`] if
    /// no instance is left.
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

    /// Does many jobs, each a line of text. Like [`map`](Self::map).
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

struct Work<R> {
    pool: Arc<Shared>,
    format: Format,
    decode: fn(&[u8]) -> Result<R, ReplyError>,
    attempts: usize,
    depth: usize,
    in_order: bool,
    /// So many jobs may be taken beyond what was handed out.
    window: usize,
    /// Those of the whole; the token also ends what is under way.
    call: CallContext,
    over: CancelToken,
    /// For the waiting for instances, which also ends when nothing is left to do.
    waiting: CallOptions,
    finished: CancelToken,
    reporter: Mutex<Reporter>,
    state: Mutex<State<R>>,
    changed: Condvar,
}

struct Reporter {
    report: Option<Report>,
    progress: MapProgress,
}

struct State<R> {
    queue: VecDeque<Job>,
    /// Results by the place in which they are handed out, with the number of the job.
    done: BTreeMap<usize, (usize, Result<R, Error>)>,
    taken: usize,
    finished: usize,
    handed_out: usize,
    /// No more jobs come.
    exhausted: bool,
    /// Nothing more is done.
    stopped: bool,
    /// Threads that do jobs.
    workers: usize,
    /// None of them is left, and why, if there is more to say than that no instance is.
    lost: Option<Option<Arc<Error>>>,
    panic: Option<Box<dyn Any + Send>>,
}

struct Job {
    index: usize,
    line: Vec<u8>,
    /// Those of the attempts so far.
    errors: Vec<Error>,
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
        let mut waiting = pool.limits();
        let over = waiting.cancel.take().unwrap_or_default().child();
        let finished = over.child();
        let call = CallContext::without_request("map jobs");
        waiting.cancel = Some(over.clone());
        let call = waiting.begin(call, Duration::ZERO)?;
        waiting.cancel = Some(finished.clone());
        let depth = options.depth.unwrap_or(1);
        let workers = pool.slots.len().max(1);
        let work = Arc::new(Work {
            pool: Arc::clone(pool),
            format,
            decode,
            attempts: options.attempts.unwrap_or(2),
            depth,
            in_order: options.in_order,
            window: workers.saturating_mul(depth).saturating_mul(WINDOW),
            call,
            over,
            waiting,
            finished,
            reporter: Mutex::new(Reporter {
                report: options.progress,
                progress: MapProgress {
                    finished: 0,
                    failed: 0,
                    total,
                },
            }),
            state: Mutex::new(State {
                queue: VecDeque::new(),
                done: BTreeMap::new(),
                taken: 0,
                finished: 0,
                handed_out: 0,
                exhausted: false,
                stopped: false,
                workers,
                lost: None,
                panic: None,
            }),
            changed: Condvar::new(),
        });
        let weak = Arc::downgrade(&work);
        let waking = work.over.on_cancel(move || {
            // Under the lock, so that nobody is between looking and waiting.
            let wake = |work: Arc<Work<R>>| work.change(|_| ());
            weak.upgrade().into_iter().for_each(wake);
        });
        // If a thread cannot be created, dropping it ends the others.
        let map = Self {
            work,
            _waking: waking,
        };
        for _ in 0..workers {
            let work = Arc::clone(&map.work);
            let run = move || work.caught(|| work.serve());
            threads::start("scramjet-map", run).map_err(|error| map.work.call.failed(error))?;
        }
        let work = Arc::clone(&map.work);
        let take = move || {
            let next = || jobs.next().map(&encode);
            let taken = catch_unwind(AssertUnwindSafe(|| work.take_jobs(next)));
            work.change(|state| match taken {
                Ok(exhausted) => state.exhausted = exhausted,
                Err(panic) => {
                    state.exhausted = true;
                    state.panic = Some(panic).filter(|_| !state.stopped);
                }
            });
        };
        threads::start("scramjet-jobs", take).map_err(|error| map.work.call.failed(error))?;
        Ok(map)
    }
}

impl<R> State<R> {
    fn is_finished(&self) -> bool {
        self.exhausted && self.finished == self.taken
    }
}

impl<R> Work<R> {
    fn state(&self) -> MutexGuard<'_, State<R>> {
        lock(&self.state)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State<R>) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state);
        let finished = state.is_finished();
        drop(state);
        self.changed.notify_all();
        if finished {
            self.finished.cancel();
        }
        result
    }

    /// Waits until something is there. `None` if nothing is left to do.
    fn wait_for<T>(&self, mut find: impl FnMut(&mut State<R>) -> Option<T>) -> Option<T> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(found) = find(&mut state) {
                return Some(found);
            }
            if state.is_finished() {
                return None;
            }
            state = wait(&self.changed, state, None);
        }
    }

    /// Runs what calls the caller's code. Its panic stops everything.
    fn caught(&self, work: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            self.stop(Some(panic));
        }
    }

    fn stop(&self, panic: Option<Box<dyn Any + Send>>) {
        self.change(|state| {
            // Of several panics, the first one is enough.
            if state.stopped {
                // Dropping it may panic.
                forget(panic);
            } else {
                state.stopped = true;
                state.panic = panic.or(state.panic.take());
            }
        });
        self.over.cancel();
    }

    /// Takes jobs from the caller's iterator. True if there are no more.
    fn take_jobs(&self, mut next: impl FnMut() -> Option<Result<Vec<u8>, RequestError>>) -> bool {
        loop {
            let has_room = |state: &mut State<R>| {
                (state.taken.saturating_sub(state.handed_out) < self.window).then_some(())
            };
            if self.wait_for(has_room).is_none() || self.call.limits.check().is_err() {
                return false;
            }
            let Some(line) = next() else { return true };
            let refused = self.change(|state| {
                if state.stopped {
                    return None;
                }
                let index = state.taken;
                state.taken += 1;
                let errors = Vec::new();
                match line {
                    Ok(line) if state.lost.is_none() => {
                        state.queue.push_back(Job {
                            index,
                            line,
                            errors,
                        });
                        None
                    }
                    line => Some((index, line.err())),
                }
            });
            if let Some((index, error)) = refused {
                let error = error.map_or_else(|| self.nobody(), |error| self.call.failed(error));
                self.finish(index, Err(error));
            }
        }
    }

    /// Does jobs until none is left, or no instance.
    fn serve(&self) {
        let is_there = |state: &mut State<R>| (!state.queue.is_empty()).then_some(());
        while self.wait_for(is_there).is_some() {
            match checkout::take(&self.pool, &self.waiting) {
                Ok(instance) => self.serve_with(&instance),
                Err(error) => return self.leave(error),
            }
        }
    }

    /// This thread has no instance any more. The last one fails what is left.
    fn leave(&self, error: Error) {
        let error = match error.kind() {
            ErrorKind::NoInstance(error) => error.clone(),
            _ => Some(Arc::new(error)),
        };
        let left = self.change(|state| {
            state.workers = state.workers.saturating_sub(1);
            if state.workers > 0 || state.is_finished() {
                return VecDeque::new();
            }
            state.lost = Some(error);
            take(&mut state.queue)
        });
        for mut job in left {
            job.errors.push(self.nobody());
            self.finish(job.index, Err(self.call.of_attempts(job.errors)));
        }
    }

    /// The error of a job for which no instance is left.
    fn nobody(&self) -> Error {
        match self.call.limits.check() {
            Err(stopped) => self.call.stopped(stopped, Phase::Connect),
            Ok(()) => {
                let reason = self.state().lost.clone().flatten();
                self.call.failed(ErrorKind::NoInstance(reason))
            }
        }
    }

    /// Does jobs as long as there are some, and the instance answers.
    fn serve_with(&self, checkout: &Checkout) {
        let mut instance = InstanceClient::clone(checkout);
        let options = &mut instance.host.client.options;
        options.deadline = self.waiting.deadline;
        let token = options.cancel.take().unwrap_or_default().child();
        options.cancel = Some(token.clone());
        let _ends = self.over.on_cancel(move || token.cancel());

        let mut channel = None;
        let mut jobs = VecDeque::new();
        loop {
            if jobs.len() < self.depth {
                let job = if channel.is_some() && jobs.is_empty() {
                    self.wait_for(|state| state.queue.pop_front())
                } else {
                    self.state().queue.pop_front()
                };
                if let Some(job) = job {
                    let opened = match channel.take() {
                        Some(channel) => Ok(channel),
                        None => LineChannel::open(&instance, self.format),
                    };
                    let sent = opened.and_then(|opened| channel.insert(opened).send(&job.line));
                    jobs.push_back(job);
                    match sent {
                        Ok(()) => continue,
                        Err(error) => return self.broken(&instance, jobs, error),
                    }
                }
            }
            let Some(channel) = channel.as_mut().filter(|_| !jobs.is_empty()) else {
                break;
            };
            let answer = match channel.receive() {
                Ok(line) => (self.decode)(&line).map_err(|error| channel.undecoded(error)),
                Err(error) if error.is_of_item() => Err(error),
                Err(error) => return self.broken(&instance, jobs, error),
            };
            if let Some(job) = jobs.pop_front() {
                self.finish(job.index, answer);
            }
        }
        // All that it was sent is answered.
        let _ = channel.map(LineChannel::finish);
    }

    /// The instance answers no more. The oldest of its jobs was the one that it had to answer.
    fn broken(&self, instance: &InstanceClient, mut jobs: VecDeque<Job>, error: Error) {
        let may_help = !matches!(
            error.kind(),
            ErrorKind::Cancelled { .. } | ErrorKind::Deadline { .. } | ErrorKind::Thread(_)
        );
        if may_help {
            instance.host.client.notice_end(instance.id());
        }
        let mut failed = None;
        if let Some(mut oldest) = jobs.pop_front() {
            oldest.errors.push(error);
            if may_help && oldest.errors.len() < self.attempts {
                jobs.push_front(oldest);
            } else {
                failed = Some(oldest);
            }
        }
        self.change(|state| {
            // Those who wait for them in order have waited longest for these.
            jobs.append(&mut state.queue);
            state.queue = jobs;
        });
        if let Some(job) = failed {
            self.finish(job.index, Err(self.call.of_attempts(job.errors)));
        }
    }

    fn finish(&self, index: usize, result: Result<R, Error>) {
        let failed = result.is_err();
        self.caught(|| {
            let mut reporter = lock(&self.reporter);
            let Reporter { report, progress } = &mut *reporter;
            progress.finished += 1;
            progress.failed += usize::from(failed);
            if let Some(report) = report {
                report(progress);
            }
        });
        self.change(|state| {
            let place = if self.in_order { index } else { state.finished };
            state.finished += 1;
            // A job that ends because of a panic has no result.
            if !state.stopped {
                state.done.insert(place, (index, result));
            }
        });
    }
}

impl<R> Iterator for Map<R> {
    type Item = (usize, Result<R, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        let work = &*self.work;
        let mut state = work.state();
        loop {
            let done = match work.in_order {
                true => {
                    let next = state.handed_out;
                    state.done.remove(&next)
                }
                false => state.done.pop_first().map(|(_, done)| done),
            };
            if done.is_some() {
                state.handed_out += 1;
                drop(state);
                work.changed.notify_all();
                return done;
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
                if let Err(stopped) = work.call.limits.check() {
                    // No more jobs are taken, and this is the next one.
                    state.stopped = true;
                    let error = work.call.stopped(stopped, Phase::Connect);
                    return Some((state.taken, Err(error)));
                }
            }
            let deadline = work.call.limits.deadline.filter(|at| *at > Instant::now());
            state = wait(&work.changed, state, deadline);
        }
    }
}

impl<R> FusedIterator for Map<R> {}

impl<R> Drop for Map<R> {
    fn drop(&mut self) {
        // Threads that have nothing more to do close their channels in order.
        if !self.work.state().is_finished() {
            in_drop(|| self.work.stop(None));
        }
    }
}

impl<R> fmt::Debug for Map<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.work.state();
        f.debug_struct("Map")
            .field("taken", &state.taken)
            .field("finished", &state.finished)
            .finish_non_exhaustive()
    }
}
