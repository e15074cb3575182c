//! Requests whose responses are not complete.

use std::collections::VecDeque;

use http::{HeaderMap, Method, Request};

use super::Model;
use super::pipe::{PipeId, PipeRead, ReaderId};
use super::reply::{Piece, Reply};
use super::timer_events::TimerEvent;
use super::upload::Upload;

/// The id of an exchange: a request and its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub(super) u64);

/// A request and its response.
pub(super) struct Exchange {
    pub(super) method: Method,
    /// The segments of the path below the base.
    pub(super) path: Vec<String>,
    pub(super) headers: HeaderMap,
    pub(super) upload: Upload,
    pub(super) uploaded: bool,
    pieces: VecDeque<Piece>,
    /// The stream that the body of the response comes from, after the pieces.
    source: Option<Source>,
}

/// The stream that a response reads.
struct Source {
    pipe: PipeId,
    reader: ReaderId,
    /// The head, if it is sent together with the first bytes.
    head: Option<Piece>,
    /// The response does not end with the pipe.
    never_ends: bool,
}

impl Model {
    /// Receives the head of a request. The URI may be absolute, or a path.
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
        if let Some(slowest) = self.times.request_timeout {
            self.schedule(slowest, TimerEvent::RequestTimeout(id));
        }
        self.dispatch(id, request.uri().path());
        self.settle();
        id
    }

    /// Closes the connection of the client.
    pub fn disconnect(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.remove(&id) else {
            return;
        };
        self.release(exchange.source);
        self.forget_exchange(id);
        self.settle();
    }

    /// Takes the next part of the response.
    pub fn poll(&mut self, id: ExchangeId) -> Piece {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return Piece::End;
        };
        let bodiless = exchange.method == Method::HEAD;
        let piece = loop {
            match exchange.pieces.pop_front() {
                // Rule 2.1
                Some(Piece::Body(_)) if bodiless => {}
                Some(piece) => break piece,
                None => {
                    let Some(source) = &mut exchange.source else {
                        break Piece::Pending;
                    };
                    match self.pipes.read(source.pipe, source.reader) {
                        PipeRead::Chunk(chunk) => {
                            exchange.pieces.push_back(Piece::Body(chunk));
                            if let Some(head) = source.head.take() {
                                break head;
                            }
                        }
                        PipeRead::End if !source.never_ends => break Piece::End,
                        PipeRead::End | PipeRead::Pending => break Piece::Pending,
                    }
                }
            }
        };
        match piece {
            Piece::Pending | Piece::Continue | Piece::Head(_) => {}
            Piece::Body(_) => {
                if let Some(source) = self.exchanges.get(&id).and_then(|one| one.source.as_ref()) {
                    // The read has made space for writers.
                    self.wake_users(source.pipe);
                    self.settle();
                }
            }
            Piece::End | Piece::Cut => {
                let exchange = self.exchanges.remove(&id);
                self.release(exchange.and_then(|exchange| exchange.source));
                self.forget_exchange(id);
                self.settle();
            }
        }
        piece
    }

    fn release(&mut self, source: Option<Source>) {
        if let Some(source) = source {
            self.pipes.detach(source.pipe, source.reader);
            self.wake_users(source.pipe);
        }
    }

    /// Schedules the programs that use a pipe.
    pub(super) fn wake_users(&mut self, pipe: PipeId) {
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

    /// Responds with the data of a pipe.
    pub(super) fn stream(&mut self, id: ExchangeId, head: Piece, pipe: PipeId) {
        self.push(id, head);
        self.attach(id, pipe, None, false);
    }

    /// Responds with the data of a pipe. The head is sent together with the first bytes, and the
    /// response never ends.
    pub(super) fn stream_from_first_bytes(&mut self, id: ExchangeId, head: Piece, pipe: PipeId) {
        self.attach(id, pipe, Some(head), true);
    }

    fn attach(&mut self, id: ExchangeId, pipe: PipeId, head: Option<Piece>, never_ends: bool) {
        let reader = self.pipes.attach(pipe);
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.source = Some(Source {
                pipe,
                reader,
                head,
                never_ends,
            });
        }
        self.wake_users(pipe);
    }
}
