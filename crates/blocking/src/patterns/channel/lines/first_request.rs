//! Checks around the first request: earlier lines, refused input, and repeated delivery.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::body::input::{Input, InputStream};
use crate::error::Error;
use crate::handles::instance::input::send;
use crate::limits::call_limits::StopReason;
use crate::patterns::channel::lines::LineChannel;
use crate::patterns::channel::lines::state::{State, StreamEnd};
use crate::support::threads;

/// Minimum time between the start of reading and the first request, in which earlier lines of the
/// instance are noticed.
const QUIET_TIME: Duration = Duration::from_millis(10);

/// Upper bound for a probe of the input.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

impl LineChannel {
    /// Waits until lines that the instance wrote before the first request would have arrived.
    pub(super) fn wait_for_early_lines(&self) {
        let mut state = self.shared.lock();
        while !state.unexpected_line && state.output.is_none() {
            let until = state.reading_since.map(|since| since + QUIET_TIME);
            if until.is_some_and(|until| until <= Instant::now()) {
                return;
            }
            state = self.shared.wait(state, until);
        }
    }

    /// Waits until a second response to the first request would have arrived.
    pub(super) fn wait_for_repeat(&mut self) -> Result<(), Error> {
        let idle_at = self.idle_at();
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        // If no response can arrive any more, the next write reports the reason.
        while state.may_repeat && state.output.is_none() && state.input.is_none() {
            let probe_at = self.probe_if_due(&state);
            let until = state.no_repeat_after(self.first_request).or(idle_at);
            if until.is_some_and(|until| until <= Instant::now()) {
                if state.first_response.is_none() {
                    drop(state);
                    return Err(self.stop(StopReason::Idle));
                }
                state.may_repeat = false;
                self.client.known_inputs().note_listening(&self.id);
            } else {
                let until = until.into_iter().chain(probe_at).min();
                state = shared.wait(state, until);
            }
        }
        Ok(())
    }

    /// Probes the input if the first response is late. Returns the time of the probe if it is not
    /// due yet.
    pub(super) fn probe_if_due(&mut self, state: &State) -> Option<Instant> {
        let at = self.probe_at.filter(|_| state.first_response.is_none())?;
        if at > Instant::now() {
            return Some(at);
        }
        self.probe_at = None;
        self.probe();
        None
    }

    /// Finds out on a separate thread if the hub refuses the input. The request that sends the
    /// input notices a refusal only with its next chunk.
    fn probe(&self) {
        let (client, id) = (self.client.tightened(Some(PROBE_TIMEOUT)), self.id.clone());
        let (shared, format) = (Arc::clone(&self.shared), self.format);
        let send_nothing = move || {
            let (client, watch) = client.watching(&id)?;
            let nothing = Input::bytes(Vec::new())
                .content_type(format.content_type())
                .end(false);
            send(&client, &watch, &id, InputStream::Input, nothing).map(drop)
        };
        let work = move || {
            let end = StreamEnd::of(|| send_nothing().err().map(StreamEnd::Failed));
            if let Some(refusal) = end.filter(StreamEnd::is_refusal) {
                let end = (Instant::now(), refusal);
                shared.change(|state| state.input.get_or_insert(end).0);
            }
        };
        // If the thread cannot be created, only the caller's limits end the wait.
        let _ = threads::start("scramjet-probe", work);
    }
}
