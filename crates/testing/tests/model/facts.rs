//! A test for each rule of real hubs that the model keeps. `src/model/rules.md` lists the rules.

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

use std::time::Duration;

use scramjet_client_testing::model::{Generation, InstanceKey, Output, Process, Step};
use serde_json::Value;

use crate::driver::{Answer, Driver, JSON, Open, SEQUENCE};

const V0_18: Generation = Generation::V0_18;
const V1: Generation = Generation::V1;
const BOTH: [Generation; 2] = [V0_18, V1];

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
const KEEP_OPEN: (&str, &str) = ("x-end-stream", "false");

/// An id that nothing has.
const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// Picks what a generation does.
fn pick<T>(generation: Generation, v0_18: T, v1: T) -> T {
    match generation {
        V1 => v1,
        _ => v0_18,
    }
}

/// Writes a response in one line: status and reason, content type if there is one, `length` if the
/// body is not chunked, and the body if there is one.
fn line(answer: &Answer) -> String {
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

/// A program that writes one line and then waits to be ended.
fn staying() -> Vec<Step> {
    vec![Step::Write(Output::Output, "up\n")]
}

/// A hub with an instance of a program.
struct Running {
    driver: Driver,
    id: String,
}

impl Running {
    fn new(generation: Generation, steps: Vec<Step>) -> Self {
        let mut driver = Driver::with(generation, steps);
        let id = driver.start();
        Self { driver, id }
    }

    fn path(&self, below: &str) -> String {
        format!("instance/{}/{below}", self.id)
    }

    fn key(&self) -> InstanceKey {
        self.driver.hub.instance(&self.id).unwrap()
    }

    fn open(&mut self, below: &str) -> Open {
        let path = self.path(below);
        self.driver.send("GET", &path, &[], b"")
    }

    fn get(&mut self, below: &str) -> Answer {
        let path = self.path(below);
        self.driver.get(path.trim_end_matches('/'))
    }

    /// Sends data, with these headers.
    fn post(&mut self, below: &str, headers: &[(&str, &str)], body: &[u8]) -> Open {
        let path = self.path(below);
        self.driver.send("POST", &path, headers, body)
    }

    /// Sends an operation, and waits for its answer.
    fn operation(&mut self, below: &str, body: &str) -> Answer {
        let mut open = self.post(below, &[JSON], body.as_bytes());
        self.driver.until_ended(&mut open, seconds(30.0)).unwrap();
        open.answer
    }

    /// Does something in the process.
    fn act<T>(&mut self, act: impl FnOnce(&mut Process<'_>) -> T) -> T {
        let key = self.key();
        self.driver.hub.with_process(key, act).unwrap()
    }

    /// Checks that a request is not answered to its end within a minute.
    fn never_answers(&mut self, open: &mut Open) -> bool {
        self.driver.until_ended(open, seconds(60.0)).is_none()
    }

    fn info(&mut self) -> Value {
        let id = self.id.clone();
        self.driver.info(&id)
    }

    fn delete_sequence(&mut self, headers: &[(&str, &str)]) -> Open {
        let path = format!("sequence/{SEQUENCE}");
        self.driver.send("DELETE", &path, headers, b"")
    }
}
