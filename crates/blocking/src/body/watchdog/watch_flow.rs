//! The work of the watchdog's thread.

use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use scramjet_client_core::Endpoint;
use scramjet_client_core::flow::{Command, Flow, FlowError, Input, WatchInstances};

use crate::body::watchdog::state::{Entry, State};
use crate::support::panics::ignore_panic;
use crate::support::sync::lock;

/// Interval at which the thread checks for added calls and waiting readers.
pub(crate) const INTERVAL: Duration = Duration::from_millis(250);

/// Time for which the thread continues without an instance to watch.
const LINGER: Duration = Duration::from_secs(1);

/// A stream of an ended instance is cancelled when its reader has waited this long for data.
const SILENCE: Duration = Duration::from_millis(500);

/// The work of the thread, as a flow. It ends when there is nothing to watch.
pub(crate) struct WatchFlow {
    state: Arc<Mutex<State>>,
    /// Number of the thread.
    run: u64,
}

impl WatchFlow {
    /// Creates the flow, unless another one runs. `locked` is the locked `state`.
    pub(super) fn start(
        state: &Arc<Mutex<State>>,
        locked: &mut State,
        endpoint: &Endpoint,
    ) -> Option<Self> {
        if locked.flow.is_some() {
            return None;
        }
        locked.flow = Some(WatchInstances::new(endpoint.clone()));
        locked.runs += 1;
        Some(Self {
            state: Arc::clone(state),
            run: locked.runs,
        })
    }

    fn advance(&self, now: Duration) -> Command<Result<(), FlowError>> {
        let mut state = lock(&self.state);
        let State {
            flow: Some(flow),
            entries,
            added,
            idle_since,
            ..
        } = &mut *state
        else {
            return Command::Done(Ok(()));
        };
        for id in take(added) {
            if entries.iter().any(|entry| entry.is_of_running(&id)) {
                flow.watch(now, &id);
            }
        }
        loop {
            match flow.poll(now) {
                Command::Done(Ok(end)) => {
                    let noticed = Instant::now();
                    let running = |entry: &&mut Entry| entry.is_of_running(&end.id);
                    for entry in entries.iter_mut().filter(running) {
                        // Cannot fail: nothing else sets it.
                        let _ = entry.watched.ended.set(end.clone());
                        entry.ended_at = Some(noticed);
                    }
                }
                Command::Send(send) => return Command::Send(send),
                Command::Abort(id) => return Command::Abort(id),
                Command::Wait { .. } | Command::Done(Err(_)) => break,
            }
        }
        if !entries.is_empty() {
            *idle_since = None;
        } else if idle_since.get_or_insert_with(Instant::now).elapsed() >= LINGER {
            *idle_since = None;
            state.flow = None;
            return Command::Done(Ok(()));
        }
        Command::Wait {
            until: Some(now + INTERVAL),
        }
    }

    /// Cancels the calls of ended instances, and their streams if no more data arrives.
    fn cancel_ended(&self) {
        let is_due = |entry: &Entry| match (entry.ended_at, &entry.watched.reader_wait) {
            (None, _) => false,
            (Some(ended_at), Some(wait)) => {
                ended_at.elapsed() >= SILENCE && wait.has_lasted(SILENCE)
            }
            (Some(_), None) => true,
        };
        let mut state = lock(&self.state);
        let (due, others): (Vec<_>, _) = take(&mut state.entries).into_iter().partition(is_due);
        state.entries = others;
        // Not under the lock: a hook of a token may drop a `Watch`, which takes the lock.
        drop(state);
        for Entry { watched, .. } in due {
            // A hook of a transport may panic. The other tokens are cancelled nevertheless.
            ignore_panic(catch_unwind(AssertUnwindSafe(|| watched.token.cancel())));
        }
    }
}

impl Flow for WatchFlow {
    type Output = Result<(), FlowError>;

    fn poll(&mut self, now: Duration) -> Command<Self::Output> {
        let command = self.advance(now);
        self.cancel_ended();
        command
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        if let Some(flow) = &mut lock(&self.state).flow {
            flow.handle(now, input);
        }
    }

    fn cancel(&mut self, _: Duration) {}
}

impl Drop for WatchFlow {
    /// Lets another thread continue, if this one ends early because of a panic.
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.runs == self.run {
            state.flow = None;
            let running = state
                .entries
                .iter()
                .filter(|entry| entry.ended_at.is_none());
            state.added = running.map(|entry| entry.id.clone()).collect();
        }
    }
}
