//! The calls and streams that the watchdog watches.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use scramjet_client_core::flow::WatchInstances;
use scramjet_client_core::{Ended, InstanceId};

use crate::limits::cancel::CancelToken;
use crate::support::sync::lock;

/// The state that the watchdog shares with its thread.
#[derive(Default)]
pub(super) struct State {
    /// `Some` while the thread runs.
    pub(super) flow: Option<WatchInstances>,
    /// Number of threads so far.
    pub(super) runs: u64,
    /// All calls and streams, sorted by their keys.
    pub(super) entries: Vec<Entry>,
    last_key: u64,
    /// Instances that the flow does not know yet.
    pub(super) added: Vec<InstanceId>,
    /// Time since which nothing is watched.
    pub(super) idle_since: Option<Instant>,
}

/// A call or stream, and its instance.
pub(super) struct Entry {
    key: u64,
    pub(super) id: InstanceId,
    pub(super) watched: Watched,
    /// The time at which the client noticed the end of the instance.
    pub(super) ended_at: Option<Instant>,
}

/// A call or stream that ends with its instance. Clones share its state.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) token: CancelToken,
    /// Set when the instance has ended.
    pub(super) ended: Arc<OnceLock<Ended>>,
    /// Only for streams. A stream is cancelled only when its reader waits and no data arrives.
    pub(super) reader_wait: Option<Arc<ReaderWait>>,
}

/// The time since which the reader of a stream is waiting. `None` if it is not.
#[derive(Default)]
pub(crate) struct ReaderWait(Mutex<Option<Instant>>);

impl ReaderWait {
    pub(super) fn set(&self, since: Option<Instant>) {
        *lock(&self.0) = since;
    }

    pub(super) fn has_lasted(&self, time: Duration) -> bool {
        let since = *lock(&self.0);
        since.is_some_and(|since| since.elapsed() >= time)
    }
}

impl State {
    /// Adds a call or stream, and returns its key.
    pub(super) fn insert(&mut self, id: &InstanceId, watched: Watched) -> u64 {
        self.last_key += 1;
        self.entries.push(Entry {
            key: self.last_key,
            id: id.clone(),
            watched,
            ended_at: None,
        });
        self.added.push(id.clone());
        self.last_key
    }

    /// Removes a call or stream. Stops watching the instance if it has no others.
    ///
    /// The caller must keep a clone of the removed [`Watched`], because dropping the last clone of
    /// a token drops its hooks, which may lock this state.
    pub(super) fn remove(&mut self, id: &InstanceId, key: u64) {
        if let Ok(index) = self.entries.binary_search_by_key(&key, |entry| entry.key) {
            self.entries.remove(index);
        }
        if !self.entries.iter().any(|entry| entry.is_of_running(id)) {
            if let Some(flow) = &mut self.flow {
                flow.forget(id);
            }
        }
    }
}

impl Entry {
    /// Returns `true` if this belongs to the instance, and its end was not noticed.
    pub(super) fn is_of_running(&self, id: &InstanceId) -> bool {
        self.ended_at.is_none() && self.id == *id
    }
}
