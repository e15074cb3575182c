use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scramjet_client_core::ReplyError;

use crate::call::context::CallContext;
use crate::call::options::CallOptions;
use crate::error::Error;
use crate::limits::cancel::CancelToken;
use crate::patterns::channel::codec::Format;
use crate::patterns::pool::map::options::{MapOptions, MapProgress, OnProgress};
use crate::patterns::pool::members::Shared;
use crate::support::monitor::Monitor;
use crate::support::sync::lock;

/// Upper bound for the number of jobs without a handed-out result, as a multiple of the jobs that
/// all instances together can have.
const WINDOW: usize = 4;

/// Runs the jobs of a map. All its threads share it.
pub(super) struct JobRunner<R> {
    pub(super) pool: Arc<Shared>,
    pub(super) format: Format,
    pub(super) decode: fn(&[u8]) -> Result<R, ReplyError>,
    pub(super) max_attempts: usize,
    pub(super) depth: usize,
    pub(super) in_order: bool,
    /// Upper bound for the number of jobs that were taken, and whose results were not handed out.
    pub(super) window: usize,
    /// Number of worker threads at the start.
    pub(super) workers: usize,
    /// The map as a whole, with its limits.
    pub(super) call: CallContext,
    /// Cancels all work in progress.
    pub(super) cancel: CancelToken,
    /// Limits for the wait for an instance. Their token is `finished`.
    pub(super) checkout_limits: CallOptions,
    /// Cancelled when no job is left.
    finished: CancelToken,
    reporter: Mutex<MapReporter>,
    pub(super) state: Monitor<State<R>>,
}

struct MapReporter {
    on_progress: Option<OnProgress>,
    progress: MapProgress,
}

pub(super) struct State<R> {
    pub(super) queue: VecDeque<Job>,
    /// Results with the indexes of their jobs, by the order in which they are handed out.
    pub(super) results: BTreeMap<usize, (usize, Result<R, Error>)>,
    /// Number of jobs that were taken from the iterator.
    pub(super) taken: usize,
    /// Number of jobs that have a result.
    pub(super) finished: usize,
    /// Number of results that the caller has received.
    pub(super) handed_out: usize,
    /// The iterator has no more jobs.
    pub(super) exhausted: bool,
    /// All work has stopped early.
    pub(super) stopped: bool,
    /// Number of threads that run jobs.
    pub(super) workers: usize,
    /// Set when the last worker has no instance. Contains the reason, if it is known.
    pub(super) no_instance: Option<Option<Arc<Error>>>,
    /// First panic of the caller's code.
    pub(super) panic: Option<Box<dyn Any + Send>>,
}

pub(super) struct Job {
    pub(super) index: usize,
    pub(super) line: Vec<u8>,
    /// Errors of the attempts so far.
    pub(super) errors: Vec<Error>,
}

impl<R> State<R> {
    pub(super) fn is_finished(&self) -> bool {
        self.exhausted && self.finished == self.taken
    }
}

impl<R> JobRunner<R> {
    /// Prepares to run jobs; `total` is their number if it is known.
    ///
    /// # Errors
    /// A limit of the pool has already been reached.
    pub(super) fn new(
        pool: &Arc<Shared>,
        format: Format,
        decode: fn(&[u8]) -> Result<R, ReplyError>,
        options: MapOptions,
        total: Option<usize>,
    ) -> Result<Self, Error> {
        let call = CallContext::without_request("map jobs");
        let mut checkout_limits = pool.limits();
        let cancel = checkout_limits.cancel.take().unwrap_or_default().child();
        checkout_limits.cancel = Some(cancel.clone());
        let call = checkout_limits.begin(call, Duration::ZERO)?;
        let finished = cancel.child();
        checkout_limits.cancel = Some(finished.clone());
        let depth = options.depth.unwrap_or(1);
        let workers = pool.slots.len().max(1);
        Ok(Self {
            pool: Arc::clone(pool),
            format,
            decode,
            max_attempts: options.max_attempts.unwrap_or(2),
            depth,
            in_order: options.in_order,
            window: workers.saturating_mul(depth).saturating_mul(WINDOW),
            workers,
            call,
            cancel,
            checkout_limits,
            finished,
            reporter: Mutex::new(MapReporter {
                on_progress: options.on_progress,
                progress: MapProgress {
                    finished: 0,
                    failed: 0,
                    total,
                },
            }),
            state: Monitor::new(State {
                queue: VecDeque::new(),
                results: BTreeMap::new(),
                taken: 0,
                finished: 0,
                handed_out: 0,
                exhausted: false,
                stopped: false,
                workers,
                no_instance: None,
                panic: None,
            }),
        })
    }

    /// Changes the state, and wakes all threads.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State<R>) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state);
        let finished = state.is_finished();
        drop(state);
        self.state.notify();
        if finished {
            self.finished.cancel();
        }
        result
    }

    /// Waits until `find` returns a value. `None` if no work is left.
    pub(super) fn wait_for<T>(
        &self,
        mut find: impl FnMut(&mut State<R>) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.state.lock();
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
            state = self.state.wait(state, None);
        }
    }

    /// Runs work that calls the caller's code. A panic stops all work.
    pub(super) fn stop_on_panic(&self, work: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            self.stop(Some(panic));
        }
    }

    /// Stops all work early. `panic` is the reason if the caller's code panicked.
    pub(super) fn stop(&self, panic: Option<Box<dyn Any + Send>>) {
        self.change(|state| {
            if state.stopped {
                // Only the first panic is reported. Dropping the other may panic.
                forget(panic);
            } else {
                state.stopped = true;
                state.panic = panic.or(state.panic.take());
            }
        });
        self.cancel.cancel();
    }

    /// Reports the progress, and stores the result of a job.
    pub(super) fn finish(&self, index: usize, result: Result<R, Error>) {
        let failed = result.is_err();
        self.stop_on_panic(|| {
            let mut reporter = lock(&self.reporter);
            let MapReporter {
                on_progress,
                progress,
            } = &mut *reporter;
            progress.finished += 1;
            progress.failed += usize::from(failed);
            if let Some(on_progress) = on_progress {
                on_progress(progress);
            }
        });
        self.change(|state| {
            let order = if self.in_order { index } else { state.finished };
            state.finished += 1;
            // After a panic, there are no more results.
            if !state.stopped {
                state.results.insert(order, (index, result));
            }
        });
    }
}
