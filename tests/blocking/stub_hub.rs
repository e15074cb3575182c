//! A stub of a hub, of any version. It runs nothing: it only keeps a list of instances, and records
//! the requests. A test can reply to each request in its own way.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use scramjet_client_blocking::{HostClient, SequenceClient};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};
use serde_json::json;

use crate::helpers::until;

/// The reply to a request.
pub(crate) enum Reply {
    /// The reply that the stub gives by default.
    Default,
    Response(Vec<u8>),
    /// A response, after which the server closes the connection.
    LastResponse(Vec<u8>),
    /// No response. The connection stays open until the client closes it.
    Silence,
    /// No response. The server closes the connection at once.
    Close,
}

#[derive(Default)]
struct State {
    started: AtomicUsize,
    running: Mutex<BTreeSet<String>>,
    requests: Mutex<Vec<String>>,
}

pub(crate) struct StubHub {
    server: ScriptedServer,
    state: Arc<State>,
}

/// A JSON response.
pub(crate) fn json_reply(status: &str, body: &serde_json::Value) -> Reply {
    Reply::Response(response(
        status,
        &[("content-type", "application/json")],
        body.to_string().as_bytes(),
    ))
}

impl StubHub {
    /// Starts the stub. `reply` gets each request as text like `"GET /instances"`. For a forced
    /// deletion, the text ends in ` by force`.
    pub(crate) fn start(
        version: &'static str,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::<State>::default();
        let server = ScriptedServer::start({
            let state = Arc::clone(&state);
            move |connection| {
                while let Ok(mut request) = connection.read_head() {
                    let line = request_line(&request);
                    // The input of an instance can be endless.
                    let is_input = line.ends_with("/input") || line.ends_with("/stdin");
                    if !is_input && connection.read_body(&mut request).is_err() {
                        return;
                    }
                    state.requests.lock().unwrap().push(line.clone());
                    let answer = match reply(&line) {
                        Reply::Default => state.default_reply(version, &line),
                        reply => reply,
                    };
                    match answer {
                        Reply::Response(answer) if !is_input => drop(connection.send(&answer)),
                        Reply::Response(answer) => {
                            let _ = connection.send(&answer);
                            let _ = connection.close_after_client();
                            return;
                        }
                        Reply::LastResponse(answer) => {
                            let _ = connection.send(&answer);
                            return;
                        }
                        Reply::Close => return,
                        _ => return wait_until_closed(connection),
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

    /// Returns the ids of the running instances.
    pub(crate) fn running(&self) -> Vec<String> {
        self.state.running.lock().unwrap().iter().cloned().collect()
    }

    /// Ends an instance as if its program had completed.
    pub(crate) fn end(&self, id: &str) {
        self.state.running.lock().unwrap().remove(id);
    }

    /// Returns the requests so far that contain `part`.
    pub(crate) fn requests(&self, part: &str) -> Vec<String> {
        self.state
            .requests
            .lock()
            .unwrap()
            .iter()
            .filter(|request| request.contains(part))
            .cloned()
            .collect()
    }
}

fn request_line(request: &ReceivedRequest) -> String {
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

fn wait_until_closed(connection: &mut Connection) {
    while connection.read(&mut [0; 4096]).unwrap_or(0) > 0 {}
}

impl State {
    fn default_reply(&self, version: &str, request: &str) -> Reply {
        let (method, path) = request.split_once(' ').unwrap();
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let mut running = self.running.lock().unwrap();
        match (method, parts.as_slice()) {
            ("GET", ["version"]) => json_reply("200 OK", &json!({ "version": version })),
            ("POST", ["sequence"]) => json_reply("202 Accepted", &json!({ "id": "the-sequence" })),
            ("POST", ["sequence", _, "start"]) => {
                let id = format!("instance-{}", self.started.fetch_add(1, Ordering::SeqCst));
                running.insert(id.clone());
                json_reply("200 OK", &json!({ "id": id }))
            }
            ("GET", ["sequence", _, "instances"]) => json_reply("200 OK", &json!(*running)),
            ("DELETE", ["sequence", _])
                if !running.is_empty() && !request.ends_with(" by force") =>
            {
                json_reply("409 Conflict", &json!({ "error": "in use" }))
            }
            ("DELETE", ["sequence" | "topics", _]) => {
                running.clear();
                json_reply("200 OK", &json!({}))
            }
            ("POST", ["topics"]) => json_reply("200 OK", &json!({ "id": "a-topic" })),
            ("GET", ["instances"]) => {
                let infos: Vec<_> = running
                    .iter()
                    .map(|id| json!({ "id": id, "sequence": "the-sequence" }))
                    .collect();
                json_reply("200 OK", &json!(infos))
            }
            ("GET", ["instance", id]) if running.contains(*id) => {
                json_reply("200 OK", &json!({ "id": id, "sequence": "the-sequence" }))
            }
            ("GET", ["instance", id, "stdout" | "stderr" | "output"]) if running.contains(*id) => {
                Reply::Response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec())
            }
            ("POST", ["instance", id, "_kill" | "_stop"]) if running.remove(*id) => {
                json_reply("202 Accepted", &json!({}))
            }
            _ => json_reply("404 Not Found", &json!({ "error": "not found" })),
        }
    }
}

/// Waits until the hub has forgotten the instances of the sequence, or reports that they ended.
pub(crate) fn until_gone(sequence: &SequenceClient) {
    until("the instances are gone", || {
        let ended = |id: &_| match sequence.host().instance_info(id) {
            // An instance that failed to load has an exit code, but no end time.
            Ok(info) => info.ended.is_some() || info.terminated.is_some(),
            Err(error) => error.is_not_found(),
        };
        sequence.list_instances().unwrap().iter().all(ended)
    });
}
