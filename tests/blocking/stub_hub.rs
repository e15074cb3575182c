//! A hub that runs nothing: it keeps a list of instances, of any version, and tells what it was asked. What a test needs to be otherwise
//! is a scene of the test.

use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{collections::BTreeSet, thread};

use scramjet_client_blocking::{HostClient, SequenceClient};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};
use serde_json::json;

/// What becomes of a request.
pub(crate) enum Scene {
    /// What the hub does where nothing else is said.
    Usual,
    /// This answer.
    Answer(Vec<u8>),
    /// This answer, and the connection is closed.
    Last(Vec<u8>),
    /// None; the connection is closed when the client goes.
    Silence,
    /// None; the connection is closed at once.
    Cut,
}

#[derive(Default)]
struct State {
    started: AtomicUsize,
    living: Mutex<BTreeSet<String>>,
    seen: Mutex<Vec<String>>,
}

pub(crate) struct StandIn {
    server: ScriptedServer,
    state: Arc<State>,
}

/// An answer in JSON.
pub(crate) fn says(status: &str, body: &serde_json::Value) -> Scene {
    Scene::Answer(response(
        status,
        &[("content-type", "application/json")],
        body.to_string().as_bytes(),
    ))
}

impl StandIn {
    /// `scene` is asked first, with the request in words: `"POST /sequence/the-sequence/start"`; of a forced deletion they end in ` by force`.
    pub(crate) fn start(
        version: &'static str,
        scene: impl Fn(&str) -> Scene + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::<State>::default();
        let server = ScriptedServer::start({
            let state = Arc::clone(&state);
            move |connection| {
                while let Ok(mut request) = connection.read_head() {
                    let words = words(&request);
                    let into_instance = words.ends_with("/input") || words.ends_with("/stdin");
                    // What goes into an instance may have no end.
                    if !into_instance && connection.read_body(&mut request).is_err() {
                        return;
                    }
                    state.seen.lock().unwrap().push(words.clone());
                    let answer = match scene(&words) {
                        Scene::Usual => state.usual(version, &words),
                        scene => scene,
                    };
                    match answer {
                        Scene::Answer(answer) if !into_instance => drop(connection.send(&answer)),
                        Scene::Answer(answer) => {
                            let _ = connection.send(&answer);
                            let _ = connection.close_after_client();
                            return;
                        }
                        Scene::Last(answer) => {
                            let _ = connection.send(&answer);
                            return;
                        }
                        Scene::Cut => return,
                        _ => return silent(connection),
                    }
                }
            }
        });
        Self { server, state }
    }

    pub(crate) fn host(&self) -> HostClient {
        HostClient::new(self.server.url()).unwrap()
    }

    pub(crate) fn sequence(&self) -> SequenceClient {
        self.host().sequence("the-sequence").unwrap()
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// The instances that were started and not ended.
    pub(crate) fn living(&self) -> Vec<String> {
        self.state.living.lock().unwrap().iter().cloned().collect()
    }

    /// An instance ends without being asked to.
    pub(crate) fn end(&self, id: &str) {
        self.state.living.lock().unwrap().remove(id);
    }

    /// The requests so far that contain this.
    pub(crate) fn seen(&self, part: &str) -> Vec<String> {
        self.state
            .seen
            .lock()
            .unwrap()
            .iter()
            .filter(|words| words.contains(part))
            .cloned()
            .collect()
    }
}

fn words(request: &ReceivedRequest) -> String {
    let path = request
        .target
        .strip_prefix("/api/v1")
        .unwrap_or(&request.target);
    let force = if request.header("x-seq-kill-inst").is_some() {
        " by force"
    } else {
        ""
    };
    format!("{} {path}{force}", request.method)
}

fn silent(connection: &mut Connection) {
    while connection.read(&mut [0; 4096]).unwrap_or(0) > 0 {}
}

impl State {
    fn usual(&self, version: &str, words: &str) -> Scene {
        let (method, path) = words.split_once(' ').unwrap();
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let mut living = self.living.lock().unwrap();
        match (method, parts.as_slice()) {
            ("GET", ["version"]) => says("200 OK", &json!({ "version": version })),
            ("POST", ["sequence"]) => says("202 Accepted", &json!({ "id": "the-sequence" })),
            ("POST", ["sequence", _, "start"]) => {
                let id = format!("instance-{}", self.started.fetch_add(1, Ordering::SeqCst));
                living.insert(id.clone());
                says("200 OK", &json!({ "id": id }))
            }
            ("GET", ["sequence", _, "instances"]) => says("200 OK", &json!(*living)),
            ("DELETE", ["sequence", _]) if !living.is_empty() && !words.ends_with(" by force") => {
                says("409 Conflict", &json!({ "error": "in use" }))
            }
            // By force, with what runs.
            ("DELETE", ["sequence" | "topics", _]) => {
                living.clear();
                says("200 OK", &json!({}))
            }
            ("POST", ["topics"]) => says("200 OK", &json!({ "id": "a-topic" })),
            ("GET", ["instances"]) => {
                let infos: Vec<_> = living
                    .iter()
                    .map(|id| json!({ "id": id, "sequence": "the-sequence" }))
                    .collect();
                says("200 OK", &json!(infos))
            }
            ("GET", ["instance", id]) if living.contains(*id) => {
                says("200 OK", &json!({ "id": id, "sequence": "the-sequence" }))
            }
            ("GET", ["instance", id, "stdout" | "stderr" | "output"]) if living.contains(*id) => {
                Scene::Answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec())
            }
            ("POST", ["instance", id, "_kill" | "_stop"]) if living.remove(*id) => {
                says("202 Accepted", &json!({}))
            }
            _ => says("404 Not Found", &json!({ "error": "not found" })),
        }
    }
}

/// Asks again until it is so: for what comes about on a hub, or in a thread, in its own time.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{what}: it does not come about"
        );
        thread::yield_now();
    }
}

/// The hub has forgotten the instances of the sequence, or knows that they have ended.
pub(crate) fn until_gone(sequence: &SequenceClient) {
    until("the instances are gone", || {
        let ended = |id: &_| match sequence.host().instance_info(id) {
            // An instance that failed to load has an exit code, but no time at which it ended.
            Ok(info) => info.ended.is_some() || info.terminated.is_some(),
            Err(error) => error.is_not_found(),
        };
        sequence.list_instances().unwrap().iter().all(ended)
    });
}
