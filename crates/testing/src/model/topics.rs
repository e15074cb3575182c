//! Topics, and their routes.

use std::collections::VecDeque;

use serde_json::json;

use super::Model;
use super::events::is_truthy;
use super::exchange::ExchangeId;
use super::negotiate::content_type;
use super::pipe::{PipeId, Retention};
use super::reply::{BYTES, Piece, Reply, stream_head};
use super::routes::RouteRequest;
use super::upload::{AfterUpload, Transcoder, Upload, UploadProgress};

/// A topic: a named stream of the hub.
#[derive(Debug)]
pub(super) struct Topic {
    name: String,
    content_type: String,
    pipe: PipeId,
    /// 1.x: the writer, and the requests that wait to become the next one.
    writers: VecDeque<ExchangeId>,
    /// 0.18: a request has written to it after its end. New readers get no data and no end.
    is_broken: bool,
}

const NDJSON: &str = "application/x-ndjson";
const CONTENT_TYPES: &[&str] = &[NDJSON, "text/x-ndjson", "text/plain", BYTES];

impl Topic {
    fn is_ndjson(&self) -> bool {
        self.content_type.ends_with("x-ndjson")
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-' | '\\');
    !name.is_empty() && name.chars().all(allowed)
}

const BAD_NAME: &str = "Topic id incorrect format";
const BAD_TYPE: &str = "Unsupported content-type";

fn bad_request(error: &str) -> Option<Reply> {
    Some(Reply::json(400, &json!({ "error": error })))
}

pub(super) fn list(hub: &mut Model, _: &RouteRequest) -> Option<Reply> {
    let shown = hub
        .topics
        .iter()
        .filter(|_| hub.generation.is_v1())
        .map(|topic| {
            json!({
                "contentType": topic.content_type, "localProvider": "",
                "topic": topic.name, "topicName": topic.name,
            })
        });
    Some(Reply::json(200, &shown.collect()))
}

pub(super) fn create(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let member = |name: &str| {
        let member = request.json.as_ref()?.get(name)?;
        is_truthy(member).then_some(member)
    };
    let Some(id) = member("id") else {
        return bad_request("Missing body param: id");
    };
    let Some(content_type) = member("content-type") else {
        return bad_request("Missing body param: content-type");
    };
    let known = |content_type: &&str| CONTENT_TYPES.contains(content_type);
    let Some(content_type) = content_type.as_str().filter(known) else {
        return bad_request(BAD_TYPE);
    };
    let Some(id) = id.as_str() else {
        return Some(Reply::empty(500));
    };
    if !is_name(id) {
        return bad_request(BAD_NAME);
    }
    if hub.topics.iter().any(|topic| topic.name == id) {
        return bad_request("Topic with given id already exist");
    }
    hub.topic(id, content_type);
    Some(Reply::json(
        200,
        &json!({
            "id": id, "origin": { "id": "STH", "type": "hub" },
            "state": "pause", "contentType": content_type,
        }),
    ))
}

pub(super) fn delete(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let name = request.name();
    if !is_name(name) {
        return bad_request(BAD_NAME);
    }
    let Some(index) = hub.topics.iter().position(|topic| topic.name == name) else {
        return Some(Reply::json(
            404,
            &json!({ "error": format!("Topic {name} not found") }),
        ));
    };
    // Its readers stay attached to the pipe, which has no writer any more.
    let topic = hub.topics.remove(index);
    hub.pipes.orphan(topic.pipe);
    Some(Reply::json(
        200,
        &json!({ "message": format!("Topic {name} removed") }),
    ))
}

pub(super) fn read(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let wanted = content_type(&request.headers).unwrap_or(NDJSON).to_owned();
    let known = hub.topics.iter().find(|topic| topic.name == request.name());
    if hub.generation.is_v1() {
        if !CONTENT_TYPES.contains(&&*wanted) {
            return Some(Reply::reason(415, BAD_TYPE));
        }
        if !is_name(request.name()) {
            return Some(Reply::reason(400, BAD_NAME));
        }
        if known.is_some_and(|topic| topic.content_type != wanted) {
            return Some(Reply::reason(415, BAD_TYPE));
        }
    }
    let is_broken = known.is_some_and(|topic| topic.is_broken);
    let pipe = match is_broken {
        true => hub.pipes.add(Retention::Nothing, 0),
        false => hub.topic(request.name(), &wanted),
    };
    hub.stream(request.id, stream_head(200, Some(BYTES)), pipe);
    if is_broken {
        hub.pipes.orphan(pipe);
    }
    None
}

pub(super) fn write(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let given = content_type(&request.headers)
        .unwrap_or_default()
        .to_owned();
    if !hub.generation.is_v1() {
        write_v0_18(hub, request, &given);
        return None;
    }
    if !CONTENT_TYPES.contains(&&*given) {
        return bad_request(BAD_TYPE);
    }
    if !is_name(request.name()) {
        return bad_request(BAD_NAME);
    }
    let known = hub.topics.iter().find(|topic| topic.name == request.name());
    if known.is_some_and(|topic| topic.content_type != given) {
        return Some(Reply::reason(500, "Internal error occurred"));
    }
    hub.topic(request.name(), &given);
    if let Some(exchange) = hub.exchange(request.id) {
        exchange.upload = Upload::Queued;
    }
    if let Some(topic) = hub
        .topics
        .iter_mut()
        .find(|topic| topic.name == request.name())
    {
        topic.writers.push_back(request.id);
        if topic.writers.len() == 1 {
            hub.start_topic_writer(request.name());
        }
    }
    None
}

/// Accepts any content type, and responds at once.
fn write_v0_18(hub: &mut Model, request: &RouteRequest, content_type: &str) {
    let ends = request.header("x-end-stream") == Some("true");
    let pipe = hub.topic(request.name(), content_type);
    let has_ended = hub.pipes.is_ended(pipe);
    let then = match ends {
        _ if has_ended => AfterUpload::Nothing,
        true => AfterUpload::EndStream(pipe),
        false => AfterUpload::Answer(pipe),
    };
    let mut topics = hub.topics.iter_mut();
    if let Some(topic) = topics.find(|topic| topic.pipe == pipe) {
        topic.is_broken |= has_ended;
    }
    hub.push(request.id, stream_head(if ends { 200 } else { 202 }, None));
    hub.pipe_upload(request.id, pipe, Transcoder::text(), then);
}

impl Model {
    /// Returns the pipe of a topic. Creates the topic if it does not exist.
    fn topic(&mut self, name: &str, content_type: &str) -> PipeId {
        if let Some(topic) = self.topics.iter().find(|topic| topic.name == name) {
            return topic.pipe;
        }
        let capacity = if self.generation.is_v1() {
            100_000
        } else {
            16_000
        };
        let pipe = self.pipes.add(Retention::ForNext, capacity);
        let (name, content_type) = (name.to_owned(), content_type.to_owned());
        self.topics.push(Topic {
            name,
            content_type,
            pipe,
            writers: VecDeque::new(),
            is_broken: false,
        });
        pipe
    }

    /// Returns the pipe of a topic that an instance uses. Creates the topic if it does not exist.
    pub(super) fn topic_for_instance(&mut self, name: &str, content_type: &str) -> PipeId {
        self.topic(name, content_type)
    }

    /// Starts the upload of the first writer of a topic.
    fn start_topic_writer(&mut self, name: &str) {
        let Some(topic) = self.topics.iter().find(|topic| topic.name == name) else {
            return;
        };
        let (pipe, writer) = (topic.pipe, topic.writers.front().copied());
        let Some(id) = writer else { return };
        let Some(exchange) = self.exchange(id) else {
            return self.remove_topic_writer(id, name);
        };
        if exchange.headers.contains_key(http::header::EXPECT) {
            self.push(id, Piece::Continue);
        }
        self.pipe_upload(
            id,
            pipe,
            Transcoder::Bytes,
            AfterUpload::Topic(name.to_owned()),
        );
    }

    /// Ends the upload of a writer of a topic of 1.x.
    pub(super) fn topic_written(&mut self, id: ExchangeId, name: &str, uploaded: UploadProgress) {
        if let Some(topic) = self.topics.iter().find(|topic| topic.name == name) {
            let pipe = topic.pipe;
            if topic.is_ndjson() && uploaded.last != Some(b'\n') {
                self.pipes.write(pipe, b"\n");
                self.wake_users(pipe);
            }
        }
        // An empty body never gets a response.
        if uploaded.last.is_some() {
            self.reply(id, Reply::json(200, &json!({})));
        }
        self.remove_topic_writer(id, name);
    }

    pub(super) fn topics_written_by(&self, id: ExchangeId) -> Vec<String> {
        let written = |topic: &&Topic| topic.writers.contains(&id);
        self.topics
            .iter()
            .filter(written)
            .map(|topic| topic.name.clone())
            .collect()
    }

    /// Removes a writer of a topic of 1.x, and starts the next one.
    pub(super) fn remove_topic_writer(&mut self, id: ExchangeId, name: &str) {
        let Some(topic) = self.topics.iter_mut().find(|topic| topic.name == name) else {
            return;
        };
        let was_first = topic.writers.front() == Some(&id);
        topic.writers.retain(|writer| *writer != id);
        if was_first {
            self.start_topic_writer(name);
        }
    }
}
