//! Remembers facts about the inputs of instances, which hubs do not report.

use std::sync::{Mutex, MutexGuard};

use scramjet_client_core::InstanceId;

use crate::body::input::InputStream;
use crate::support::sync::lock;

/// Upper bound for the number of entries in each set.
const MAX_ENTRIES: usize = 4096;

/// The inputs of a hub's instances, as far as calls of this client have used them.
#[derive(Default)]
pub(crate) struct KnownInputs {
    state: Mutex<State>,
}

/// Sorted lists.
#[derive(Default)]
struct State {
    ended: Vec<(InstanceId, InputStream)>,
    /// Instances whose sequence reads its input.
    listening: Vec<InstanceId>,
}

impl KnownInputs {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Records that the hub has accepted the end of an input.
    pub(crate) fn note_end(&self, id: &InstanceId, stream: InputStream) {
        insert(&mut self.state().ended, (id.clone(), stream));
    }

    /// Returns `true` if a call of this client has ended the input.
    pub(crate) fn has_ended(&self, id: &InstanceId, stream: InputStream) -> bool {
        contains(&self.state().ended, &(id.clone(), stream))
    }

    /// Records that the sequence of an instance runs and reads its input.
    pub(crate) fn note_listening(&self, id: &InstanceId) {
        insert(&mut self.state().listening, id.clone());
    }

    /// Returns `true` if the sequence of an instance is known to read its input.
    pub(crate) fn is_listening(&self, id: &InstanceId) -> bool {
        contains(&self.state().listening, id)
    }

    /// Removes the facts about an earlier instance with this id.
    pub(crate) fn note_start(&self, id: &InstanceId) {
        let mut state = self.state();
        state.listening.retain(|listening| listening != id);
        state.ended.retain(|(ended, _)| ended != id);
    }
}

fn contains<T: Ord>(entries: &[T], entry: &T) -> bool {
    entries.binary_search(entry).is_ok()
}

fn insert<T: Ord>(entries: &mut Vec<T>, entry: T) {
    if entries.len() >= MAX_ENTRIES {
        entries.remove(0);
    }
    if let Err(position) = entries.binary_search(&entry) {
        entries.insert(position, entry);
    }
}
