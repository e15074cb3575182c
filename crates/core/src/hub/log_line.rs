use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::known_text::known_text;
use crate::{Extra, InstanceId};

/// One line of a log: that of the hub ([`ReadLog`](crate::ReadLog)), or of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogLine {
    /// How much it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<LogLevel>,
    /// What is said. Empty where a part logged a bare value or error.
    #[serde(default)]
    pub msg: String,
    /// When, in milliseconds since the beginning of 1970, UTC; hubs call it `ts`.
    #[serde(default, rename = "ts", skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
    /// The part of the hub, or of the instance, that says it: `CSIController`, `Runner`, `Sequence`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What comes with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Value>,
    /// The id of what it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The error that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// All further members. The parts that a line came through each add one of their name, often with an id in it:
    /// `"CSIController":{"id":"…"}`.
    #[serde(flatten)]
    pub extra: Extra,
}

impl LogLine {
    /// Whether the line is about this instance: its own, or one of the hub about it.
    #[must_use]
    pub fn is_about(&self, instance: &InstanceId) -> bool {
        let named =
            |value: &Value| value.get("id").and_then(Value::as_str) == Some(instance.as_str());
        self.id.as_deref() == Some(instance.as_str()) || self.extra.values().any(named)
    }

    /// The instance that has written the line, or that the hub writes about. For lines of the log of
    /// a hub since 0.27.0, which marks them as those of the instance's process or of its controller.
    #[must_use]
    pub fn instance_id(&self) -> Option<InstanceId> {
        let marks = ["CSIController", "Runner"].into_iter();
        let mut marks = marks.filter_map(|name| self.extra.get(name)?.get("id")?.as_str());
        marks.find_map(|id| InstanceId::new(id).ok())
    }

    /// The time since the beginning of 1970, UTC; add it to `SystemTime::UNIX_EPOCH`.
    #[must_use]
    pub fn since_unix_epoch(&self) -> Option<Duration> {
        self.time_ms.map(Duration::from_millis)
    }
}

/// How much a log line matters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For those who look for a fault.
    Debug,
    /// What happens.
    Info,
    /// What may be a fault.
    Warn,
    /// What failed.
    Error,
    /// What ends the program.
    Fatal,
    /// Any other level, as it was written.
    Other(String),
}

known_text! {
    LogLevel, "The level":
    Trace = "TRACE",
    Debug = "DEBUG",
    Info = "INFO",
    Warn = "WARN",
    Error = "ERROR",
    Fatal = "FATAL",
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn instance_id_is_that_of_the_controller_or_the_process() {
        for (marks, id) in [
            (r#""CSIController":{"id":"i"},"Host":{"id":"h"}"#, Some("i")),
            (r#""HostClient":{"id":"i"},"Runner":{"id":"i"}"#, Some("i")),
            (r#""Sequence":{},"Runner":{"id":"i"}"#, Some("i")),
            (r#""Host":{"id":"h"}"#, None),
            (r#""CSIController":{},"Runner":{"id":1}"#, None),
            (r#""Runner":{"id":"a/b"}"#, None),
        ] {
            let line = alloc::format!("{{{marks}}}");
            let line: LogLine = serde_json::from_str(&line).unwrap();
            let found = line.instance_id();
            assert_eq!(found.as_ref().map(InstanceId::as_str), id, "{marks}");
        }
    }
}
