//! A fake hub for `deploy_if_changed`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use scramjet_client_blocking::HostClient;
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{ScriptedServer, response};
use serde_json::{Value, json};

use crate::helpers::serving;
/// A hub that stores packages and records requests. It supports `overwrite` if its version is 0.38
/// or later.
pub(crate) struct StoringHub {
    server: ScriptedServer,
    state: Arc<Mutex<HubState>>,
}

#[derive(Default)]
pub(crate) struct HubState {
    seen: Vec<String>,
    sent: usize,
    pub(crate) sequences: BTreeMap<String, Vec<u8>>,
    pub(crate) in_use: Vec<String>,
    /// Requests that begin with this text fail with 500.
    pub(crate) failing: Option<&'static str>,
}

impl StoringHub {
    pub(crate) fn start(version: &'static str) -> Self {
        let state = Arc::<Mutex<HubState>>::default();
        let server = serving({
            let state = Arc::clone(&state);
            move |request| state.lock().unwrap().answer(version, request)
        });
        Self { server, state }
    }

    pub(crate) fn host(&self) -> HostClient {
        HostClient::new(self.server.url()).unwrap()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut HubState)) {
        change(&mut self.state.lock().unwrap());
    }

    /// Returns the requests since the last call.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.state
            .lock()
            .unwrap()
            .sequences
            .keys()
            .cloned()
            .collect()
    }
}

impl HubState {
    fn answer(&mut self, version: &str, request: &ReceivedRequest) -> Vec<u8> {
        let line = format!(
            "{} {}",
            request.method,
            request.target.strip_prefix("/api/v1/").unwrap()
        );
        self.seen.push(line.clone());
        let json_response = |status, body: Value| {
            response(
                status,
                &[("content-type", "application/json")],
                body.to_string().as_bytes(),
            )
        };
        if self
            .failing
            .is_some_and(|failing| line.starts_with(failing))
        {
            return json_response("500 Internal Server Error", json!({ "error": "it failed" }));
        }
        let (method, path) = line.split_once(' ').unwrap();
        let id = path
            .strip_prefix("sequence/")
            .unwrap_or_default()
            .to_owned();
        let unknown = || json_response("404 Not Found", json!({ "error": "not found" }));
        match method {
            "GET" if path == "version" => json_response("200 OK", json!({ "version": version })),
            "POST" => {
                self.sent += 1;
                let id = format!("s{}", self.sent);
                self.sequences.insert(id.clone(), request.body.clone());
                json_response("200 OK", json!({ "id": id }))
            }
            _ if !self.sequences.contains_key(&id) => unknown(),
            "GET" => {
                let size = self.sequences[&id].len();
                json_response(
                    "200 OK",
                    json!({ "id": id, "config": { "name": "a-package", "version": "1",
                        "packageSize": size } }),
                )
            }
            "PUT" | "DELETE" if self.in_use.contains(&id) => {
                json_response("409 Conflict", json!({ "error": "in use" }))
            }
            "PUT" => {
                self.sequences.insert(id.clone(), request.body.clone());
                json_response("200 OK", json!({ "id": id }))
            }
            "DELETE" => {
                self.sequences.remove(&id);
                json_response("200 OK", json!({ "id": id }))
            }
            _ => unknown(),
        }
    }
}
