use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::known_text::known_text;
use crate::{Extra, InstanceId};

/// One line of the log of the hub ([`ReadLog`](crate::ReadLog)) or of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogLine {
    /// The severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<LogLevel>,
    /// The message. Empty if the hub or the instance logged only a value or an error.
    #[serde(default)]
    pub msg: String,
    /// The time in milliseconds since the Unix epoch. Hubs call it `ts`.
    #[serde(default, rename = "ts", skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
    /// The component of the hub or of the instance that logged the line: `CSIController`, `Runner`,
    /// `Sequence`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The values logged with the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Value>,
    /// The id of the instance or other object that the line is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The logged error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// All other members. Each component that forwards a line adds a member with its own name,
    /// often with an id: `"CSIController":{"id":"…"}`.
    #[serde(flatten)]
    pub extra: Extra,
}

impl LogLine {
    /// Returns `true` if the instance wrote the line, or if the hub wrote it about the instance.
    #[must_use]
    pub fn is_about(&self, instance: &InstanceId) -> bool {
        let named =
            |value: &Value| value.get("id").and_then(Value::as_str) == Some(instance.as_str());
        self.id.as_deref() == Some(instance.as_str()) || self.extra.values().any(named)
    }

    /// Returns the instance that wrote the line, or that the hub wrote it about.
    ///
    /// Works for lines of the hub's log since 0.27.0. These hubs mark the lines of an instance's
    /// process and of its controller. `None` for other lines.
    #[must_use]
    pub fn instance_id(&self) -> Option<InstanceId> {
        let marks = ["CSIController", "Runner"].into_iter();
        let mut marks = marks.filter_map(|name| self.extra.get(name)?.get("id")?.as_str());
        marks.find_map(|id| InstanceId::new(id).ok())
    }

    /// Returns the time since the Unix epoch. Add it to `SystemTime::UNIX_EPOCH`.
    #[must_use]
    pub fn since_unix_epoch(&self) -> Option<Duration> {
        self.time_ms.map(Duration::from_millis)
    }
}

/// The severity of a log line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum LogLevel {
    /// Each single step.
    Trace,
    /// Details for debugging.
    Debug,
    /// Normal operation.
    Info,
    /// A possible problem.
    Warn,
    /// A failure.
    Error,
    /// A failure that ends the program.
    Fatal,
    /// Any other level, as the hub wrote it.
    Other(String),
}

known_text! {
    LogLevel, "the level":
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
    use serde_json::json;

    use super::*;
    use crate::test_kit::assert_round_trip;

    #[test]
    fn log_line_keeps_unknown_members() {
        assert_round_trip::<LogLine>(json!({
            "level": "NOTICE", "msg": "m", "ts": 1, "from": "Host", "Host": {},
            "data": [1, null, "x"], "id": "i", "error": {}, "later": 1,
        }));
    }

    #[test]
    fn log_level_keeps_unknown_values_as_text() {
        for text in ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NOTICE"] {
            let level = LogLevel::from(String::from(text));
            let is_unknown = matches!(level, LogLevel::Other(_));
            assert_eq!((level.as_str(), is_unknown), (text, text == "NOTICE"));
        }
    }

    #[test]
    fn instance_id_returns_the_id_of_the_controller_or_the_process() {
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
