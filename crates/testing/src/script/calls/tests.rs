#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Debug;
use std::io::Read;
use std::thread;
use std::time::Duration;

use http::{HeaderMap, Method};
use scramjet_client_blocking::{
    ContentType, DeployKey, HostClient, Input, InstanceClient, KillOptions, Package, PoolOptions,
    Readiness, RetryPolicy, RunOptions, SequenceClient, StartOptions, StopOptions, Version,
};

use super::*;
use crate::fake_hub::{FakeHub, Generation};

/// The calls that do not make each of their requests in this test.
const CONDITIONAL: [&str; 4] = ["force_delete", "deploy", "last_event", "next_event"];

fn request(line: &str) -> ReceivedRequest {
    let (method, target) = line.split_once(' ').unwrap();
    let method: Method = method.parse().unwrap();
    ReceivedRequest::new(method, target.to_owned(), HeaderMap::new())
}

fn names(line: &str) -> Vec<&'static str> {
    let calls = find(&request(line)).into_iter();
    calls.map(|call| call.names).collect()
}

#[test]
fn find_compares_whole_paths() {
    assert_eq!(names("GET /api/v1/config"), ["config"]);
    assert_eq!(
        names("GET /api/v1/sequences?x=/version"),
        ["list_sequences, sequence_named, sequence_ids"]
    );
    // The calls of `GET log` do not match.
    assert_eq!(
        names("GET /api/v1/cpm/api/v1/instance/x/log"),
        [
            "follow_logs",
            "follow_logs_of",
            "run",
            "run_with",
            "log, log_lines",
            "follow_log of an instance"
        ]
    );
    assert_eq!(
        names("GET /log"),
        [
            "log_stream, log_lines",
            "follow_log of a host",
            "follow_logs",
            "follow_logs_of",
            "follow_log of an instance"
        ]
    );
    assert_eq!(names("POST /api/v1/config"), [""; 0]);
    assert_eq!(names("GET /api/v1/instance/"), [""; 0]);
    assert_eq!(names("GET /a/route/of/another/service"), [""; 0]);
}

/// A hub, and a client that knows its version. It checks the requests of calls.
struct CallRecorder {
    hub: FakeHub,
    host: HostClient,
    sequence: SequenceClient,
    version: Version,
}

impl CallRecorder {
    fn new(generation: Generation) -> Self {
        let hub = FakeHub::builder(generation).time_scale(20.0).start();
        hub.program("echo", |process| {
            process.emit("ready", "yes");
            while let Some(piece) = process.read()? {
                process.write(piece)?;
            }
            Ok(())
        });
        let host = hub.client().with_deadline(Duration::from_secs(60));
        let version = host.dialect().unwrap().version();
        let sequence = host.send_sequence(hub.package("echo")).unwrap();
        Self {
            hub,
            host,
            sequence,
            version,
        }
    }

    fn start(&self) -> InstanceClient {
        self.sequence.start(&StartOptions::new()).unwrap()
    }

    /// Like [`check`](Self::check), for a call that must succeed.
    fn succeeds<T, E: Debug>(&self, name: &str, call: impl FnOnce() -> Result<T, E>) -> T {
        self.check(name, call).unwrap()
    }

    /// Like [`check`](Self::check), for a call that must fail.
    fn fails<T: Debug, E>(&self, name: &str, call: impl FnOnce() -> Result<T, E>) -> E {
        self.check(name, call).unwrap_err()
    }

    /// Runs a call and checks that all of its requests are in the table, and that it makes the
    /// requests of the table that have no note.
    fn check<T>(&self, name: &str, call: impl FnOnce() -> T) -> T {
        let mut entries = CALLS
            .iter()
            .filter(|call| call.names.split(", ").any(|one| one == name));
        let entry = entries.next().unwrap_or_else(|| unreachable!("{name}"));
        let before = self.hub.requests().len();
        let result = call();
        let made = self.hub.requests().split_off(before);
        let wanted = |wanted: &&&str| match wanted.split_once(" (").map(|(_, note)| note) {
            None => Some(true),
            Some(note) => self.expects(note),
        };
        for line in &made {
            let mut possible = entry
                .requests
                .iter()
                .filter(|one| wanted(one) != Some(false));
            let request = request(line);
            let segments = request.path().split('/').count() - "/api/v1".split('/').count();
            assert!(
                possible.any(|one| matched_segments(one, &request) == segments),
                "{name} made the request {line}, which is not in its entry: {entry}"
            );
        }
        for one in entry
            .requests
            .iter()
            .filter(|one| wanted(one) == Some(true))
        {
            assert!(
                CONDITIONAL.contains(&name)
                    || made
                        .iter()
                        .any(|line| matched_segments(one, &request(line)) > 0),
                "{name} did not make the request {one}, but {made:?}"
            );
        }
        result
    }

    /// Returns `true` if the call makes a request with this note to a hub of this version; `None`
    /// if that depends on other conditions.
    fn expects(&self, note: &str) -> Option<bool> {
        let version = |text: &str| text.trim_end_matches(')').parse::<Version>().ok();
        let since = note.rsplit_once("since ").map(|(_, text)| version(text));
        let before = note.rsplit_once("before ").map(|(_, text)| version(text));
        let is_alone = note.starts_with("since ") || note.starts_with("before ");
        let is_there = match (since.flatten(), before.flatten()) {
            (Some(since), _) => self.version >= since,
            (_, Some(before)) => self.version < before,
            _ => return None,
        };
        (is_alone || !is_there).then_some(is_there)
    }
}

/// Runs a test on a hub of each generation, in parallel.
fn on_each_generation(test: impl Fn(&CallRecorder) + Sync) {
    thread::scope(|scope| {
        for generation in [Generation::V0_18, Generation::V1] {
            let test = &test;
            scope.spawn(move || test(&CallRecorder::new(generation)));
        }
    });
}

#[test]
fn the_table_has_the_requests_of_calls_that_wait() {
    on_each_generation(|recorder| {
        let CallRecorder { host, sequence, .. } = recorder;
        recorder.succeeds("wait_ready", || host.wait_ready(None));
        let instance = recorder.start();
        // Long enough for a request for the state of the instance.
        let limited = instance.with_deadline(Duration::from_millis(500));
        recorder.fails("wait_event", || limited.wait_event("never"));
        recorder.fails("wait_next_event", || limited.wait_next_event("never"));
        recorder.fails("wait_ended", || limited.wait_ended());
        let readiness = Readiness::event("never").timeout(Duration::from_millis(500));
        let options = StartOptions::new();
        recorder.fails("start_and_wait", || {
            sequence.start_and_wait(&options, &readiness)
        });
        recorder.fails("start_with_retry", || {
            let policy = RetryPolicy::exponential(Duration::from_millis(10)).max_attempts(2);
            sequence.start_with_retry(&options, &readiness, &policy)
        });
        recorder.succeeds("start_when_available", || {
            sequence.start_when_available(&options)
        });
    });
}

#[test]
fn the_table_has_the_requests_of_follow_log() {
    on_each_generation(|recorder| {
        let instance = recorder.start();
        let mut log = instance
            .with_deadline(Duration::from_millis(2500))
            .follow_log()
            .unwrap();
        recorder
            .check("follow_log of an instance", || {
                instance.log().unwrap();
                log.by_ref().find(Result::is_err)
            })
            .map(Result::unwrap_err)
            .unwrap();
    });
}

#[test]
fn the_table_has_the_requests_of_follow_events() {
    on_each_generation(|recorder| {
        let instance = recorder.start();
        let mut events = instance
            .with_deadline(Duration::from_millis(2500))
            .follow_events("never")
            .unwrap();
        recorder
            .check("follow_events", || {
                instance.event_stream("never").unwrap();
                events.by_ref().find(Result::is_err)
            })
            .map(Result::unwrap_err)
            .unwrap();
    });
}

#[test]
fn the_table_has_the_requests_of_runs() {
    on_each_generation(|recorder| {
        let sequence = &recorder.sequence;
        let options = StartOptions::new();
        recorder.succeeds("run", || sequence.run(&options, "text"));
        recorder.succeeds("run_with", || {
            sequence.run_with(&options, "text", RunOptions::new().log(true))
        });
        let mut child = recorder.succeeds("spawn", || sequence.spawn(&options));
        recorder.succeeds("Child::try_wait", || child.try_wait());
        recorder.succeeds("Child::stop", || child.stop(Duration::from_millis(1)));
        recorder.succeeds("spawn", || sequence.spawn(&options).map(drop));
        let mut child = sequence.spawn(&options).unwrap();
        recorder.succeeds("Child::kill", || child.kill());
        recorder.succeeds("Child::wait", || child.wait());
        let instance = recorder.start();
        recorder.succeeds("transform", || instance.transform_bytes("text"));
    });
}

#[test]
fn the_table_has_the_requests_of_deployments() {
    on_each_generation(|recorder| {
        let CallRecorder { hub, host, .. } = recorder;
        recorder.start();
        recorder.succeeds("force_delete", || recorder.sequence.force_delete());
        recorder.succeeds("deploy", || {
            let deployment = host.deploy(hub.package("echo"))?;
            hub.wait_until("there is nothing to kill", |hub| hub.running().is_empty());
            deployment.close()
        });
        if recorder.hub.generation() == Generation::V1 {
            recorder.succeeds("scoped_topic", || {
                host.scoped_topic("a-topic", ContentType::Text)?.close()
            });
        }
        let folder =
            std::env::temp_dir().join(format!("calls-{}-{}", std::process::id(), recorder.version));
        std::fs::create_dir_all(&folder).unwrap();
        let key = DeployKey::new("a-sequence", folder.join("state.json")).remove_old();
        for version in 0..2 {
            let manifest = r#"{"name":"a-sequence","version":"1.0.0","main":"index.js"}"#;
            std::fs::write(folder.join("package.json"), manifest).unwrap();
            std::fs::write(folder.join("index.js"), format!("// {version}")).unwrap();
            let package = Package::from_dir(&folder).unwrap();
            recorder.succeeds("deploy_if_changed", || {
                host.deploy_if_changed(&package, &key)
            });
        }
        std::fs::remove_dir_all(&folder).unwrap();
    });
}

#[test]
fn the_table_has_the_requests_of_pools() {
    on_each_generation(|recorder| {
        let readiness = Readiness::event("ready");
        let pool = recorder.succeeds("PoolOptions::start", || {
            let pool = PoolOptions::new(2)
                .readiness(readiness)
                .start([recorder.sequence.clone()], |_| StartOptions::new());
            // The pool checks its instances each second.
            thread::sleep(Duration::from_millis(1500));
            pool
        });
        recorder
            .check("InstancePool::shutdown", || {
                pool.shutdown(Duration::from_millis(1))
            })
            .into_iter()
            .for_each(|(_, ended)| drop(ended.unwrap()));
    });
}

#[test]
fn the_table_has_the_requests_of_simple_calls() {
    on_each_generation(|recorder| {
        let CallRecorder { host, sequence, .. } = recorder;
        recorder.succeeds("version", || host.version());
        recorder.succeeds("load_check", || host.load_check());
        recorder.succeeds("list_sequences", || host.list_sequences());
        recorder.succeeds("list_instances", || host.list_instances());
        recorder.succeeds("log_stream", || host.log_stream());
        if recorder.hub.generation() == Generation::V1 {
            recorder.succeeds("status", || host.status());
            recorder.succeeds("audit_stream", || host.audit_stream());
            recorder.succeeds("config", || host.config());
            recorder.succeeds("list_entities", || host.list_entities());
            let text = ContentType::Text;
            recorder.succeeds("create_topic", || host.create_topic("a-topic", text));
            recorder.succeeds("list_topics", || host.list_topics());
            recorder.succeeds("delete_topic", || host.delete_topic("a-topic"));
            recorder.succeeds("overwrite", || {
                sequence.overwrite(recorder.hub.package("echo"))
            });
        }
        let instance = recorder.check("start", || recorder.start());
        recorder.succeeds("info of a sequence", || sequence.info());
        recorder.succeeds("list_instances of a sequence", || sequence.list_instances());
        recorder.succeeds("info of an instance", || instance.info());
        recorder.succeeds("health", || instance.health());
        recorder.succeeds("set_monitoring_rate", || instance.set_monitoring_rate(1));
        recorder.succeeds("send_event", || instance.send_event("name", "data"));
        recorder.succeeds("last_event", || instance.last_event("ready"));
        recorder.succeeds("event_stream", || instance.event_stream("ready"));
        let soon = instance.with_deadline(Duration::from_millis(50));
        recorder.check("next_event", || soon.next_event("ready").err());
        recorder.succeeds("stdout", || instance.stdout());
        recorder.succeeds("stderr", || instance.stderr());
        recorder.succeeds("log", || instance.log());
        let mut output = recorder.succeeds("output", || instance.output());
        recorder.succeeds("send_stdin", || {
            instance.send_stdin(Input::text("text").end(false))
        });
        recorder.succeeds("send_input", || instance.send_input("text"));
        output.read_to_end(&mut Vec::new()).unwrap();
        if recorder.hub.generation() == Generation::V1 {
            let other = recorder.start();
            let soon = other.with_deadline(Duration::from_secs(1));
            recorder.check("inout", || soon.inout("text").ok());
        }
        let other = recorder.start();
        recorder.succeeds("stop", || {
            other.stop(&StopOptions::new(Duration::from_millis(1)))
        });
        let other = recorder.start();
        // 1.x refuses to kill an instance that is starting, which does not matter here.
        recorder.check("kill", || other.kill(&KillOptions::new()).ok());
        let unused = recorder.succeeds("send_sequence", || {
            host.send_sequence(recorder.hub.package("echo"))
        });
        recorder.succeeds("delete", || unused.delete());
    });
}
