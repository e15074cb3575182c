use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::support::sync::lock;

/// Time without data after which a sequence counts as completed, once its output has ended. If the
/// process has died instead, its other streams end in this time.
pub(super) const SETTLE_TIME: Duration = Duration::from_millis(60);

/// Interval for checking if the input makes progress.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Tracks the activity of a run: its idle timeout expires only if no stream makes progress.
pub(super) struct ActivityClock {
    idle: Option<Duration>,
    /// Number of input bytes sent so far.
    sent: Option<Arc<AtomicU64>>,
    state: Mutex<State>,
}

struct State {
    phase: RunPhase,
    /// Time of the last progress. May be in the future, if silence is expected until then.
    active_at: Instant,
    /// Value of [`ActivityClock::sent`] at the last check.
    sent: u64,
}

/// Phase of a run that ends when its sequence has completed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RunPhase {
    /// The sequence runs.
    Running,
    /// The output has ended. The run waits until nothing has been printed for [`SETTLE_TIME`].
    Settling,
    /// The sequence has completed, and the client kills its process. The streams are read until
    /// they end or are silent.
    Draining,
    /// The client has cancelled the remaining reads.
    Cancelled,
}

impl ActivityClock {
    pub(super) fn new(idle: Option<Duration>, sent: Option<Arc<AtomicU64>>) -> Self {
        Self {
            idle,
            sent,
            state: Mutex::new(State {
                phase: RunPhase::Running,
                active_at: Instant::now(),
                sent: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn set_phase(&self, phase: RunPhase) {
        self.state().phase = phase;
    }

    /// Returns `true` if the sequence has completed. Errors of streams do not count after that.
    pub(super) fn has_completed(&self) -> bool {
        matches!(self.state().phase, RunPhase::Draining | RunPhase::Cancelled)
    }

    /// Records that data has arrived.
    pub(super) fn record_data(&self) {
        let settles = self.state().settles();
        self.expect_silence(if settles { SETTLE_TIME } else { Duration::ZERO });
    }

    /// Records activity. The silence is measured from `time` after now.
    pub(super) fn expect_silence(&self, time: Duration) {
        let mut state = self.state();
        state.active_at = state.active_at.max(Instant::now() + time);
    }

    /// Returns the time until the silence has lasted long enough to end the current phase. `None`
    /// if the phase does not end with silence.
    pub(super) fn time_to_settle(&self) -> Option<Duration> {
        let state = self.state();
        let time = || state.active_at.saturating_duration_since(Instant::now());
        state.settles().then(time)
    }

    /// Returns the time until the next call of [`is_active`](Self::is_active) is due. `None` if
    /// there is no idle timeout.
    pub(super) fn time_to_check(&self) -> Option<Duration> {
        let idle_at = self.state().active_at.checked_add(self.idle?)?;
        let time_left = idle_at.saturating_duration_since(Instant::now());
        // The input does not report its progress, so poll.
        Some(time_left.min(POLL_INTERVAL))
    }

    /// Returns `false` if nothing has made progress for the idle timeout.
    pub(super) fn is_active(&self) -> bool {
        let sent = self.sent.as_ref();
        let sent = sent.map_or(0, |sent| sent.load(Ordering::Relaxed));
        let mut state = self.state();
        if sent != state.sent {
            state.active_at = state.active_at.max(Instant::now());
            state.sent = sent;
        }
        let silence = Instant::now().saturating_duration_since(state.active_at);
        self.idle.is_none_or(|idle| silence < idle)
    }
}

impl State {
    /// Returns `true` if the phase ends with silence.
    fn settles(&self) -> bool {
        matches!(self.phase, RunPhase::Settling | RunPhase::Draining)
    }
}
