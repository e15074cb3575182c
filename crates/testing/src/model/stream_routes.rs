//! The routes of streams below `instance/:id`.

use serde_json::json;

use super::Model;
use super::instance::{Instance, ReadStream, SequenceInput};
use super::negotiate::{Scope, content_type, refuse};
use super::pipe::PipeId;
use super::reply::{BYTES, Piece, Reply, stream_head};
use super::routes::RouteRequest;
use super::upload::{AfterUpload, Transcoder};

pub(super) fn output(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    read(hub, request, |instance| instance.output)
}

pub(super) fn stdout(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    read(hub, request, |instance| instance.stdout)
}

pub(super) fn stderr(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    read(hub, request, |instance| instance.stderr)
}

pub(super) fn log(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    read(hub, request, |instance| instance.log)
}

// Rule 5.4
fn read(hub: &mut Model, request: &RouteRequest, pipe: fn(&Instance) -> PipeId) -> Option<Reply> {
    let pipe = pipe(hub.instances.get(request.key())?);
    hub.stream(request.id, stream_head(200, Some(BYTES)), pipe);
    None
}

// Rules 5.5, 5.6
/// Pipes the body of a request to a stream of the process. The head of the response comes at once.
fn pipe_to_process(
    hub: &mut Model,
    request: &RouteRequest,
    to: fn(&Instance) -> &ReadStream,
    transcoder: Transcoder,
) -> Option<Reply> {
    let is_v1 = hub.generation.is_v1();
    let ends = !matches!(request.header("x-end-stream"), Some("false" | "success"));
    let instance = hub.instances.get(request.key())?;
    let pipe = to(instance).pipe;
    // Rule 12: after an uncaught exception, the streams accept data and discard it.
    let discards = instance.keeps_streams_open(is_v1);
    let accepts = hub.accepts_data(pipe);
    hub.push(request.id, stream_head(if ends { 200 } else { 202 }, None));
    if !accepts {
        hub.record_write_after_end(pipe);
    }
    let then = match (accepts, ends) {
        (false, _) => AfterUpload::Nothing,
        (true, true) => AfterUpload::EndStream(pipe),
        (true, false) => AfterUpload::Answer(pipe),
    };
    match accepts && !discards {
        true => hub.pipe_upload(request.id, pipe, transcoder, then),
        false => hub.discard_upload(request.id, then),
    }
    None
}

// Rule 5.5
pub(super) fn stdin(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    pipe_to_process(hub, request, |instance| &instance.stdin, Transcoder::text())
}

// Rule 5.6
pub(super) fn input(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let is_v1 = hub.generation.is_v1();
    let given = content_type(&request.headers).map(str::to_owned);
    let instance = hub.instances.get_mut(request.key())?;
    let refused = |status, error: &str| match is_v1 {
        true => Reply::json(status, &json!({ "error": error })),
        false => refuse(Scope::Instance, 500, "Internal error occurred"),
    };
    if instance.input.from_topic {
        return Some(refused(405, "Input provided in other way"));
    }
    let is_first = instance.input.content_type.is_none();
    if is_first && given.is_none() {
        return Some(refused(406, "Content-Type must be defined"));
    }
    if is_first {
        instance.input.content_type = given;
    }
    let closes = instance
        .input
        .ended
        .is_some_and(|ended| hub.now < ended + hub.times.closing);
    if closes && !instance.input.was_written_after_end && !instance.is_dead() {
        // E9: the first write right after the end gets an error message with the status 200.
        instance.input.was_written_after_end = true;
        let text = b"500: Internal error occurred".to_vec();
        for piece in [stream_head(200, None), Piece::Body(text), Piece::End] {
            hub.push(request.id, piece);
        }
        return None;
    }
    let transcoder = match (is_v1, is_first) {
        (true, true) => Transcoder::FirstChunkAsText,
        (true, false) => Transcoder::Bytes,
        (false, _) => Transcoder::text(),
    };
    pipe_to_process(hub, request, |instance| &instance.input.stream, transcoder)
}

// Rule 5.7
/// Pipes the body to the input, and responds with the output. Neither of them ends.
pub(super) fn inout(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    let given = content_type(&request.headers).map(str::to_owned);
    let instance = hub.instances.get_mut(request.key())?;
    let first = || given.unwrap_or_else(|| "undefined".to_owned());
    instance.input.content_type.get_or_insert_with(first);
    let (output, pipe) = (instance.output, instance.input.stream.pipe);
    hub.stream_from_first_bytes(request.id, stream_head(200, None), output);
    hub.pipe_upload(request.id, pipe, Transcoder::text(), AfterUpload::Nothing);
    None
}

impl Model {
    /// Returns the input that a pipe belongs to.
    fn input_of(&mut self, pipe: PipeId) -> Option<&mut SequenceInput> {
        let owner = self.pipes.owner(pipe)?;
        let input = &mut self.instances.get_mut(owner)?.input;
        Some(input).filter(|input| input.stream.pipe == pipe)
    }

    /// Records that a request has ended a stream.
    pub(super) fn record_end(&mut self, pipe: PipeId) {
        let now = self.now;
        if let Some(input) = self.input_of(pipe) {
            input.ended = Some(now);
        }
    }

    /// Records a write to a stream that accepts no more data. On 0.18, only the first write after
    /// the end of an input gets a response.
    pub(super) fn record_write_after_end(&mut self, pipe: PipeId) {
        if let Some(input) = self.input_of(pipe) {
            input.was_written_after_end = true;
        }
    }
}
