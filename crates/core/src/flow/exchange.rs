//! Reads the response to one request of a flow.

use alloc::boxed::Box;
use alloc::vec::Vec;

use http::{HeaderMap, StatusCode};

use super::exchange_error::{ErrorKind, ExchangeError};
use super::{Delivery, ExchangeId, Input};
use crate::{ApiError, Decode, Reply, ReplyError, Step};

/// A request that was queued, and the part of its response that has arrived.
pub(super) struct OpenExchange<D> {
    pub(super) id: ExchangeId,
    state: State<D>,
}

enum State<D> {
    AwaitingHead(ResponseReader<D>),
    ReadingBody(Reply<D>),
    Done,
}

/// The decoder and the error mapping of an operation.
pub(super) struct ResponseReader<D> {
    pub(super) decoder: D,
    pub(super) map_api_error: fn(ApiError) -> ApiError,
}

/// An event of an exchange.
#[derive(Debug)]
pub(super) enum ExchangeEvent<T> {
    /// The head of a successful response has arrived.
    Success,
    /// An item of the body.
    Item(T),
    /// An item that cannot be decoded. More items may follow.
    BadItem(Box<ReplyError>),
    /// The body is complete.
    End,
    /// The exchange failed, or the hub refused the request.
    Error(ExchangeError),
}

impl<D> OpenExchange<D> {
    pub(super) fn new(id: ExchangeId, reader: ResponseReader<D>) -> Self {
        let state = State::AwaitingHead(reader);
        Self { id, state }
    }

    /// Returns `true` until the head of the response has arrived.
    pub(super) fn awaits_head(&self) -> bool {
        matches!(self.state, State::AwaitingHead(_))
    }
}

impl<D: Decode> OpenExchange<D> {
    /// Handles an input. Inputs of other exchanges yield no event.
    pub(super) fn handle(&mut self, input: &Input<'_>) -> Vec<ExchangeEvent<D::Item>> {
        let mut events = Vec::new();
        if input.id() != self.id {
            return events;
        }
        match (*input, &mut self.state) {
            (
                Input::Head {
                    status,
                    reason,
                    headers,
                    ..
                },
                State::AwaitingHead(_),
            ) => {
                if self.receive_head(status, reason, headers) {
                    events.push(ExchangeEvent::Success);
                }
            }
            (Input::Body { bytes, .. }, State::ReadingBody(reply)) => reply.feed(bytes),
            (Input::End { .. }, State::ReadingBody(reply)) => {
                if let Err(error) = reply.end() {
                    return self.fail(ErrorKind::Reply(error.into()));
                }
            }
            (
                Input::Failed {
                    delivery,
                    transient,
                    ..
                },
                State::AwaitingHead(_),
            ) => {
                return self.fail(ErrorKind::Failed {
                    delivery,
                    transient,
                });
            }
            (Input::Failed { transient, .. }, State::ReadingBody(reply)) => {
                // A truncated refusal is still a refusal.
                let error = reply.cut_off();
                return self.fail(match error.api() {
                    Some(_) => ErrorKind::TruncatedRefusal(error.into()),
                    None => ErrorKind::Failed {
                        delivery: Delivery::Answered,
                        transient,
                    },
                });
            }
            _ => return events,
        }
        self.read_items(&mut events);
        events
    }

    /// Starts to read the body. Returns `true` if the status is a success.
    fn receive_head(&mut self, status: StatusCode, reason: &str, headers: &HeaderMap) -> bool {
        let State::AwaitingHead(reader) = core::mem::replace(&mut self.state, State::Done) else {
            return false;
        };
        let ResponseReader {
            decoder,
            map_api_error,
        } = reader;
        let reply = Reply::new(status, reason, headers, decoder, map_api_error);
        let is_success = reply.is_success();
        self.state = State::ReadingBody(reply);
        is_success
    }

    fn read_items(&mut self, events: &mut Vec<ExchangeEvent<D::Item>>) {
        while let State::ReadingBody(reply) = &mut self.state {
            match reply.next_item() {
                Ok(Step::Item(item)) => events.push(ExchangeEvent::Item(item)),
                Ok(Step::NeedData) => return,
                Ok(Step::End) => {
                    self.state = State::Done;
                    events.push(ExchangeEvent::End);
                }
                Err(error) if reply.is_success() => {
                    events.push(ExchangeEvent::BadItem(error.into()));
                }
                Err(error) => {
                    self.state = State::Done;
                    let error = self.error(ErrorKind::Reply(error.into()));
                    events.push(ExchangeEvent::Error(error));
                }
            }
        }
    }

    fn error(&self, kind: ErrorKind) -> ExchangeError {
        ExchangeError { id: self.id, kind }
    }

    fn fail(&mut self, kind: ErrorKind) -> Vec<ExchangeEvent<D::Item>> {
        self.state = State::Done;
        Vec::from([ExchangeEvent::Error(self.error(kind))])
    }

    /// Reads the rest of the response with another decoder.
    pub(super) fn with_decoder<E: Decode>(self, decoder: E) -> OpenExchange<E> {
        let state = match self.state {
            State::AwaitingHead(reader) => State::AwaitingHead(ResponseReader {
                decoder,
                map_api_error: reader.map_api_error,
            }),
            State::ReadingBody(reply) => State::ReadingBody(reply.with_decoder(decoder)),
            State::Done => State::Done,
        };
        OpenExchange { id: self.id, state }
    }

    /// Like [`handle`](Self::handle), for a response that consists of one value. Returns the value
    /// or the error as soon as it is known.
    pub(super) fn value(&mut self, input: &Input<'_>) -> Option<Result<D::Item, ExchangeError>> {
        let mut events = self.handle(input).into_iter();
        events.find_map(|event| match event {
            ExchangeEvent::Item(item) => Some(Ok(item)),
            ExchangeEvent::BadItem(error) => Some(Err(self.error(ErrorKind::Reply(error)))),
            ExchangeEvent::Error(error) => Some(Err(error)),
            ExchangeEvent::Success | ExchangeEvent::End => None,
        })
    }
}

impl<D> core::fmt::Debug for OpenExchange<D> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("OpenExchange").field(&self.id).finish()
    }
}
