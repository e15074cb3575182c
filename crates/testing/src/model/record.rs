//! Records of instances, which a hub does not show to clients.

use std::time::Duration;

use serde_json::Value;

use super::{InstanceKey, Model};

/// A record of an instance. It is kept after the hub has forgotten the instance.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InstanceRecord {
    /// The id of the instance.
    pub id: String,
    /// The time at which its process was started.
    pub started: Duration,
    /// The time at which its process ended.
    pub ended: Option<Duration>,
    /// The exit code that a hub of 1.x shows; `None` if the process runs, or the hub was restarted.
    pub exit_code: Option<i64>,
    /// The events that the instance has emitted: their times, names and data.
    pub events: Vec<(Duration, String, Option<Value>)>,
}

impl InstanceRecord {
    /// Returns the data of the last event with this name; `None` if there was none, and
    /// `Some(None)` if the data was `undefined`.
    #[must_use]
    pub fn last_event(&self, name: &str) -> Option<Option<Value>> {
        let mut events = self.events.iter().rev();
        events
            .find(|(_, emitted, _)| emitted == name)
            .map(|(_, _, data)| data.clone())
    }
}

impl Model {
    /// Returns the record of an instance.
    #[must_use]
    pub fn record(&self, key: InstanceKey) -> Option<&InstanceRecord> {
        self.records.get(&key)
    }

    /// Returns the records of all instances whose processes were started, in the order of their
    /// starts.
    pub fn records(&self) -> impl Iterator<Item = (InstanceKey, &InstanceRecord)> {
        self.records.iter().map(|(key, record)| (*key, record))
    }
}
