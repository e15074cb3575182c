//! The bodies of requests.

use super::Model;
use super::dispatch::Handler;
use super::exchange::ExchangeId;
use super::life::TimerEvent;
use super::pipe::{PipeId, Utf8};
use super::reply::Piece;

/// The destination of a request's body.
pub(super) enum Upload {
    Ignored,
    /// Collected for a handler, which is called at its end.
    Collected(Vec<u8>, Handler),
    /// Into a stream.
    Piped {
        pipe: PipeId,
        passage: Transcoder,
        uploaded: UploadProgress,
        then: AfterUpload,
    },
    /// Taken, and lost.
    Lost(AfterUpload),
    /// Nothing is taken: it waits for its turn, or its stream has gone.
    Queued,
}

// 2.2
/// The way of bytes into a stream. As text, those that are not UTF-8 become U+FFFD.
pub(super) enum Transcoder {
    Bytes,
    /// The first chunk is taken for text.
    FirstChunkAsText,
    Text(Utf8),
}

impl Transcoder {
    pub(super) fn text() -> Self {
        Self::Text(Utf8::default())
    }

    fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
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

/// The upload so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UploadProgress {
    /// The last byte.
    pub(super) last: Option<u8>,
}

/// The consequence of the end of an upload into a stream.
#[derive(Clone, Debug)]
pub(super) enum AfterUpload {
    /// Ends the response, unless the stream has ended meanwhile.
    Answer(PipeId),
    /// Ends the response and the stream, unless the stream has ended meanwhile.
    EndStream(PipeId),
    /// Lets the next writer of a topic go on.
    Topic(String),
    /// Nothing: the response never ends.
    Nothing,
}

impl Model {
    /// Takes bytes of a request's body, and tells how many: none if the hub takes no more at the
    /// moment.
    pub fn upload(&mut self, id: ExchangeId, bytes: &[u8]) -> usize {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return bytes.len();
        };
        match &mut exchange.upload {
            Upload::Ignored | Upload::Lost(_) => bytes.len(),
            Upload::Queued => 0,
            Upload::Collected(collected, _) => {
                collected.extend_from_slice(bytes);
                bytes.len()
            }
            Upload::Piped {
                pipe,
                passage,
                uploaded,
                ..
            } => {
                let pipe = *pipe;
                if self.pipes.is_full(pipe) {
                    return 0;
                }
                uploaded.last = bytes.last().copied().or(uploaded.last);
                let passed = passage.pass(bytes);
                self.pipes.write(pipe, &passed);
                self.wake_users(pipe);
                self.settle();
                bytes.len()
            }
        }
    }

    /// Notes that the body of a request is complete. Call it for requests without a body, too.
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
                passage,
                uploaded,
                then,
            } => {
                if let Transcoder::Text(mut utf8) = passage {
                    let last = utf8.flush().unwrap_or_default();
                    self.pipes.write(pipe, last.as_bytes());
                }
                self.wake_users(pipe);
                self.after_upload(id, uploaded, then);
            }
            Upload::Lost(then) => self.after_upload(id, UploadProgress::default(), then),
        }
        self.settle();
    }

    /// Lets the body of a request go into a stream from now on.
    pub(super) fn pipe_upload(
        &mut self,
        id: ExchangeId,
        pipe: PipeId,
        passage: Transcoder,
        then: AfterUpload,
    ) {
        self.set_upload(
            id,
            Upload::Piped {
                pipe,
                passage,
                uploaded: UploadProgress::default(),
                then,
            },
        );
    }

    /// Takes the body of a request from now on, and loses it.
    pub(super) fn lose_upload(&mut self, id: ExchangeId, then: AfterUpload) {
        self.set_upload(id, Upload::Lost(then));
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
            AfterUpload::Answer(pipe) if self.takes_data(pipe) => self.push(id, Piece::End),
            AfterUpload::EndStream(pipe) if self.takes_data(pipe) => {
                self.pipes.end(pipe);
                self.note_end(pipe);
                self.wake_users(pipe);
                self.push(id, Piece::End);
            }
            // 5.5, 5.6: a write after the end is never answered.
            AfterUpload::Answer(pipe) | AfterUpload::EndStream(pipe) => {
                self.note_write_after_end(pipe);
            }
            AfterUpload::Topic(name) => self.topic_written(id, &name, uploaded),
            AfterUpload::Nothing => {}
        }
    }

    /// Takes no more of the uploads into a stream that is gone. 0.18 cuts their connections later.
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

    /// Checks that a stream has not ended, and that the process behind it has not died, except in
    /// the way after which its streams stay open.
    pub(super) fn takes_data(&self, pipe: PipeId) -> bool {
        let is_v1 = self.generation.is_v1();
        let owner = self.pipes.owner(pipe);
        let owner = owner.and_then(|owner| self.instances.get(owner));
        let is_gone = owner.is_some_and(|one| one.is_dead() && !one.leaves_streams_open(is_v1));
        !self.pipes.is_ended(pipe) && !is_gone
    }
}
