//! Interrupts calls and streams whose instance has ended: a hub of 1.x lets them wait for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use scramjet_client_core::flow::{Command, Flow, FlowError, Input, WatchInstances};
use scramjet_client_core::{Ended, Endpoint, InstanceId};

use crate::body::input::InputStream;
use crate::error::{Error, ErrorKind};
use crate::limits::cancel::CancelToken;
use crate::support::panics::ignore_panic;
use crate::support::sync::lock;

/// How soon the thread notices what is new to it.
pub(crate) const STEP: Duration = Duration::from_millis(250);

/// How long the thread goes on without an instance to watch.
const LINGER: Duration = Duration::from_secs(1);

/// A stream of an instance that has ended is read on until nothing has come for so long.
const QUIET: Duration = Duration::from_millis(500);

/// So many inputs that have ended are remembered.
const REMEMBERED: usize = 4096;

/// Watches the instances of a hub that have something open, on one thread, which ends when there
/// are none.
#[derive(Default)]
pub(crate) struct Watchdog {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// There while the thread runs.
    flow: Option<WatchInstances>,
    /// The number of threads so far.
    runs: u64,
    instances: BTreeMap<InstanceId, BTreeMap<u64, Watched>>,
    next: u64,
    /// Instances that the flow does not know yet.
    added: Vec<InstanceId>,
    idle_since: Option<Instant>,
    /// Streams of instances that have ended, with the time at which that was noticed.
    dying: BTreeMap<u64, (Instant, Watched)>,
    ended_inputs: BTreeSet<(InstanceId, InputStream)>,
    /// Instances whose sequence has given a sign of life.
    listening: BTreeSet<InstanceId>,
}

/// Something that ends with its instance.
struct Watched {
    token: CancelToken,
    cause: Arc<OnceLock<Ended>>,
    /// A stream, which is read on until nothing more comes.
    reading: Option<Arc<Reading>>,
}

/// The time since which a reader has waited, while it does.
#[derive(Default)]
pub(crate) struct Reading(Mutex<Option<Instant>>);

impl Reading {
    pub(crate) fn set(&self, since: Option<Instant>) {
        *lock(&self.0) = since;
    }

    fn has_waited(&self, time: Duration) -> bool {
        let since = *lock(&self.0);
        since.is_some_and(|since| since.elapsed() >= time)
    }
}

impl Watchdog {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Adds a call, or a stream with its `reading`. The token that is returned is cancelled
    /// together with `outer`, and when the instance has ended. The work is for a thread that the
    /// caller starts.
    pub(crate) fn add(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        id: &InstanceId,
        outer: Option<CancelToken>,
        reading: Option<Arc<Reading>>,
    ) -> (CancelToken, Watch, Option<Watching>) {
        let token = outer
            .as_ref()
            .map_or_else(CancelToken::new, CancelToken::child);
        let cause = Arc::default();
        let watched = Watched {
            token: token.clone(),
            cause: Arc::clone(&cause),
            reading: reading.clone(),
        };
        let mut state = self.state();
        state.next += 1;
        let key = state.next;
        let of_instance = state.instances.entry(id.clone()).or_default();
        of_instance.insert(key, watched);
        state.added.push(id.clone());
        let watching = Watching::begin(self, &mut state, endpoint);
        drop(state);
        let watch = Watch {
            dog: Arc::clone(self),
            id: id.clone(),
            key,
            cause,
            outer,
            reading,
        };
        (token, watch, watching)
    }

    /// The work of a thread, if there is no thread.
    pub(crate) fn resume(self: &Arc<Self>, endpoint: &Endpoint) -> Option<Watching> {
        Watching::begin(self, &mut self.state(), endpoint)
    }

    /// Notes that an input has ended: the hub took its data and its end.
    pub(crate) fn note_end(&self, id: &InstanceId, stream: InputStream) {
        let mut state = self.state();
        if state.ended_inputs.len() >= REMEMBERED {
            state.ended_inputs.pop_first();
        }
        state.ended_inputs.insert((id.clone(), stream));
    }

    /// Checks if an input has ended by a call of this client.
    pub(crate) fn has_ended(&self, id: &InstanceId, stream: InputStream) -> bool {
        self.state().ended_inputs.contains(&(id.clone(), stream))
    }

    /// Notes that the sequence of an instance runs, and reads its input.
    pub(crate) fn note_listening(&self, id: &InstanceId) {
        let mut state = self.state();
        if state.listening.len() >= REMEMBERED {
            state.listening.pop_first();
        }
        state.listening.insert(id.clone());
    }

    /// Checks if the sequence of an instance is known to read its input.
    pub(crate) fn is_listening(&self, id: &InstanceId) -> bool {
        self.state().listening.contains(id)
    }

    /// Forgets what is known of an instance: another one has its id now.
    pub(crate) fn note_start(&self, id: &InstanceId) {
        let mut state = self.state();
        state.listening.remove(id);
        for stream in [InputStream::Input, InputStream::Stdin] {
            state.ended_inputs.remove(&(id.clone(), stream));
        }
    }
}

/// Ends the watch for a call or stream when it is dropped.
pub(crate) struct Watch {
    dog: Arc<Watchdog>,
    id: InstanceId,
    key: u64,
    cause: Arc<OnceLock<Ended>>,
    outer: Option<CancelToken>,
    pub(crate) reading: Option<Arc<Reading>>,
}

impl Watch {
    /// The error of a call that was interrupted because of its instance tells how that has ended.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match self.cause(&error) {
            Some(ended) => error.with_kind(ErrorKind::Ended(Box::new(ended.clone()))),
            None => error,
        }
    }

    /// The end of the instance, if the call was interrupted because of it.
    fn cause(&self, error: &Error) -> Option<&Ended> {
        let cancelled = |token: &CancelToken| token.is_cancelled();
        let by_caller = self.outer.as_ref().is_some_and(cancelled);
        let interrupted = error.is_cancelled() && !by_caller;
        self.cause.get().filter(|_| interrupted)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.dog.state();
        let mut dropped = state.dying.remove(&self.key).map(|(_, watched)| watched);
        if let Some(of_instance) = state.instances.get_mut(&self.id) {
            dropped = of_instance.remove(&self.key).or(dropped);
            if of_instance.is_empty() {
                state.instances.remove(&self.id);
                if let Some(flow) = &mut state.flow {
                    flow.forget(&self.id);
                }
            }
        }
        // A token may be the last to hold what has a hook of its own.
        drop(state);
        drop(dropped);
    }
}

/// The work of the thread, as a flow: it ends when there is nothing to watch.
pub(crate) struct Watching {
    dog: Arc<Watchdog>,
    run: u64,
}

impl Watching {
    /// Begins to watch, if no thread does.
    fn begin(dog: &Arc<Watchdog>, state: &mut State, endpoint: &Endpoint) -> Option<Self> {
        if state.flow.is_some() {
            return None;
        }
        state.flow = Some(WatchInstances::new(endpoint.clone()));
        state.runs += 1;
        Some(Self {
            dog: Arc::clone(dog),
            run: state.runs,
        })
    }

    fn advance(&self, now: Duration) -> Command<Result<(), FlowError>> {
        let mut state = self.dog.state();
        let State {
            flow: Some(flow),
            instances,
            added,
            dying,
            idle_since,
            ..
        } = &mut *state
        else {
            return Command::Done(Ok(()));
        };
        for id in take(added) {
            if instances.contains_key(&id) {
                flow.watch(now, &id);
            }
        }
        loop {
            match flow.poll(now) {
                Command::Done(Ok(ended)) => {
                    let noticed = Instant::now();
                    for (key, watched) in instances.remove(&ended.id).into_iter().flatten() {
                        // Nobody else sets it.
                        let _ = watched.cause.set(ended.clone());
                        dying.insert(key, (noticed, watched));
                    }
                }
                Command::Send(send) => return Command::Send(send),
                Command::Abort(id) => return Command::Abort(id),
                Command::Wait { .. } | Command::Done(Err(_)) => break,
            }
        }
        if !(instances.is_empty() && dying.is_empty()) {
            *idle_since = None;
        } else if idle_since.get_or_insert_with(Instant::now).elapsed() >= LINGER {
            *idle_since = None;
            state.flow = None;
            return Command::Done(Ok(()));
        }
        Command::Wait {
            until: Some(now + STEP),
        }
    }

    /// Interrupts the calls of instances that have ended, and streams of which nothing more comes.
    fn interrupt(&self) {
        let is_over = |noticed: &Instant, watched: &Watched| match &watched.reading {
            Some(reading) => noticed.elapsed() >= QUIET && reading.has_waited(QUIET),
            None => true,
        };
        let mut state = self.dog.state();
        let (over, dying) = take(&mut state.dying)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, (noticed, watched))| is_over(noticed, watched));
        state.dying = dying;
        drop(state);
        // Not under the lock: a hook may drop what is watched.
        for (_, watched) in over.into_values() {
            // A hook of a transport may panic. The others are cancelled all the same.
            ignore_panic(catch_unwind(AssertUnwindSafe(|| watched.token.cancel())));
        }
    }
}

impl Flow for Watching {
    type Output = Result<(), FlowError>;

    fn poll(&mut self, now: Duration) -> Command<Self::Output> {
        let command = self.advance(now);
        self.interrupt();
        command
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        if let Some(flow) = &mut self.dog.state().flow {
            flow.handle(now, input);
        }
    }

    fn cancel(&mut self, _: Duration) {}
}

impl Drop for Watching {
    /// The thread has ended, also if an observer has panicked in it. The next one watches what is
    /// left.
    fn drop(&mut self) {
        let mut state = self.dog.state();
        if state.runs == self.run {
            state.flow = None;
            state.added = state.instances.keys().cloned().collect();
        }
    }
}
