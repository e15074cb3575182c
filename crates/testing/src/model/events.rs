//! Events that instances emit.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use super::exchange::ExchangeId;
use super::pipe::{PipeId, Retention};
use super::process::Message;
use super::reply::{BYTES, Reply, stream_head};
use super::routes::RouteRequest;
use super::{InstanceKey, Model, javascript};

/// The data of an event; `None` is `undefined`.
type Data = Option<Value>;

/// The events of an instance, and the requests that wait for more.
#[derive(Debug, Default)]
pub(super) struct Events {
    last: BTreeMap<String, Data>,
    waiting: Vec<(String, ExchangeId)>,
    streams: Vec<(String, PipeId)>,
}

impl Events {
    pub(super) fn listen(&mut self, name: &str, pipe: PipeId) {
        self.streams.push((name.to_owned(), pipe));
    }
}

/// Returns `true` if a value is truthy in JavaScript.
pub(super) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

pub(super) fn last_event(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    hub.answer_last_event(request.key(), request.id, request.name())
}

pub(super) fn next_event(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    hub.await_event(request.key(), request.id, request.name());
    None
}

pub(super) fn event_stream(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let pipe = hub.pipes.add_for(request.key(), Retention::Nothing, 0);
    let instance = hub.instances.get_mut(request.key())?;
    instance.events.listen(request.name(), pipe);
    hub.stream(request.id, stream_head(200, Some(BYTES)), pipe);
    // It stays open for its reader, even after the hub has forgotten the instance.
    hub.pipes.orphan(pipe);
    None
}

/// Returns an event in the format of 0.18.
fn envelope(name: &str, data: &Data) -> Value {
    let mut envelope = json!({ "eventName": name });
    if let Some(data) = data {
        javascript::set(&mut envelope, "message", data.clone());
    }
    envelope
}

/// Returns the status whose standard reason phrase is this one.
fn status_of(phrase: &Value) -> Option<u16> {
    let phrase = phrase.as_str()?;
    (200..600).find(|code| {
        StatusCode::from_u16(*code).is_ok_and(|status| status.canonical_reason() == Some(phrase))
    })
}

// Rule 6.2
/// Returns the response of 1.x with the data of an event. 1.x reads a member `opStatus` as the
/// status of the response, and removes it from the stored data.
fn bare_reply(data: &mut Data) -> Reply {
    let lost = || Reply::sized(500, "500: Failed to serialize data");
    match data {
        None => lost(),
        Some(Value::Null) => Reply::no_content(),
        Some(Value::Object(members)) => {
            let Some(phrase) = members.get("opStatus").cloned() else {
                return match members.is_empty() {
                    true => empty_json(),
                    false => Reply::json(200, &Value::Object(members.clone())),
                };
            };
            let Some(status) = status_of(&phrase) else {
                return lost();
            };
            members.remove("opStatus");
            if status >= 400 {
                members.insert("error".to_owned(), phrase);
            }
            Reply::json(status, &Value::Object(members.clone()))
        }
        Some(value @ Value::Array(_)) => Reply::json(200, value),
        Some(Value::String(text)) if !text.is_empty() => Reply::json(200, &json!(text)),
        Some(_) => empty_json(),
    }
}

fn empty_json() -> Reply {
    Reply::empty(200).typed_json()
}

impl Model {
    /// Emits an event of an instance.
    pub(super) fn emit(&mut self, key: InstanceKey, name: &str, data: Data) {
        let mut data = data.map(javascript::as_javascript);
        let is_v1 = self.generation.is_v1();
        if let Some(record) = self.records.get_mut(&key) {
            record
                .events
                .push((self.now, name.to_owned(), data.clone()));
        }
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let streams = instance
            .events
            .streams
            .iter()
            .filter(|(listened, _)| listened == name);
        let streams: Vec<_> = streams.map(|(_, pipe)| *pipe).collect();
        let (waiting, others): (Vec<_>, Vec<_>) = instance
            .events
            .waiting
            .drain(..)
            .partition(|(awaited, _)| awaited == name);
        instance.events.waiting = others;

        let line = match is_v1 {
            true if data.as_ref().is_some_and(is_truthy) => data.clone().unwrap_or_default(),
            true => json!({}),
            false => envelope(name, &data),
        };
        let line = javascript::write(&line) + "\n";
        for pipe in streams {
            self.pipes.write(pipe, line.as_bytes());
        }
        for (_, exchange) in waiting {
            let reply = match is_v1 {
                true => bare_reply(&mut data),
                false => Reply::json(200, &envelope(name, &data)),
            };
            self.reply(exchange, reply);
        }
        if is_v1 {
            // Rule 6.1: all other instances of the hub get it as well.
            for other in self
                .instances
                .keys()
                .into_iter()
                .filter(|other| *other != key)
            {
                if let Some(other) = self.instances.get_mut(other).filter(|one| !one.is_dead()) {
                    other
                        .runner
                        .mailbox
                        .push_back(Message::Event(name.to_owned(), data.clone()));
                    self.dirty.insert(other.key);
                }
            }
        }
        if let Some(instance) = self.instances.get_mut(key) {
            instance.events.last.insert(name.to_owned(), data);
        }
    }

    /// Returns the response with the last event of a name, or waits for the next one if there was
    /// none. 1.x also waits if the data of the last event is falsy in JavaScript.
    pub(super) fn answer_last_event(
        &mut self,
        key: InstanceKey,
        exchange: ExchangeId,
        name: &str,
    ) -> Option<Reply> {
        let is_v1 = self.generation.is_v1();
        let instance = self.instances.get_mut(key)?;
        match instance.events.last.get_mut(name) {
            Some(data) if is_v1 && data.as_ref().is_some_and(is_truthy) => Some(bare_reply(data)),
            Some(data) if !is_v1 => Some(Reply::json(200, &envelope(name, data))),
            _ => {
                self.await_event(key, exchange, name);
                None
            }
        }
    }

    pub(super) fn await_event(&mut self, key: InstanceKey, exchange: ExchangeId, name: &str) {
        if let Some(instance) = self.instances.get_mut(key) {
            instance.events.waiting.push((name.to_owned(), exchange));
        }
    }

    /// Removes an exchange from those that wait for an event, or to write to a topic.
    pub(super) fn forget_exchange(&mut self, exchange: ExchangeId) {
        for topic in self.topics_written_by(exchange) {
            self.remove_topic_writer(exchange, &topic);
        }
        for key in self.instances.keys() {
            if let Some(instance) = self.instances.get_mut(key) {
                instance
                    .events
                    .waiting
                    .retain(|(_, waiting)| *waiting != exchange);
            }
        }
    }
}
