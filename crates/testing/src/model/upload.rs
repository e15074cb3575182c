//! The bodies of requests.

use super::Model;
use super::dispatch::Handler;
use super::exchange::ExchangeId;
use super::pipe::PipeId;
use super::reply::Piece;
use super::timer_events::TimerEvent;
use super::utf8::Utf8;

/// The destination of a request's body.
pub(super) enum Upload {
    Ignored,
    /// Collected for a handler, which is called at the end of the body.
    Collected(Vec<u8>, Handler),
    /// Written to a pipe.
    Piped {
        pipe: PipeId,
        transcoder: Transcoder,
        uploaded: UploadProgress,
        then: AfterUpload,
    },
    /// Accepted and discarded.
    Discarded(AfterUpload),
    /// Not accepted: an earlier writer of the topic is active, or the stream is gone.
    Queued,
}

// Rule 2.2
/// The conversion of an upload. As text, bytes that are not UTF-8 become U+FFFD.
pub(super) enum Transcoder {
    Bytes,
    /// The first chunk is text, the others are bytes.
    FirstChunkAsText,
    Text(Utf8),
}

impl Transcoder {
    pub(super) fn text() -> Self {
        Self::Text(Utf8::default())
    }

    fn convert(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Bytes => bytes.to_vec(),
            Self::FirstChunkAsText => {
                *self = Self::Bytes;
                String::from_utf8_lossy(bytes).into_owned().into_bytes()
            }
            Self::Text(utf8) => utf8.decode(bytes),
        }
    }
}

/// The state of an upload into a pipe.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UploadProgress {
    /// The last byte so far.
    pub(super) last: Option<u8>,
}

/// The action at the end of an upload into a pipe.
#[derive(Clone, Debug)]
pub(super) enum AfterUpload {
    /// Ends the response, unless the stream has ended in the meantime.
    Answer(PipeId),
    /// Ends the response and the stream, unless the stream has ended in the meantime.
    EndStream(PipeId),
    /// Starts the next writer of a topic.
    Topic(String),
    /// None. The response never ends.
    Nothing,
}

impl Model {
    /// Receives bytes of a request body. Returns the number of bytes that were accepted: all of
    /// them, or 0 if the client must try again later.
    pub fn upload(&mut self, id: ExchangeId, bytes: &[u8]) -> usize {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return bytes.len();
        };
        match &mut exchange.upload {
            Upload::Ignored | Upload::Discarded(_) => bytes.len(),
            Upload::Queued => 0,
            Upload::Collected(collected, _) => {
                collected.extend_from_slice(bytes);
                bytes.len()
            }
            Upload::Piped {
                pipe,
                transcoder,
                uploaded,
                ..
            } => {
                let pipe = *pipe;
                if self.pipes.is_full(pipe) {
                    return 0;
                }
                uploaded.last = bytes.last().copied().or(uploaded.last);
                let converted = transcoder.convert(bytes);
                self.pipes.write(pipe, &converted);
                self.wake_users(pipe);
                self.settle();
                bytes.len()
            }
        }
    }

    /// Ends the body of a request. Call it for requests without a body as well.
    pub fn end_upload(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut exchange.uploaded, true) {
            return;
        }
        match std::mem::replace(&mut exchange.upload, Upload::Ignored) {
            Upload::Ignored => {}
            Upload::Queued => exchange.upload = Upload::Queued,
            Upload::Collected(body, handler) => self.handle(id, handler, Some(body)),
            Upload::Piped {
                pipe,
                transcoder,
                uploaded,
                then,
            } => {
                if let Transcoder::Text(mut utf8) = transcoder {
                    let last = utf8.flush().unwrap_or_default();
                    self.pipes.write(pipe, last.as_bytes());
                }
                self.wake_users(pipe);
                self.after_upload(id, uploaded, then);
            }
            Upload::Discarded(then) => self.after_upload(id, UploadProgress::default(), then),
        }
        self.settle();
    }

    /// Pipes the body of a request to a stream from now on.
    pub(super) fn pipe_upload(
        &mut self,
        id: ExchangeId,
        pipe: PipeId,
        transcoder: Transcoder,
        then: AfterUpload,
    ) {
        self.set_upload(
            id,
            Upload::Piped {
                pipe,
                transcoder,
                uploaded: UploadProgress::default(),
                then,
            },
        );
    }

    /// Discards the body of a request from now on.
    pub(super) fn discard_upload(&mut self, id: ExchangeId, then: AfterUpload) {
        self.set_upload(id, Upload::Discarded(then));
    }

    fn set_upload(&mut self, id: ExchangeId, upload: Upload) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        exchange.upload = upload;
        if std::mem::take(&mut exchange.uploaded) {
            self.end_upload(id);
        }
    }

    fn after_upload(&mut self, id: ExchangeId, uploaded: UploadProgress, then: AfterUpload) {
        match then {
            AfterUpload::Answer(pipe) if self.accepts_data(pipe) => self.push(id, Piece::End),
            AfterUpload::EndStream(pipe) if self.accepts_data(pipe) => {
                self.pipes.end(pipe);
                self.record_end(pipe);
                self.wake_users(pipe);
                self.push(id, Piece::End);
            }
            // Rules 5.5, 5.6: a write after the end never gets a response.
            AfterUpload::Answer(pipe) | AfterUpload::EndStream(pipe) => {
                self.record_write_after_end(pipe);
            }
            AfterUpload::Topic(name) => self.topic_written(id, &name, uploaded),
            AfterUpload::Nothing => {}
        }
    }

    /// Stalls the uploads into a stream that is gone. 0.18 closes their connections later.
    pub(super) fn stall_uploads(&mut self, stream: PipeId) {
        let after = self.times.stalled_upload;
        for (id, exchange) in &mut self.exchanges {
            if matches!(exchange.upload, Upload::Piped { pipe, .. } if pipe == stream) {
                exchange.upload = Upload::Queued;
                if let Some(after) = after {
                    self.timers
                        .add(self.now + after, TimerEvent::RequestTimeout(*id));
                }
            }
        }
    }

    /// Returns `true` if a stream has not ended, and its process has not exited in a way that
    /// closes its streams.
    pub(super) fn accepts_data(&self, pipe: PipeId) -> bool {
        let is_v1 = self.generation.is_v1();
        let owner = self.pipes.owner(pipe);
        let owner = owner.and_then(|owner| self.instances.get(owner));
        let is_gone = owner.is_some_and(|one| one.is_dead() && !one.keeps_streams_open(is_v1));
        !self.pipes.is_ended(pipe) && !is_gone
    }
}
