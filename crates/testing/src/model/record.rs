//! What has become of instances, for tests that want to know more than the hub tells.

use std::time::Duration;

use serde_json::Value;

use super::{InstanceKey, Model};

/// The life of an instance, kept also when the hub has forgotten it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InstanceRecord {
    /// The id.
    pub id: String,
    /// The time at which its process was started.
    pub started: Duration,
    /// The time at which its process ended.
    pub ended: Option<Duration>,
    /// The exit code that a hub of 1.x shows; `None` if the hub was restarted.
    pub exit_code: Option<i64>,
    /// The events that it has emitted: their times, names and data.
    pub events: Vec<(Duration, String, Option<Value>)>,
}

impl InstanceRecord {
    /// The data of the last event of this name, if there was one. The data is `None` if it was
    /// `undefined`.
    #[must_use]
    pub fn last_event(&self, name: &str) -> Option<Option<Value>> {
        let mut events = self.events.iter().rev();
        events
            .find(|(_, emitted, _)| emitted == name)
            .map(|(_, _, data)| data.clone())
    }
}

impl Model {
    /// The life of an instance.
    #[must_use]
    pub fn record(&self, key: InstanceKey) -> Option<&InstanceRecord> {
        self.records.get(&key)
    }

    /// The lives of all instances whose processes were started, in their order.
    pub fn records(&self) -> impl Iterator<Item = (InstanceKey, &InstanceRecord)> {
        self.records.iter().map(|(key, record)| (*key, record))
    }
}
