//! The lines that a hub and the runners of its instances write to their logs.

use serde_json::{Value, json};

use super::{InstanceKey, Model, javascript};

/// A line of a log: level, source, text, and data as JSON, which may be empty.
type Line = (&'static str, &'static str, &'static str, &'static str);

/// The lines about an instance whose process has connected, for 0.18 and 1.x.
const CONNECTED: [&[Line]; 2] = [
    &[
        ("DEBUG", "Runner", "Streams initialized", ""),
        ("TRACE", "Runner", "Handshake sent", ""),
        ("DEBUG", "Runner", "Control message received", "[4000,{}]"),
    ],
    &[
        ("TRACE", "CSIController", "Streams hooked and routed", ""),
        ("TRACE", "CSIController", "Sequence initialized", ""),
        ("INFO", "CSIController", "Handshake", ""),
        ("DEBUG", "Runner", "Streams initialized", ""),
        ("TRACE", "Runner", "Handshake sent", ""),
    ],
];

/// The lines about a sequence that was loaded, and whose function was called.
const LOADED: &[Line] = &[
    ("INFO", "Runner", "Sequence loaded, functions count", "[1]"),
    ("DEBUG", "Runner", "Processing function on index", "[0]"),
    ("DEBUG", "Runner", "Function called", "[0]"),
];

/// The lines about a sequence that has ended its output.
const COMPLETED: &[Line] = &[
    ("DEBUG", "Runner", "Sequence stream ended", ""),
    (
        "TRACE",
        "Runner",
        "Sequence completed. Waiting 10000ms with exit.",
        "",
    ),
];

impl Model {
    // Rule 3
    fn log_line(
        &self,
        [level, from, message]: [&str; 3],
        data: Option<Value>,
        id: Option<&str>,
    ) -> Vec<u8> {
        let source = id.map_or_else(|| json!({}), |id| json!({ "id": id }));
        let ts = self.timestamp();
        let mut line = match self.generation.is_v1() {
            true => json!({ "msg": message, "level": level, "ts": ts, "from": from }),
            false => json!({ "level": level, "msg": message, "ts": ts, "from": from }),
        };
        javascript::set(&mut line, from, source.clone());
        if from == "Sequence" {
            javascript::set(&mut line, "Runner", source);
        }
        if let Some(data) = data {
            javascript::set(&mut line, "data", data);
        }
        (javascript::write(&line) + "\n").into_bytes()
    }

    /// Writes the first lines of the hub's log.
    pub(super) fn log_begin(&mut self) {
        let version = self.generation.version();
        self.log_hub("Log Level", Some(json!(["DEBUG"])));
        self.log_hub("Host main called", Some(json!([{ "version": version }])));
        self.log_hub("API on", Some(json!(["127.0.0.1:8000"])));
    }

    /// Writes a line about the hub itself.
    fn log_hub(&mut self, message: &str, data: Option<Value>) {
        let line = self.log_line(["INFO", "Host", message], data, None);
        self.pipes.write(self.log, &line);
    }

    /// Writes a line to the log of an instance, and on 1.x to that of the hub as well.
    pub(super) fn log_instance(&mut self, key: InstanceKey, parts: [&str; 3], data: Option<Value>) {
        let Some(instance) = self.instances.get(key) else {
            return;
        };
        let log = instance.log;
        let line = self.log_line(parts, data, Some(&instance.id));
        self.pipes.write(log, &line);
        if self.generation.is_v1() {
            self.pipes.write(self.log, &line);
        }
    }

    fn log_lines(&mut self, key: InstanceKey, lines: &[Line]) {
        for &(level, from, message, data) in lines {
            let data = serde_json::from_str(data).ok();
            self.log_instance(key, [level, from, message], data);
        }
    }

    pub(super) fn log_connected(&mut self, key: InstanceKey) {
        let [v0_18, v1] = CONNECTED;
        let lines = if self.generation.is_v1() { v1 } else { v0_18 };
        self.log_lines(key, lines);
        let id = self.instances.get(key).map(|instance| instance.id.clone());
        self.log_hub("Instance connected", id.map(|id| json!([id])));
    }

    pub(super) fn log_loaded(&mut self, key: InstanceKey) {
        self.log_lines(key, LOADED);
    }

    pub(super) fn log_completed(&mut self, key: InstanceKey) {
        self.log_lines(key, COMPLETED);
    }
}
