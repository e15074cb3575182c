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

#[derive(Default)]
struct State {
    ended: Recent<(InstanceId, InputStream)>,
    /// Instances whose sequence reads its input.
    listening: Recent<InstanceId>,
}

/// The newest [`MAX_ENTRIES`] entries.
struct Recent<T> {
    /// Sorted by the entries. The number increases with each entry.
    entries: Vec<(T, u64)>,
    last: u64,
}

impl KnownInputs {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Records that the hub has accepted the end of an input.
    pub(crate) fn note_end(&self, id: &InstanceId, stream: InputStream) {
        self.state().ended.insert((id.clone(), stream));
    }

    /// Returns `true` if a call of this client has ended the input.
    pub(crate) fn has_ended(&self, id: &InstanceId, stream: InputStream) -> bool {
        self.state().ended.contains(&(id.clone(), stream))
    }

    /// Records that the sequence of an instance runs and reads its input.
    pub(crate) fn note_listening(&self, id: &InstanceId) {
        self.state().listening.insert(id.clone());
    }

    /// Returns `true` if the sequence of an instance is known to read its input.
    pub(crate) fn is_listening(&self, id: &InstanceId) -> bool {
        self.state().listening.contains(id)
    }

    /// Removes the facts about an earlier instance with this id.
    pub(crate) fn note_start(&self, id: &InstanceId) {
        let mut state = self.state();
        state.listening.entries.retain(|(known, _)| known != id);
        state.ended.entries.retain(|((known, _), _)| known != id);
    }
}

impl<T: Ord> Recent<T> {
    fn search(&self, entry: &T) -> Result<usize, usize> {
        self.entries.binary_search_by(|(known, _)| known.cmp(entry))
    }

    fn contains(&self, entry: &T) -> bool {
        self.search(entry).is_ok()
    }

    /// Adds an entry. Removes the oldest one if there are too many.
    fn insert(&mut self, entry: T) {
        self.last += 1;
        match self.search(&entry) {
            Ok(position) => drop(self.entries.remove(position)),
            Err(_) if self.entries.len() >= MAX_ENTRIES => self.remove_oldest(),
            Err(_) => {}
        }
        let (Ok(position) | Err(position)) = self.search(&entry);
        self.entries.insert(position, (entry, self.last));
    }

    fn remove_oldest(&mut self) {
        let numbers = self.entries.iter().map(|(_, number)| number);
        if let Some((oldest, _)) = numbers.enumerate().min_by_key(|(_, number)| *number) {
            self.entries.remove(oldest);
        }
    }
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            last: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(id: &str) -> InstanceId {
        InstanceId::new(id).unwrap_or_else(|error| unreachable!("{error}"))
    }

    #[test]
    fn the_oldest_facts_are_forgotten_first() {
        let inputs = KnownInputs::default();
        let others = || (0..MAX_ENTRIES).map(|n| id(&format!("other-{n:04}")));
        let note = |id: &InstanceId| {
            inputs.note_end(id, InputStream::Input);
            inputs.note_listening(id);
        };
        let knows =
            |id: &InstanceId| inputs.has_ended(id, InputStream::Input) && inputs.is_listening(id);
        others().for_each(|id| note(&id));
        // Known again, so it becomes the newest one.
        note(&id("other-0000"));
        assert!(others().all(|id| knows(&id)));
        // The order of the ids does not matter.
        ["b", "a", "x"].iter().for_each(|new| note(&id(new)));
        assert!(
            ["a", "b", "x", "other-0000"]
                .iter()
                .all(|new| knows(&id(new)))
        );
        let forgotten: Vec<_> = others().filter(|id| !knows(id)).collect();
        assert_eq!(
            forgotten,
            ["other-0001", "other-0002", "other-0003"].map(id)
        );
        inputs.note_start(&id("a"));
        assert!(!inputs.has_ended(&id("a"), InputStream::Input) && !inputs.is_listening(&id("a")));
    }
}
