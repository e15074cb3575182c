//! The operations below `instance/:id`: kill, stop, events, and the monitoring rate.

use std::time::Duration;

use serde_json::{Value, json};

use super::Model;
use super::instance::ProcessEnd;
use super::process::Message;
use super::reply::Reply;
use super::routes::RouteRequest;

fn bad_request(error: &str) -> Reply {
    Reply::json(400, &json!({ "error": error }))
}

/// Refuses a request with the message of an exception.
fn exception(message: &str) -> Reply {
    Reply::sized(500, message)
}

/// Returns the name of a missing value in the message of an exception: `null` or `undefined`.
fn missing_value_name(value: Option<&Value>) -> &'static str {
    value.map_or("undefined", |_| "null")
}

/// Reads a member of the second element of an encoded message, `[code, {…}]`.
fn encoded<'a>(
    message: Option<&'a Value>,
    member: &str,
) -> Result<(&'a Value, Option<&'a Value>), Reply> {
    let cannot_read = |value, name: &str| {
        let nothing = missing_value_name(value);
        exception(&format!(
            "Cannot read properties of {nothing} (reading '{name}')"
        ))
    };
    let message = message.filter(|message| !message.is_null()).ok_or(message);
    let message = message.map_err(|message| cannot_read(message, "1"))?;
    let data = message.get(1);
    match data.filter(|data| !data.is_null()) {
        Some(data) => Ok((data, data.get(member))),
        None => Err(cannot_read(data, member)),
    }
}

// Rule 5.9
pub(super) fn kill(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let key = request.key();
    let instance = hub.instances.get_mut(key)?;
    if !hub.generation.is_v1() {
        if !instance.is_dead() {
            hub.kill(key, ProcessEnd::Killed);
        }
        return Some(Reply::json(202, &json!({ "opStatus": "Accepted" })));
    }
    let remove = match request.json.as_ref() {
        Some(Value::Null) => {
            let text = "Cannot read properties of null (reading 'removeImmediately')";
            return Some(exception(text));
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
    hub.kill(key, ProcessEnd::Killed);
    let instance = hub.instances.get(key)?;
    Some(Reply::json(202, &hub.instance_info(instance)))
}

// Rule 5.8
pub(super) fn stop(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let body = request.json.as_ref();
    let read = match hub.generation.is_v1() {
        true => stop_v1(body, hub.times.default_stop_timeout),
        false => stop_v0_18(body),
    };
    match read {
        Ok((timeout, can_keep_alive)) => {
            hub.begin_stop(request.key(), request.id, timeout, can_keep_alive);
            None
        }
        Err(refusal) => Some(refusal),
    }
}

/// Converts a timeout in milliseconds. A negative timeout is zero.
fn millis(timeout: f64) -> Duration {
    Duration::try_from_secs_f64(timeout / 1000.0).unwrap_or_default()
}

fn stop_v0_18(body: Option<&Value>) -> Result<(Duration, bool), Reply> {
    match body {
        None | Some(Value::Null) => {
            let nothing = missing_value_name(body);
            let text = format!("message is not iterable (cannot read property {nothing})");
            Err(exception(&text))
        }
        Some(Value::Array(_) | Value::String(_)) => {
            let (data, timeout) = encoded(body, "timeout")?;
            let timeout = timeout.and_then(Value::as_f64).unwrap_or_default();
            let can_keep_alive = data.get("canCallKeepalive").and_then(Value::as_bool);
            Ok((millis(timeout), can_keep_alive.unwrap_or_default()))
        }
        Some(_) => {
            let text = "Spread syntax requires ...iterable[Symbol.iterator] to be a function";
            Err(exception(text))
        }
    }
}

fn stop_v1(body: Option<&Value>, default: Duration) -> Result<(Duration, bool), Reply> {
    let member = |name: &str| body.and_then(|body| body.get(name));
    let timeout = match member("timeout") {
        None => default,
        Some(timeout) => match timeout.as_f64() {
            Some(timeout) => millis(timeout),
            None => return Err(bad_request("Invalid timeout format")),
        },
    };
    match member("canCallKeepalive") {
        None => Ok((timeout, false)),
        Some(Value::Bool(can)) => Ok((timeout, *can)),
        Some(_) => Err(bad_request("Invalid canCallKeepalive format")),
    }
}

// Rule 5.10
pub(super) fn monitoring_rate(_: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let rate = match encoded(request.json.as_ref(), "monitoringRate") {
        Ok((_, rate)) => rate,
        Err(refusal) => return Some(refusal),
    };
    // The conversion to a number is that of JavaScript.
    let rate = match rate {
        Some(Value::Number(rate)) => rate.as_f64(),
        Some(Value::String(rate)) => rate.parse().ok(),
        Some(Value::Null | Value::Bool(_)) => Some(0.0),
        _ => None,
    };
    Some(match rate {
        Some(rate) if rate >= 0.0 => Reply::json(202, &json!({ "accepted": true })),
        _ => exception("Bad message of type 4003"),
    })
}

// Rule 6.1
pub(super) fn send_event(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let read = match hub.generation.is_v1() {
        true => event_v1(request.json.as_ref()),
        false => event_v0_18(request.json.as_ref()),
    };
    let event = match read {
        Ok(event) => event,
        Err(refusal) => return Some(refusal),
    };
    let instance = hub.instances.get_mut(request.key());
    if let Some(instance) = instance.filter(|one| !one.is_dead()) {
        instance.runner.mailbox.push_back(event);
        hub.dirty.insert(request.key());
    }
    Some(match hub.generation.is_v1() {
        true => Reply::json(200, &json!({ "accepted": "OK" })),
        false => Reply::json(202, &json!({ "accepted": true })),
    })
}

fn event_v0_18(body: Option<&Value>) -> Result<Message, Reply> {
    let (event, name) = encoded(body, "eventName")?;
    let message = event.get("message").filter(|message| message.is_string());
    match (name.and_then(Value::as_str), message) {
        (Some(name), Some(message)) => Ok(Message::Event(name.to_owned(), Some(message.clone()))),
        _ => Err(exception("Bad message of type 5001")),
    }
}

fn event_v1(body: Option<&Value>) -> Result<Message, Reply> {
    let Some(message) = body.filter(|body| body.is_array()) else {
        let kind = body.map_or("undefined", |_| "object");
        let text = format!("{kind} is not iterable (cannot read property Symbol(Symbol.iterator))");
        return Err(exception(&text));
    };
    let Some(event) = message.get(1).filter(|event| event.is_object()) else {
        let text = "Cannot read properties of undefined (reading 'eventName')";
        return Err(exception(text));
    };
    match event.get("eventName").and_then(Value::as_str) {
        Some(name) => Ok(Message::Event(
            name.to_owned(),
            event.get("message").cloned(),
        )),
        None => Err(bad_request("Invalid format, eventName missing.")),
    }
}
