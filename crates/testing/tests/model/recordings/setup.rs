//! Sets hubs up as they were during the recordings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use scramjet_client_testing::model::{
    Exit, Generation, InstanceKey, Item, Output, Package, ProcessContext, ProgramSpec, Step, Steps,
};
use serde_json::{Value, json};

use super::wire::{RecordedRequest, read_request};
use crate::driver::{Driver, JSON, PendingRequest};

/// A hub, and the folder of the recordings.
pub(crate) struct Setup {
    pub(crate) driver: Driver,
    folder: PathBuf,
}

impl Setup {
    pub(crate) fn new(generation: Generation, folder: &Path) -> Self {
        let mut driver = Driver::new(generation);
        for (name, steps) in programs() {
            let make = move || Box::new(Steps::new(steps.clone())) as _;
            driver.hub.program(name, ProgramSpec::new(make));
        }
        let describe = || Box::new(describe_items) as _;
        for name in ["inout", "input"] {
            driver.hub.program(name, ProgramSpec::new(describe));
        }
        Self {
            driver,
            folder: folder.to_owned(),
        }
    }

    /// Adds a sequence with the id of the recording, this name, and these members of its
    /// `package.json`.
    pub(crate) fn sequence(&mut self, id: &str, name: &str, manifest: Value) -> &mut Self {
        let mut package = Package::named(name);
        let engines = json!({ "node": ">=16" });
        package.manifest.insert("engines".to_owned(), engines);
        let members = manifest.as_object().cloned().unwrap_or_default();
        if let Some(name) = members.get("name").and_then(Value::as_str) {
            package.name = name.to_owned();
        }
        package.manifest.extend(members);
        self.driver.hub.add_sequence(id, package);
        self
    }

    /// Starts an instance with the id of the recording.
    pub(crate) fn instance(&mut self, id: &str, sequence: &str, payload: Value) -> &mut Self {
        self.driver.hub.add_instance(id, sequence, &payload);
        self
    }

    pub(crate) fn key(&self, id: &str) -> InstanceKey {
        let found = self.driver.hub.instance(id);
        found.unwrap_or_else(|| panic!("{id} is not there"))
    }

    /// Advances the time.
    pub(crate) fn wait_millis(&mut self, millis: u64) -> &mut Self {
        self.driver.wait_millis(millis);
        self
    }

    /// Sends the recorded request with this name.
    pub(crate) fn send(&mut self, name: &str) -> PendingRequest {
        let request = read_request(&self.folder, name).unwrap();
        self.send_request(&request)
    }

    pub(crate) fn send_request(&mut self, request: &RecordedRequest) -> PendingRequest {
        let headers = request.headers.iter();
        let headers: Vec<_> = headers.map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let mut open = self
            .driver
            .begin_at(&request.method, &request.target, &headers);
        for piece in &request.body {
            self.driver.upload(&open, piece);
        }
        self.driver.end_upload(&open);
        self.driver.read(&mut open);
        open
    }

    /// Sends the recorded requests with these names, in order.
    pub(crate) fn send_all(&mut self, names: &[&str]) -> &mut Self {
        for name in names {
            self.send(name);
        }
        self
    }

    /// Sends an operation, and waits for its response.
    pub(crate) fn operation(&mut self, path: &str, body: Value) -> &mut Self {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut open = self.driver.send("POST", path, &[JSON], body.as_bytes());
        let answered = self.driver.until_ended(&mut open, Duration::from_secs(20));
        assert!(answered.is_some(), "{path} has no response");
        self
    }

    /// Emits an event of each kind from an instance, with the names of the recordings.
    pub(crate) fn emit_all(&mut self, id: &str) -> &mut Self {
        let emit = |process: &mut ProcessContext<'_>| {
            for (name, data) in events() {
                process.emit(&format!("ev-{name}"), data);
            }
            process.emit("a+b", Some(json!({ "plus": true })));
            // The recordings of 1.x have one kind more in the stream.
            for (_, data) in events() {
                process.emit("ev-stream", data);
            }
        };
        self.driver.hub.with_process(self.key(id), emit).unwrap();
        self
    }
}

/// Returns the events of the recorded instances, in order.
fn events() -> Vec<(&'static str, Option<Value>)> {
    vec![
        ("object", Some(json!({ "a": 1 }))),
        ("array", Some(json!([1, 2]))),
        ("string", Some(json!("s"))),
        ("empty-string", Some(json!(""))),
        ("number", Some(json!(5))),
        ("zero", Some(json!(0))),
        ("true", Some(json!(true))),
        ("false", Some(json!(false))),
        ("null", Some(Value::Null)),
        ("undefined", None),
        ("empty-object", Some(json!({}))),
        (
            "with-event-name",
            Some(json!({ "eventName": "zzz", "message": "inner" })),
        ),
        ("with-message", Some(json!({ "message": "inner" }))),
        ("op-status-ok", Some(json!({ "opStatus": "OK", "x": 1 }))),
        (
            "op-status-not-found",
            Some(json!({ "opStatus": "Not Found", "x": 1 })),
        ),
        (
            "op-status-bogus",
            Some(json!({ "opStatus": "Bogus", "x": 1 })),
        ),
        ("with-error", Some(json!({ "error": "e" }))),
    ]
}

/// Returns the programs of the recorded sequences, with the names in their `package.json`.
fn programs() -> Vec<(&'static str, Vec<Step>)> {
    let lines = [
        ["{\"i\":0}\n", "out 0\n", "err 0\n"],
        ["{\"i\":1}\n", "out 1\n", "err 1\n"],
        ["{\"i\":2}\n", "out 2\n", "err 2\n"],
        ["{\"i\":3}\n", "out 3\n", "err 3\n"],
        ["{\"i\":4}\n", "out 4\n", "err 4\n"],
    ];
    let mut streams = Vec::new();
    for [output, stdout, stderr] in lines {
        streams.extend([
            Step::Wait(Duration::from_millis(300)),
            Step::Write(Output::Output, output),
            Step::Write(Output::Stdout, stdout),
            Step::Write(Output::Stderr, stderr),
        ]);
    }
    streams.push(Step::Exit(Exit::Completed));
    vec![
        // It returns an output without data.
        ("events", vec![Step::Write(Output::Output, "")]),
        ("keepalive", vec![Step::KeepAlive]),
        ("primitive", vec![Step::Exit(Exit::Completed)]),
        ("badmain", vec![]),
        ("twoengines", vec![]),
        ("streams", streams),
        ("throwload", vec![Step::Exit(Exit::FailedToLoad)]),
    ]
}

/// Writes the type and the value of each item of the input, and a line about its end.
fn describe_items(process: &mut ProcessContext<'_>) {
    process.begin();
    while process.is_alive() {
        let line = match process.read_item() {
            Item::Pending => return,
            Item::Ended => json!({ "t": "END" }),
            Item::Json(value) => json!({ "t": type_of(&value), "v": value }),
            Item::Text(text) => json!({ "t": "string", "v": text }),
            Item::Bytes(bytes) => json!({ "t": "buffer", "v": bytes }),
            item => panic!("an unknown item: {item:?}"),
        };
        process.write(Output::Output, format!("{line}\n").as_bytes());
        if line["t"] == "END" {
            process.exit(Exit::Completed);
        }
    }
}

/// Returns the result of `typeof` in JavaScript.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Null | Value::Array(_) | Value::Object(_) => "object",
    }
}
