//! The routes below `instance/:id`.

use std::time::Duration;

use serde_json::{Value, json};

use super::exchange::AfterUpload;
use super::instance::{Death, Instance, ReadStream, Stage};
use super::negotiate::{Scope, content_type, refuse};
use super::pipe::{Keep, PipeId};
use super::process::Message;
use super::reply::{BYTES, Reply, stream_head};
use super::routes::Asked;
use super::{InstanceKey, Model};

pub(super) fn info(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    let instance = hub.instances.get(asked.key())?;
    Some(Reply::json(200, &hub.instance_info(instance)))
}

/// The last report about the health, which is not renewed when the process is gone.
pub(super) fn health(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    let first = hub.times.first_health;
    let now = hub.now;
    let instance = hub.instances.get_mut(asked.key())?;
    if instance
        .started
        .is_some_and(|started| started + first > now)
    {
        instance.health.push(asked.id);
        return None;
    }
    Some(healthy(instance))
}

fn healthy(instance: &Instance) -> Reply {
    Reply::json(
        200,
        &json!({ "healthy": true, "processId": 10_000 + instance.key.0 }),
    )
}

impl Model {
    pub(super) fn answer_health(&mut self, key: InstanceKey) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let reply = healthy(instance);
        for exchange in std::mem::take(&mut instance.health) {
            self.reply(exchange, reply.clone());
        }
    }
}

pub(super) fn output(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    read(hub, asked, |instance| instance.output)
}

pub(super) fn stdout(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    read(hub, asked, |instance| instance.stdout)
}

pub(super) fn stderr(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    read(hub, asked, |instance| instance.stderr)
}

pub(super) fn log(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    read(hub, asked, |instance| instance.log)
}

fn read(hub: &mut Model, asked: &Asked, pipe: fn(&Instance) -> PipeId) -> Option<Reply> {
    let pipe = pipe(hub.instances.get(asked.key())?);
    hub.stream(asked.id, stream_head(200, Some(BYTES)), pipe);
    None
}

/// Whether the stream that a request feeds ends with it.
fn ends_stream(asked: &Asked) -> bool {
    !matches!(asked.header("x-end-stream"), Some("false" | "success"))
}

/// How a request that writes to a process is answered, and where its body goes.
fn feed(
    hub: &mut Model,
    asked: &Asked,
    of: fn(&mut Instance) -> &mut ReadStream,
    damages_bytes: bool,
) -> Option<Reply> {
    let ends = ends_stream(asked);
    let is_v1 = hub.generation.is_v1();
    let instance = hub.instances.get_mut(asked.key())?;
    // After an uncaught exception, data is taken and goes nowhere.
    let swallows = instance.leaves_streams_open(is_v1);
    let is_dead = instance.is_dead();
    let stream = of(instance);
    let (pipe, never) = (stream.pipe, (stream.ended || is_dead) && !swallows);
    stream.ended |= ends;
    let decoder = damages_bytes.then(|| std::mem::take(&mut stream.decoder));
    let then = match (never, swallows) {
        (true, _) => AfterUpload::Nothing,
        (false, false) if ends => AfterUpload::EndStream(pipe),
        (false, _) => AfterUpload::Answer,
    };
    hub.push(asked.id, stream_head(if ends { 200 } else { 202 }, None));
    match never || swallows {
        true => hub.lose_upload(asked.id, then),
        false => hub.pipe_upload(asked.id, pipe, decoder, then),
    }
    None
}

pub(super) fn stdin(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    feed(hub, asked, |instance| &mut instance.stdin, true)
}

pub(super) fn input(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    let is_v1 = hub.generation.is_v1();
    let given = content_type(&asked.headers).map(str::to_owned);
    let instance = hub.instances.get_mut(asked.key())?;
    let internal = || refuse(Scope::Instance, 500, "Internal error occurred");
    if instance.input.from_topic {
        let error = json!({ "error": "Input provided in other way" });
        return Some(if is_v1 {
            Reply::json(405, &error)
        } else {
            internal()
        });
    }
    if given.is_none() && instance.input.content_type.is_none() {
        let error = json!({ "error": "Content-Type must be defined" });
        return Some(if is_v1 {
            Reply::json(406, &error)
        } else {
            internal()
        });
    }
    if instance.input.content_type.is_none() {
        instance.input.content_type = given;
    }
    let tells_end = instance.stage == Stage::Running && instance.input.stream.ended;
    if !is_v1 && tells_end && !instance.input.told_end {
        // The text of the refusal comes with a success, once.
        instance.input.told_end = true;
        let text = b"500: Internal error occurred".to_vec();
        hub.push(asked.id, stream_head(200, None));
        hub.push(asked.id, super::Piece::Body(text));
        hub.push(asked.id, super::Piece::End);
        return None;
    }
    feed(hub, asked, |instance| &mut instance.input.stream, !is_v1)
}

/// The body goes to the input, the output comes back. Neither of them ends.
pub(super) fn inout(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    let given = content_type(&asked.headers).map(str::to_owned);
    let instance = hub.instances.get_mut(asked.key())?;
    let first = instance.input.content_type.is_none();
    if first {
        instance.input.content_type = Some(given.unwrap_or_else(|| "undefined".to_owned()));
    }
    let (output, pipe) = (instance.output, instance.input.stream.pipe);
    let decoder = Some(std::mem::take(&mut instance.input.stream.decoder));
    hub.stream_late(asked.id, stream_head(200, None), output);
    hub.pipe_upload(asked.id, pipe, decoder, AfterUpload::Nothing);
    None
}

pub(super) fn kill(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    let key = asked.key();
    let instance = hub.instances.get_mut(key)?;
    if !hub.generation.is_v1() {
        if !instance.is_dead() {
            hub.kill(key, Death::Killed);
        }
        return Some(Reply::json(202, &json!({ "opStatus": "Accepted" })));
    }
    let remove = match asked.json.as_ref() {
        Some(Value::Null) => {
            let text = "Cannot read properties of null (reading 'removeImmediately')";
            return Some(Reply::sized(500, text));
        }
        json => json.and_then(|json| json.get("removeImmediately")),
    };
    let remove = match remove {
        None => false,
        Some(Value::Bool(remove)) => *remove,
        Some(_) => return Some(bad_request("Invalid removeImmediately format")),
    };
    if instance.status != "running" {
        return Some(bad_request("Instance not running"));
    }
    instance.status = "killing";
    instance.remove_immediately = remove;
    hub.kill(key, Death::Killed);
    let instance = hub.instances.get(key)?;
    Some(Reply::json(202, &hub.instance_info(instance)))
}

fn bad_request(error: &str) -> Reply {
    Reply::json(400, &json!({ "error": error }))
}

pub(super) fn stop(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    let body = asked.json.as_ref();
    let millis = |timeout: f64| Duration::try_from_secs_f64(timeout / 1000.0).unwrap_or_default();
    if !hub.generation.is_v1() {
        let Some(message) = body
            .and_then(Value::as_array)
            .and_then(|message| message.get(1))
        else {
            let text = match body {
                Some(_) => "Spread syntax requires ...iterable[Symbol.iterator] to be a function",
                None => "Cannot read properties of undefined (reading 'Symbol(Symbol.iterator)')",
            };
            return Some(Reply::sized(500, text));
        };
        let timeout = millis(message["timeout"].as_f64().unwrap_or_default());
        let can_keep_alive = message["canCallKeepalive"].as_bool().unwrap_or_default();
        hub.begin_stop(asked.key(), asked.id, timeout, can_keep_alive);
        return None;
    }
    let member = |name: &str| body.and_then(|body| body.get(name));
    let timeout = match member("timeout") {
        None => hub.times.default_stop,
        Some(timeout) => match timeout.as_f64() {
            Some(timeout) => millis(timeout),
            None => return Some(bad_request("Invalid timeout format")),
        },
    };
    let can_keep_alive = match member("canCallKeepalive") {
        None => false,
        Some(Value::Bool(can)) => *can,
        Some(_) => return Some(bad_request("Invalid canCallKeepalive format")),
    };
    hub.begin_stop(asked.key(), asked.id, timeout, can_keep_alive);
    None
}

pub(super) fn monitoring_rate(_: &mut Model, asked: &Asked) -> Option<Reply> {
    let rate = asked
        .json
        .as_ref()
        .and_then(|json| json.get(1))
        .map(|data| &data["monitoringRate"]);
    Some(match rate {
        Some(rate) if rate.is_number() => Reply::json(202, &json!({ "accepted": true })),
        _ => Reply::sized(500, "Bad message of type 4003"),
    })
}

pub(super) fn send_event(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    let is_v1 = hub.generation.is_v1();
    let Some(json) = asked.json.as_ref().filter(|json| json.is_array()) else {
        let text = match (is_v1, asked.json.as_ref()) {
            (true, None) => {
                "undefined is not iterable (cannot read property Symbol(Symbol.iterator))"
            }
            (true, Some(_)) => {
                "object is not iterable (cannot read property Symbol(Symbol.iterator))"
            }
            (false, _) => "Cannot read properties of undefined (reading '1')",
        };
        return Some(Reply::sized(500, text));
    };
    let Some(event) = json.get(1).filter(|event| event.is_object()) else {
        let text = "Cannot read properties of undefined (reading 'eventName')";
        return Some(Reply::sized(500, text));
    };
    let name = event["eventName"].as_str();
    let data = event.get("message").cloned();
    let Some(name) = name.filter(|_| is_v1 || data.as_ref().is_some_and(Value::is_string)) else {
        return Some(match is_v1 {
            true => bad_request("Invalid format, eventName missing."),
            false => Reply::sized(500, "Bad message of type 5001"),
        });
    };
    if let Some(instance) = hub
        .instances
        .get_mut(asked.key())
        .filter(|one| !one.is_dead())
    {
        instance
            .mind
            .mail
            .push_back(Message::Event(name.to_owned(), data));
        hub.dirty.insert(asked.key());
    }
    Some(match is_v1 {
        true => Reply::json(200, &json!({ "accepted": "OK" })),
        false => Reply::json(202, &json!({ "accepted": true })),
    })
}

pub(super) fn last_event(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    hub.answer_last_event(asked.key(), asked.id, asked.name())
}

pub(super) fn next_event(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    hub.await_event(asked.key(), asked.id, asked.name());
    None
}

pub(super) fn event_stream(hub: &mut Model, asked: &Asked) -> Option<Reply> {
    let pipe = hub.pipes.add_for(asked.key(), Keep::Nothing, 0);
    let instance = hub.instances.get_mut(asked.key())?;
    instance.events.listen(asked.name(), pipe);
    hub.stream(asked.id, stream_head(200, Some(BYTES)), pipe);
    // It stays open for its reader, also when the instance is forgotten.
    hub.pipes.orphan(pipe);
    None
}

impl Model {
    /// Starts an instance under an id of one's own and brings it to the point where its program
    /// has begun, as if it had been started a moment ago. `None` if there is no such sequence, or
    /// no program for it.
    pub fn add_instance(
        &mut self,
        id: &str,
        sequence: &str,
        payload: &Value,
    ) -> Option<InstanceKey> {
        let key = self.launch_as(id, sequence, payload)?;
        let over = self.now + self.times.connect + self.times.load + self.times.starting;
        self.advance(over);
        let running = |one: &&Instance| one.stage >= Stage::Running;
        self.instances
            .get(key)
            .filter(running)
            .map(|instance| instance.key)
    }
}
