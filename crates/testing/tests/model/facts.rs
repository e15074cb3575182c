//! A test for each rule in `src/model/rules.md`, which lists how real hubs behave.

mod conventions;
mod events;
mod hub;
mod inputs;
mod instance_topics;
mod instances;
mod items;
mod life;
mod requests;
mod sequences;
mod starts;
mod stops;
mod streams;
mod topics;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use scramjet_client_testing::model::{Generation, InstanceKey, Output, ProcessContext, Step};
use serde_json::Value;

use crate::driver::{Driver, JSON, PendingRequest, SEQUENCE, TestResponse};

const V0_18: Generation = Generation::V0_18;
const V1: Generation = Generation::V1;
const BOTH: [Generation; 2] = [V0_18, V1];

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
const KEEP_OPEN: (&str, &str) = ("x-end-stream", "false");

/// An id that no sequence and no instance has.
const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// Returns the value for a generation.
fn pick<T>(generation: Generation, v0_18: T, v1: T) -> T {
    match generation {
        V1 => v1,
        _ => v0_18,
    }
}

/// Formats a response in one line: status and reason, content type if there is one, `length` if the
/// body is not chunked, and the body if there is one.
fn line(answer: &TestResponse) -> String {
    let Some(head) = &answer.head else {
        return "nothing".to_owned();
    };
    let mut line = format!("{} {}", head.status.as_u16(), head.reason);
    for part in [answer.header("content-type"), &answer.text()] {
        if !part.is_empty() {
            line = format!("{line}; {part}");
        }
    }
    if head.headers.contains_key("content-length") {
        line = line.replacen("; ", "; length; ", 1);
        if !line.contains("length") {
            line += "; length";
        }
    }
    line
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Returns a program that writes one line and then stays.
fn staying() -> Vec<Step> {
    vec![Step::Write(Output::Output, "up\n")]
}

/// A hub with a running instance.
struct RunningInstance {
    driver: Driver,
    id: String,
}

impl RunningInstance {
    fn new(generation: Generation, steps: Vec<Step>) -> Self {
        let mut driver = Driver::with_steps(generation, steps);
        let id = driver.start();
        Self { driver, id }
    }

    fn path(&self, below: &str) -> String {
        format!("instance/{}/{below}", self.id)
    }

    fn key(&self) -> InstanceKey {
        self.driver.hub.instance(&self.id).unwrap()
    }

    fn open(&mut self, below: &str) -> PendingRequest {
        let path = self.path(below);
        self.driver.send("GET", &path, &[], b"")
    }

    fn get(&mut self, below: &str) -> TestResponse {
        let path = self.path(below);
        self.driver.get(path.trim_end_matches('/'))
    }

    /// Sends a POST with these headers.
    fn post(&mut self, below: &str, headers: &[(&str, &str)], body: &[u8]) -> PendingRequest {
        let path = self.path(below);
        self.driver.send("POST", &path, headers, body)
    }

    /// Sends an operation, and waits for its response.
    fn operation(&mut self, below: &str, body: &str) -> TestResponse {
        let mut open = self.post(below, &[JSON], body.as_bytes());
        self.driver.until_ended(&mut open, seconds(30.0)).unwrap();
        open.response
    }

    /// Calls a function with the process of the instance.
    fn act<T>(&mut self, act: impl FnOnce(&mut ProcessContext<'_>) -> T) -> T {
        let key = self.key();
        self.driver.hub.with_process(key, act).unwrap()
    }

    /// Returns `true` if a request has no complete response within a minute.
    fn never_answers(&mut self, open: &mut PendingRequest) -> bool {
        self.driver.until_ended(open, seconds(60.0)).is_none()
    }

    fn info(&mut self) -> Value {
        let id = self.id.clone();
        self.driver.info(&id)
    }

    fn delete_sequence(&mut self, headers: &[(&str, &str)]) -> PendingRequest {
        let path = format!("sequence/{SEQUENCE}");
        self.driver.send("DELETE", &path, headers, b"")
    }
}

/// Reads the files of a folder: pairs of their names and their text.
fn files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    files.map(read).collect()
}

/// Returns the code spans in a cell of a table.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    let parts: Vec<_> = cell.split('`').map(str::to_owned).collect();
    parts.into_iter().skip(1).step_by(2)
}

/// Each rule has a test, and each test has a rule.
#[test]
fn rules_md_names_all_tests_and_only_existing_files() {
    let page = include_str!("../../src/model/rules.md");
    let mut sources = files("src/model");
    sources.extend(files("src"));
    let mut tests: BTreeSet<String> = files("tests/model/facts")
        .iter()
        .flat_map(|(_, text)| text.split("#[test]\nfn ").skip(1))
        .map(|text| text.split('(').next().unwrap().to_owned())
        .collect();
    let known = tests.clone();
    let mut rules = 0;
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').collect();
        let [number, v0_18, v1, file, test] = cells.as_slice() else {
            continue;
        };
        if !is_number(number.trim()) {
            continue;
        }
        rules += 1;
        assert!(!format!("{v0_18}{v1}").trim().is_empty(), "{line}");
        let file = quoted(file).next().unwrap();
        assert!(sources.iter().any(|(name, _)| *name == file), "{line}");
        let named: Vec<_> = quoted(test).collect();
        assert!(!named.is_empty(), "{line}");
        for test in named {
            assert!(known.contains(&test), "{test} is no test");
            tests.remove(&test);
        }
    }
    assert!(rules > 100 && tests.is_empty(), "no rule names {tests:?}");
    // Comments in the code refer only to numbers of rules.
    for (name, text) in &sources {
        for line in text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("// Rule"))
        {
            let numbers = line.trim_start_matches('s').split(':').next().unwrap();
            for number in numbers.split(',').map(str::trim) {
                assert!(is_number(number), "{name}: {line}");
                assert!(page.contains(&format!("\n| {number} |")), "{name}: {line}");
            }
        }
    }
}

fn is_number(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    text.split('.').all(is_part)
}
