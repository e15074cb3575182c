//! Cancels calls and streams whose instance has ended. Hubs of 1.x let them wait forever.

mod state;
pub(crate) mod watch_flow;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use scramjet_client_core::{Endpoint, InstanceId};

pub(crate) use crate::body::watchdog::state::ReaderWait;
use crate::body::watchdog::state::{State, Watched};
use crate::body::watchdog::watch_flow::WatchFlow;
use crate::error::{Error, ErrorKind};
use crate::limits::cancel::CancelToken;
use crate::support::sync::lock;

/// Watches the instances of a hub that have calls or streams open. One thread watches all of them,
/// and ends when there are none.
#[derive(Default)]
pub(crate) struct Watchdog {
    state: Arc<Mutex<State>>,
}

impl Watchdog {
    /// Adds a call, or a stream if there is a `reader_wait`. The returned token is cancelled
    /// together with `caller_token`, and when the instance has ended. If a flow is returned, the
    /// caller must run it on a thread.
    pub(crate) fn add(
        &self,
        endpoint: &Endpoint,
        id: &InstanceId,
        caller_token: Option<CancelToken>,
        reader_wait: Option<Arc<ReaderWait>>,
    ) -> (CancelToken, Watch, Option<WatchFlow>) {
        let token = caller_token
            .as_ref()
            .map_or_else(CancelToken::new, CancelToken::child);
        let watched = Watched {
            token: token.clone(),
            ended: Arc::default(),
            reader_wait,
        };
        let mut state = lock(&self.state);
        let key = state.insert(id, watched.clone());
        let flow = WatchFlow::start(&self.state, &mut state, endpoint);
        drop(state);
        let watch = Watch {
            state: Arc::clone(&self.state),
            id: id.clone(),
            key,
            watched,
            caller_token,
        };
        (token, watch, flow)
    }

    /// Returns the flow for a thread, unless a thread runs already.
    pub(crate) fn resume(&self, endpoint: &Endpoint) -> Option<WatchFlow> {
        WatchFlow::start(&self.state, &mut lock(&self.state), endpoint)
    }
}

/// A call or stream that the watchdog watches. Dropping this ends the watch.
pub(crate) struct Watch {
    state: Arc<Mutex<State>>,
    id: InstanceId,
    key: u64,
    watched: Watched,
    caller_token: Option<CancelToken>,
}

impl Watch {
    /// Converts the error of a call that the watchdog has cancelled to [`ErrorKind::Ended`].
    pub(crate) fn explain(&self, error: Error) -> Error {
        let by_caller = self
            .caller_token
            .as_ref()
            .is_some_and(CancelToken::is_cancelled);
        match self.watched.ended.get() {
            Some(ended) if error.is_cancelled() && !by_caller => {
                error.with_kind(ErrorKind::Ended(Box::new(ended.clone())))
            }
            _ => error,
        }
    }

    /// Records that the reader of the stream starts or stops waiting.
    pub(crate) fn set_reading(&self, reading: bool) {
        if let Some(wait) = &self.watched.reader_wait {
            wait.set(reading.then(Instant::now));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.state).remove(&self.id, self.key);
    }
}
