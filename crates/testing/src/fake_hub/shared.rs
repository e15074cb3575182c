//! The state of a hub, shared by its clients, its programs and its timer thread.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::clock::Clock;
use super::process::LaunchQueue;
use crate::network::Network;
use crate::sync::Monitor;

/// The locked state of a hub. Threads wait on it for changes.
pub(super) struct Shared(Monitor<State>);

pub(super) struct State {
    pub(super) network: Network,
    pub(super) clock: Clock,
    pub(super) launched: LaunchQueue,
    pub(super) shut_down: bool,
}

impl Shared {
    pub(super) fn new(network: Network, clock: Clock) -> Arc<Self> {
        Arc::new(Self(Monitor::new(State {
            network,
            clock,
            launched: LaunchQueue::default(),
            shut_down: false,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    pub(super) fn launched(&self) -> LaunchQueue {
        self.lock().launched.clone()
    }

    /// Wakes all waiting threads. Takes the lock first, because a thread that has checked the state
    /// and does not wait yet would miss the signal.
    pub(super) fn wake_all(&self) {
        drop(self.lock());
        self.0.notify_all();
    }

    /// Calls a function at the hub's present time, then wakes the waiting threads if it has changed
    /// anything.
    pub(super) fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        state.update_time();
        let result = act(&mut state);
        self.unlock(state);
        result
    }

    /// Unlocks the state, starts the programs that were launched, and wakes the waiting threads if
    /// anything has changed.
    fn unlock(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let changed = state.network.hub().take_changed();
        let launches = state.launched.take();
        drop(state);
        if changed {
            self.0.notify_all();
        }
        for launch in launches {
            launch.start(self);
        }
    }

    /// Waits until `check` returns a value. `check` must change nothing if it returns `None`.
    ///
    /// `timeout` returns how long to wait for the next change, or the error that ends the wait.
    pub(super) fn wait_for<T, E>(
        self: &Arc<Self>,
        mut check: impl FnMut(&mut State) -> Option<T>,
        mut timeout: impl FnMut() -> Result<Option<Duration>, E>,
    ) -> Result<T, E> {
        loop {
            let mut state = self.lock();
            state.update_time();
            // The time that has passed may have changed something, or launched programs.
            if state.network.hub().take_changed() || !state.launched.is_empty() {
                state.network.hub().set_changed();
                self.unlock(state);
                state = self.lock();
            }
            if let Some(found) = check(&mut state) {
                state.network.hub().set_changed();
                self.unlock(state);
                return Ok(found);
            }
            state.network.hub().take_changed();
            let timeout = timeout()?;
            drop(self.0.wait(state, timeout));
        }
    }

    /// Waits for a change, at most for the timeout.
    pub(super) fn wait_for_change(&self, timeout: Duration) {
        drop(self.0.wait(self.lock(), Some(timeout)));
    }

    /// Runs the hub's timers until the hub shuts down.
    pub(super) fn run_timers(self: Arc<Self>) {
        let mut state = self.lock();
        while !state.shut_down {
            state.update_time();
            self.unlock(state);
            state = self.lock();
            let next = state.network.next_due();
            let timeout = next.and_then(|next| state.clock.until(next));
            if !state.shut_down && timeout != Some(Duration::ZERO) {
                state = self.0.wait(state, timeout);
            }
        }
    }
}

impl State {
    fn update_time(&mut self) {
        self.network.advance(self.clock.now());
    }
}
