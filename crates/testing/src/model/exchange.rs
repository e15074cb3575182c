//! Requests that are being answered.

use std::collections::VecDeque;

use http::{HeaderMap, Method, Request};

use super::Model;
use super::dispatch::Handler;
use super::life::Due;
use super::pipe::{Found, PipeId, ReaderId, Utf8};
use super::reply::{Piece, Reply};

/// Names an exchange: a request and its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub(super) u64);

pub(super) struct Exchange {
    pub(super) method: Method,
    /// The segments of the path behind the base.
    pub(super) path: Vec<String>,
    pub(super) headers: HeaderMap,
    pub(super) upload: Upload,
    pub(super) uploaded: bool,
    pieces: VecDeque<Piece>,
    /// The body of the response, after the pieces.
    source: Option<Source>,
}

struct Source {
    pipe: PipeId,
    reader: ReaderId,
    /// The head comes with the first bytes.
    head: Option<Piece>,
    /// The response does not end when the pipe does.
    endless: bool,
}

/// Where the body of a request goes.
pub(super) enum Upload {
    Ignored,
    /// Collected for a handler, which is called at its end.
    Collected(Vec<u8>, Handler),
    /// Into a stream.
    Piped {
        pipe: PipeId,
        passage: Passage,
        uploaded: Uploaded,
        then: AfterUpload,
    },
    /// Taken, and lost.
    Lost(AfterUpload),
    /// Waits for its turn.
    Queued,
}

// 1.27
/// How bytes get through to a stream. Bytes that are not UTF-8 become U+FFFD in text.
pub(super) enum Passage {
    Bytes,
    /// The first chunk is taken for text.
    FirstChunkAsText,
    Text(Utf8),
}

impl Passage {
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

/// What has been uploaded so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uploaded {
    /// The last byte.
    pub(super) last: Option<u8>,
}

/// What the end of an upload into a stream does.
#[derive(Clone, Debug)]
pub(super) enum AfterUpload {
    /// Ends the response, unless the stream has ended meanwhile.
    Answer(PipeId),
    /// The same, and ends the stream.
    EndStream(PipeId),
    /// Lets the next writer of a topic go on.
    Topic(String),
    /// Nothing: the response never ends.
    Nothing,
}

impl Model {
    /// Takes the head of a request. The URI may be a whole one or a path.
    pub fn request(&mut self, request: &Request<()>) -> ExchangeId {
        self.next_exchange += 1;
        let id = ExchangeId(self.next_exchange);
        let exchange = Exchange {
            method: request.method().clone(),
            path: Vec::new(),
            headers: request.headers().clone(),
            upload: Upload::Ignored,
            uploaded: false,
            pieces: VecDeque::new(),
            source: None,
        };
        self.exchanges.insert(id, exchange);
        if let Some(slowest) = self.times.slowest_request {
            self.later(slowest, Due::TooSlow(id));
        }
        self.dispatch(id, request.uri().path());
        self.settle();
        id
    }

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
                self.touch(pipe);
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
                if let Passage::Text(mut utf8) = passage {
                    let last = utf8.flush().unwrap_or_default();
                    self.pipes.write(pipe, last.as_bytes());
                }
                self.touch(pipe);
                self.after_upload(id, uploaded, then);
            }
            Upload::Lost(then) => self.after_upload(id, Uploaded::default(), then),
        }
        self.settle();
    }

    /// Lets the body of a request go into a stream from now on.
    pub(super) fn pipe_upload(
        &mut self,
        id: ExchangeId,
        pipe: PipeId,
        passage: Passage,
        then: AfterUpload,
    ) {
        self.set_upload(
            id,
            Upload::Piped {
                pipe,
                passage,
                uploaded: Uploaded::default(),
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

    fn after_upload(&mut self, id: ExchangeId, uploaded: Uploaded, then: AfterUpload) {
        match then {
            AfterUpload::Answer(pipe) if self.takes_data(pipe) => self.push(id, Piece::End),
            AfterUpload::EndStream(pipe) if self.takes_data(pipe) => {
                self.pipes.end(pipe);
                self.note_end(pipe);
                self.touch(pipe);
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

    /// Notes that the client has closed the connection.
    pub fn abandon(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.remove(&id) else {
            return;
        };
        self.let_go(exchange.source);
        self.forget_exchange(id);
        self.settle();
    }

    /// Takes what comes next of the response.
    pub fn poll(&mut self, id: ExchangeId) -> Piece {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return Piece::End;
        };
        let bodiless = exchange.method == Method::HEAD;
        let piece = loop {
            match exchange.pieces.pop_front() {
                // 2.1
                Some(Piece::Body(_)) if bodiless => {}
                Some(piece) => break piece,
                None => {
                    let Some(source) = &mut exchange.source else {
                        break Piece::Pending;
                    };
                    match self.pipes.read(source.pipe, source.reader) {
                        Found::Chunk(chunk) => {
                            exchange.pieces.push_back(Piece::Body(chunk));
                            if let Some(head) = source.head.take() {
                                break head;
                            }
                        }
                        Found::End if !source.endless => break Piece::End,
                        Found::End | Found::Nothing => break Piece::Pending,
                    }
                }
            }
        };
        match piece {
            Piece::Pending | Piece::Continue | Piece::Head(_) => {}
            Piece::Body(_) => {
                if let Some(source) = self.exchanges.get(&id).and_then(|one| one.source.as_ref()) {
                    // Reading has made room for those who write.
                    self.touch(source.pipe);
                    self.settle();
                }
            }
            Piece::End | Piece::Cut => {
                let exchange = self.exchanges.remove(&id);
                self.let_go(exchange.and_then(|exchange| exchange.source));
                self.forget_exchange(id);
                self.settle();
            }
        }
        piece
    }

    fn let_go(&mut self, source: Option<Source>) {
        if let Some(source) = source {
            self.pipes.detach(source.pipe, source.reader);
            self.touch(source.pipe);
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

    /// Lets the processes act that a change of a pipe may concern.
    pub(super) fn touch(&mut self, pipe: PipeId) {
        match self.pipes.owner(pipe) {
            Some(owner) => drop(self.dirty.insert(owner)),
            None => self.dirty.extend(self.instances.with_topics()),
        }
    }

    pub(super) fn exchange(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        self.exchanges.get_mut(&id)
    }

    pub(super) fn push(&mut self, id: ExchangeId, piece: Piece) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.pieces.push_back(piece);
        }
    }

    pub(super) fn reply(&mut self, id: ExchangeId, reply: Reply) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.pieces.extend(reply.into_pieces());
        }
    }

    pub(super) fn cut(&mut self, id: ExchangeId) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.pieces.push_back(Piece::Cut);
            exchange.upload = Upload::Ignored;
        }
    }

    /// Answers with what is read from a pipe, and will be.
    pub(super) fn stream(&mut self, id: ExchangeId, head: Piece, pipe: PipeId) {
        self.push(id, head);
        self.attach(id, pipe, None, false);
    }

    /// Answers with what is read from a pipe, without a head before the first bytes, and without an
    /// end.
    pub(super) fn stream_late(&mut self, id: ExchangeId, head: Piece, pipe: PipeId) {
        self.attach(id, pipe, Some(head), true);
    }

    fn attach(&mut self, id: ExchangeId, pipe: PipeId, head: Option<Piece>, endless: bool) {
        let reader = self.pipes.attach(pipe);
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.source = Some(Source {
                pipe,
                reader,
                head,
                endless,
            });
        }
        self.touch(pipe);
    }
}
