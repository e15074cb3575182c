//! A hub whose starts, events and kills are scripted by a test. It behaves like 0.18.7 or 1.0.1.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use scramjet_client_blocking::{HostClient, SequenceClient};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};
use serde_json::{Value, json};

use crate::helpers::HANG_TIMEOUT;

/// The data of an event. `None` is `undefined` in JavaScript.
pub(crate) type Data = Option<Value>;

/// The result of a start request.
pub(crate) enum Start {
    /// An instance that has emitted these events.
    Running(Vec<(&'static str, Data)>),
    /// Like `Running`, but the hub closes the connection instead of responding.
    RunningNoResponse(Vec<(&'static str, Data)>),
    /// Like `Running`, but the hub responds only after [`ScriptedHub::release`].
    Delayed(Vec<(&'static str, Data)>),
    /// An instance that ended at once, with this exit code and reason.
    Ended(i64, &'static str),
    /// No instance. The hub closes the connection.
    Closed,
    /// No instance. The hub responds with this status, these headers and this body.
    Refused(
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
    ),
}

/// The route by which a client receives an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `GET /instance/:id/event/:name`, which returns the last event.
    LastEvent,
    EventStream,
}

pub(crate) struct ScriptedHub {
    server: ScriptedServer,
    shared: Arc<Shared>,
}

struct Shared {
    version: &'static str,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Ends all waiting requests when the test is over.
    stopped: bool,
    requests: Vec<String>,
    starts: VecDeque<Start>,
    released: bool,
    /// The number of kills to refuse, and the status of instances until then.
    unkillable: (usize, &'static str),
    kills_hang: bool,
    kills_forbidden: bool,
    /// The instance ids in the start requests.
    requested_ids: Vec<Option<String>>,
    instances: BTreeMap<String, Instance>,
    /// The route on which no events are sent at the moment.
    held: Option<Route>,
    /// The number of events sent on all routes.
    delivered: usize,
    /// An event that the instance emits at the next info request, at which it ends.
    final_event: Option<(&'static str, Data)>,
    hidden: Option<&'static str>,
}

#[derive(Default)]
struct Instance {
    emitted: Vec<(String, Data)>,
    listening: usize,
    ended: Option<Value>,
}

impl ScriptedHub {
    pub(crate) fn start(version: &'static str, starts: Vec<Start>) -> Self {
        let state = Mutex::new(State {
            starts: starts.into(),
            unkillable: (0, "running"),
            ..State::default()
        });
        let shared = Arc::new(Shared {
            version,
            state,
            changed: Condvar::new(),
        });
        let server = ScriptedServer::start({
            let shared = Arc::clone(&shared);
            move |connection| {
                while let Ok(request) = connection.read_request() {
                    if shared.serve(&request, connection).is_none() {
                        break;
                    }
                }
            }
        });
        Self { server, shared }
    }

    /// Starts a hub of 1.0.1 with the instance `i`.
    pub(crate) fn v1_with_instance() -> Self {
        let hub = Self::start("1.0.1", Vec::new());
        hub.add_instance();
        hub
    }

    /// Adds the running instance `i`.
    pub(crate) fn add_instance(&self) {
        self.change(|state| drop(state.instances.insert("i".into(), Instance::default())));
    }

    /// Hides the instance until its info is requested.
    pub(crate) fn hide(&self, id: &'static str) {
        self.change(|state| state.hidden = Some(id));
    }

    pub(crate) fn host(&self) -> HostClient {
        HostClient::new(self.server.url()).unwrap()
    }

    /// Returns a client for the sequence `s`.
    pub(crate) fn sequence(&self) -> SequenceClient {
        self.host().sequence("s").unwrap()
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn connections(&self) -> usize {
        self.server.connections()
    }

    /// Emits an event from the instance `i`.
    pub(crate) fn emit(&self, name: &str, data: Data) {
        self.change(|state| {
            state
                .instances
                .get_mut("i")
                .unwrap()
                .emitted
                .push((name.to_owned(), data))
        });
    }

    /// Like [`emit`](Self::emit), but sends the event on this route before the other one.
    pub(crate) fn emit_first_on(&self, route: Route, name: &str, data: Data) {
        let other = if route == Route::EventStream {
            Route::LastEvent
        } else {
            Route::EventStream
        };
        self.hold(other, || {
            self.emit(name, data);
            self.wait_until_delivered(1);
        });
    }

    /// Sends no events on this route while the closure runs.
    pub(crate) fn hold(&self, route: Route, until: impl FnOnce()) {
        self.change(|state| state.held = Some(route));
        until();
        self.change(|state| state.held = None);
    }

    pub(crate) fn wait_until_delivered(&self, count: usize) {
        drop(self.when(|state| state.delivered >= count));
    }

    /// Ends the instance `i`. Its info gets these members.
    pub(crate) fn end(&self, info: Value) {
        self.change(|state| state.instances.get_mut("i").unwrap().ended = Some(info));
    }

    /// Makes the instance `i` emit an event and end at the next info request.
    pub(crate) fn emit_and_end(&self, name: &'static str, data: Data) {
        self.change(|state| state.final_event = Some((name, data)));
    }

    /// Forgets the instance `i`.
    pub(crate) fn forget(&self) {
        self.change(|state| drop(state.instances.remove("i")));
    }

    /// Refuses this many kills with 400. Until then, instances have this status.
    pub(crate) fn refuse_kills(&self, times: usize, status: &'static str) {
        self.change(|state| state.unkillable = (times, status));
    }

    /// Does not respond to kills.
    pub(crate) fn ignore_kills(&self) {
        self.change(|state| state.kills_hang = true);
    }

    /// Refuses kills with 403.
    pub(crate) fn forbid_kills(&self) {
        self.change(|state| state.kills_forbidden = true);
    }

    /// Responds to the delayed start.
    pub(crate) fn release(&self) {
        self.change(|state| state.released = true);
    }

    /// Waits until the instance `i` has this many event requests.
    pub(crate) fn wait_for_listeners(&self, count: usize) {
        drop(self.when(|state| state.instances["i"].listening >= count));
    }

    /// Waits for a request, given as the method, a space, and the path after the base.
    pub(crate) fn wait_for(&self, request: &str) {
        drop(self.when(|state| state.requests.iter().any(|seen| seen == request)));
    }

    /// Waits for a request that ends with this text.
    pub(crate) fn wait_for_end(&self, end: &str) {
        drop(self.when(|state| state.requests.iter().any(|seen| seen.ends_with(end))));
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// Returns the start, kill and stop requests in order. Ids that the client generated appear as
    /// `made`.
    pub(crate) fn lifecycle(&self) -> Vec<String> {
        let part = |request: &String| {
            let id = request.split('/').nth(1).unwrap_or_default();
            let id = if id.len() == 36 { "made" } else { id };
            match request.rsplit('/').next()? {
                "start" => Some("start".to_owned()),
                "_kill" => Some(format!("kill {id}")),
                "_stop" => Some(format!("stop {id}")),
                _ => None,
            }
        };
        self.state().requests.iter().filter_map(part).collect()
    }

    pub(crate) fn requested_ids(&self) -> Vec<Option<String>> {
        self.state().requested_ids.clone()
    }

    /// Returns the ids of the running instances.
    pub(crate) fn running(&self) -> Vec<String> {
        let state = self.state();
        state
            .instances
            .iter()
            .filter(|(_, instance)| instance.ended.is_none())
            .map(|(id, _)| id.clone())
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.shared.changed.notify_all();
    }

    fn when(&self, is: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let (state, waited) = self
            .shared
            .changed
            .wait_timeout_while(self.state(), HANG_TIMEOUT, |state| !is(state))
            .unwrap();
        assert!(!waited.timed_out(), "timed out: {:?}", state.requests);
        state
    }
}

impl Drop for ScriptedHub {
    fn drop(&mut self) {
        // A failed test may have poisoned the lock.
        self.shared
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn is_1x(&self) -> bool {
        self.version.starts_with('1')
    }

    /// Responds to a request. Returns `None` if the connection is to be closed.
    fn serve(&self, request: &ReceivedRequest, connection: &mut Connection) -> Option<()> {
        let target = request.target.strip_prefix("/api/v1/")?.to_owned();
        self.change(|state| state.requests.push(format!("{} {target}", request.method)));
        let segments: Vec<_> = target.split('/').collect();
        let reply = match segments[..] {
            ["version"] => json_reply("200 OK", &json!({ "version": self.version })),
            ["sequence", _, "start"] => self.serve_start(request)?,
            ["instance", id] => self.info(id),
            ["instance", id, "_kill"] => {
                self.when(|state| (!state.kills_hang).then_some(()))?;
                self.kill(id)
            }
            ["instance", id, "_stop"] => self.stop(id),
            ["instance", id, "event", name] => self.last_event(id, name)?,
            ["instance", id, "events", name] => return self.stream(id, name, connection),
            _ => response("404 Not Found", &[], b""),
        };
        connection.send(&reply).ok()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
        result
    }

    /// Waits until the closure returns a value. Returns `None` if the test is over.
    fn when<T>(&self, mut is: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let mut state = self.state.lock().unwrap();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(result) = is(&mut state) {
                return Some(result);
            }
            state = self.changed.wait(state).unwrap();
        }
    }

    fn not_found(&self, id: &str) -> Vec<u8> {
        // Hubs send this without a content type.
        let text = if self.is_1x() {
            json!({ "error": format!("Instance {id} not found") }).to_string()
        } else {
            String::new()
        };
        response("404 Not Found", &[], text.as_bytes())
    }

    fn serve_start(&self, request: &ReceivedRequest) -> Option<Vec<u8>> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let requested = body
            .get("instanceId")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let make = |state: &mut State, emitted: Vec<(&str, Data)>, ended| {
            let id = requested
                .clone()
                .unwrap_or_else(|| format!("i{}", state.instances.len()));
            let emitted = emitted
                .into_iter()
                .map(|(name, data)| (name.to_owned(), data))
                .collect();
            state.instances.insert(
                id.clone(),
                Instance {
                    emitted,
                    ended,
                    listening: 0,
                },
            );
            json_reply("200 OK", &json!({ "id": id }))
        };
        let start = self.change(|state| {
            state.requested_ids.push(requested.clone());
            let taken = requested
                .as_ref()
                .is_some_and(|id| state.instances.contains_key(id));
            if taken {
                None
            } else {
                Some(state.starts.pop_front().expect("more starts than scripted"))
            }
        });
        let Some(start) = start else {
            return Some(json_reply(
                "409 Conflict",
                &json!({ "error": "Instance with a given ID already exists" }),
            ));
        };
        match start {
            Start::Running(emitted) => Some(self.change(|state| make(state, emitted, None))),
            Start::RunningNoResponse(emitted) => {
                self.change(|state| make(state, emitted, None));
                None
            }
            Start::Delayed(emitted) => {
                self.when(|state| state.released.then_some(()))?;
                Some(self.change(|state| make(state, emitted, None)))
            }
            Start::Ended(exitcode, reason) => {
                let ended = terminated("errored", exitcode, reason);
                Some(self.change(|state| make(state, Vec::new(), Some(ended))))
            }
            Start::Closed => None,
            Start::Refused(status, headers, body) => {
                Some(response(status, headers, body.as_bytes()))
            }
        }
    }

    fn info(&self, id: &str) -> Vec<u8> {
        let is_1x = self.is_1x();
        let info = self.change(|state| {
            let (status, final_event) = (state.unkillable.1, state.final_event.take());
            if state.hidden == Some(id) {
                state.instances.entry(id.to_owned()).or_default();
            }
            let instance = state.instances.get_mut(id)?;
            if let Some((name, data)) = final_event {
                instance.emitted.push((name.to_owned(), data));
                instance.ended =
                    Some(json!({ "ended": "2026-11-23T19:31:59.480Z", "status": "completed" }));
            }
            let mut info = json!({ "id": id, "sequence": "s" });
            match &instance.ended {
                // Hubs of 0.18 forget ended instances.
                Some(_) if !is_1x => return None,
                Some(ended) => info
                    .as_object_mut()
                    .unwrap()
                    .extend(ended.as_object().unwrap().clone()),
                None if is_1x => info["status"] = json!(status),
                None => {}
            }
            Some(info)
        });
        info.map_or_else(|| self.not_found(id), |info| json_reply("200 OK", &info))
    }

    fn kill(&self, id: &str) -> Vec<u8> {
        self.change(|state| {
            let Some(instance) = state.instances.get_mut(id) else {
                return self.not_found(id);
            };
            if state.kills_forbidden {
                return response("403 Forbidden", &[], b"");
            }
            if state.unkillable.0 > 0 || instance.ended.is_some() {
                state.unkillable.0 = state.unkillable.0.saturating_sub(1);
                return json_reply(
                    "400 Bad Request",
                    &json!({ "error": "Instance not running" }),
                );
            }
            instance.ended = Some(terminated("completed", 137, "Instance killed"));
            json_reply(
                "202 Accepted",
                &json!({ "id": id, "sequence": "s", "status": "killing" }),
            )
        })
    }

    fn stop(&self, id: &str) -> Vec<u8> {
        self.change(|state| {
            let Some(instance) = state.instances.get_mut(id) else {
                return self.not_found(id);
            };
            instance.ended = Some(terminated("completed", 138, "Instance stopped"));
            json_reply(
                "202 Accepted",
                &json!({ "id": id, "sequence": "s", "status": "stopping" }),
            )
        })
    }

    fn last_event(&self, id: &str, name: &str) -> Option<Vec<u8>> {
        let is_1x = self.is_1x();
        let mut seen = None;
        self.when(|state| {
            let held = state.held == Some(Route::LastEvent);
            let Some(instance) = state.instances.get_mut(id) else {
                return Some(self.not_found(id));
            };
            let first_look = seen.is_none();
            let seen = *seen.get_or_insert(instance.emitted.len());
            // On 1.x, later requests do not find events whose data is falsy in JavaScript.
            let last = instance.emitted[..seen]
                .iter()
                .rfind(|(emitted, _)| emitted == name)
                .filter(|(_, data)| !is_1x || is_truthy(data));
            let event = last
                .or_else(|| {
                    instance.emitted[seen..]
                        .iter()
                        .find(|(emitted, _)| emitted == name)
                })
                .cloned();
            if let Some((_, data)) = event.filter(|_| !held) {
                state.delivered += 1;
                self.changed.notify_all();
                return Some(if is_1x {
                    last_event_reply_1x(data)
                } else {
                    json_reply("200 OK", &envelope_0_18(name, data))
                });
            }
            if first_look {
                instance.listening += 1;
                self.changed.notify_all();
            }
            None
        })
    }

    fn stream(&self, id: &str, name: &str, connection: &mut Connection) -> Option<()> {
        let first = self.change(|state| {
            let instance = state.instances.get_mut(id)?;
            instance.listening += 1;
            Some(instance.emitted.len())
        });
        let Some(mut next) = first else {
            return connection.send(self.not_found(id)).ok();
        };
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n\
            Transfer-Encoding: chunked\r\n\r\n";
        connection.send(head).ok()?;
        loop {
            // The stream does not end with the instance.
            let emitted = self.when(|state| {
                let emitted = state.instances.get(id)?.emitted.get(next..)?;
                (state.held != Some(Route::EventStream) && !emitted.is_empty())
                    .then(|| emitted.to_vec())
            })?;
            next += emitted.len();
            for (_, data) in emitted.into_iter().filter(|(emitted, _)| emitted == name) {
                let line = if self.is_1x() {
                    stream_line_1x(data)
                } else {
                    envelope_0_18(name, data)
                };
                let line = format!("{line}\n");
                connection
                    .send(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes())
                    .ok()?;
                self.change(|state| state.delivered += 1);
            }
        }
    }
}

/// Hubs add this header to each response.
const ALLOWS_ALL: (&str, &str) = ("Access-Control-Allow-Origin", "*");

fn json_reply(status: &str, body: &Value) -> Vec<u8> {
    let headers = [("content-type", "application/json"), ALLOWS_ALL];
    response(status, &headers, body.to_string().as_bytes())
}

/// Returns the members that the info of an instance gets when it ends.
pub(crate) fn terminated(status: &str, exit_code: i64, reason: &str) -> Value {
    json!({ "status": status, "terminated": { "exitcode": exit_code, "reason": reason } })
}

/// Returns an event as 0.18.7 writes it.
fn envelope_0_18(name: &str, data: Data) -> Value {
    let mut envelope = json!({ "eventName": name });
    if let Some(data) = data {
        envelope["message"] = data;
    }
    envelope
}

fn is_truthy(data: &Data) -> bool {
    match data {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    }
}

/// Returns a line of an event stream of 1.0.1.
fn stream_line_1x(data: Data) -> Value {
    if is_truthy(&data) {
        data.unwrap()
    } else {
        json!({})
    }
}

/// Returns the response of 1.0.1 to a request for the last event.
fn last_event_reply_1x(data: Data) -> Vec<u8> {
    let unwritable = || {
        response(
            "500 Internal Server Error",
            &[ALLOWS_ALL],
            b"500: Failed to serialize data",
        )
    };
    match data {
        None => unwritable(),
        Some(Value::Null) => {
            b"HTTP/1.1 204 No content\r\ncontent-type: application/json\r\n\r\n".to_vec()
        }
        Some(Value::Object(mut object)) if object.contains_key("opStatus") => {
            match object.remove("opStatus") {
                Some(Value::String(status)) if status == "OK" => {
                    json_reply("200 OK", &Value::Object(object))
                }
                Some(Value::String(status)) if status == "Not Found" => {
                    object.insert("error".into(), json!(status));
                    json_reply("404 Not Found", &Value::Object(object))
                }
                _ => unwritable(),
            }
        }
        Some(Value::Object(object)) if object.is_empty() => {
            response("200 OK", &[("content-type", "application/json")], b"")
        }
        Some(Value::String(text)) if text.is_empty() => {
            response("200 OK", &[("content-type", "application/json")], b"")
        }
        Some(Value::Bool(_) | Value::Number(_)) => {
            response("200 OK", &[("content-type", "application/json")], b"")
        }
        Some(data) => json_reply("200 OK", &data),
    }
}
