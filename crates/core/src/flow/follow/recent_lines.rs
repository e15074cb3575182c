//! Recognizes log lines that a stream repeats.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;

use crate::{InstanceId, LogLine};

/// Remembers the items that were yielded, to skip duplicates.
pub(super) trait Deduplicator<T> {
    /// Returns `true` if the item is new. If the stream was `reopened`, it may repeat older items.
    fn is_new(&mut self, item: &T, reopened: bool) -> bool;
}

/// The lines of a log from the last seconds, to recognize the ones that are repeated.
#[derive(Default)]
pub(super) struct RecentLines {
    /// In the log of the hub, only lines about this instance count.
    instance: Option<InstanceId>,
    /// The time of each line, and the rest of its content as text. Sorted.
    lines: VecDeque<(u64, String)>,
    latest_ms: u64,
}

impl RecentLines {
    pub(super) fn about(instance: InstanceId) -> Self {
        Self {
            instance: Some(instance),
            ..Self::default()
        }
    }

    /// Maximum time, in milliseconds, by which lines can be out of order. They come from several
    /// processes.
    const MAX_DISORDER_MS: u64 = 5_000;
}

impl Deduplicator<LogLine> for RecentLines {
    fn is_new(&mut self, line: &LogLine, reopened: bool) -> bool {
        if let Some(instance) = self.instance.as_ref().filter(|_| reopened) {
            if !line.is_about(instance) {
                return false;
            }
        }
        let Some(time) = line.time_ms else {
            return true;
        };
        let LogLine {
            msg,
            from,
            id,
            data,
            extra,
            ..
        } = line;
        let mut key = (time, format!("{msg} {from:?} {id:?} {data:?}"));
        // The extra members name the instance. They are not compared if only one instance counts,
        // because its own log has fewer of them than the log of the hub.
        if self.instance.is_none() {
            key.1 += &format!(" {extra:?}");
        }
        let oldest = self.latest_ms.saturating_sub(Self::MAX_DISORDER_MS);
        let position = self.lines.binary_search(&key);
        if reopened && (time < oldest || position.is_ok()) {
            return false;
        }
        if let Err(position) = position {
            self.lines.insert(position, key);
        }
        self.latest_ms = self.latest_ms.max(time);
        let oldest = self.latest_ms.saturating_sub(Self::MAX_DISORDER_MS);
        while self.lines.front().is_some_and(|(time, _)| *time < oldest) {
            self.lines.pop_front();
        }
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn line(time: u64, instance: &str) -> LogLine {
        let line = format!(r#"{{"msg":"up","ts":{time},"Runner":{{"id":"{instance}"}}}}"#);
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn equal_lines_of_two_instances_are_not_duplicates() {
        let mut seen = RecentLines::default();
        assert!(seen.is_new(&line(10_000, "a"), false));
        assert!(!seen.is_new(&line(10_000, "a"), true));
        assert!(seen.is_new(&line(10_000, "b"), true));
        assert!(seen.is_new(&line(10_001, "a"), true));
        // Older than the maximum disorder.
        assert!(!seen.is_new(&line(5_000, "c"), true));
    }
}
