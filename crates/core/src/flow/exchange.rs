//! Reads the response to one request of a flow.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::exchange_error::{ErrorKind, ExchangeError};
use super::{Delivery, ExchangeId, Input};
use crate::reply::ReplyState;
use crate::{ApiError, Decode, ReplyError, Step};

/// A request that was queued, and the part of its response that has arrived.
pub(super) struct OpenExchange<D> {
    pub(super) id: ExchangeId,
    state: State,
    decoder: D,
}

enum State {
    /// Has the error mapping of the operation.
    AwaitingHead(fn(ApiError) -> ApiError),
    ReadingBody(ReplyState),
    Done,
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

/// The effect of an input on an exchange.
enum Received<'a> {
    Nothing,
    /// The head of a successful response.
    Success,
    /// Bytes for the decoder.
    Bytes(&'a [u8]),
    /// The end of the bytes for the decoder.
    End,
    Failed(ErrorKind),
}

impl State {
    /// Handles an input of this exchange. Not generic, so that it is compiled only once.
    fn receive<'a>(&mut self, input: &Input<'a>) -> Received<'a> {
        match (*input, &mut *self) {
            (
                Input::Head {
                    status,
                    reason,
                    headers,
                    ..
                },
                Self::AwaitingHead(map_api_error),
            ) => {
                let reply = ReplyState::new(status, reason, headers, *map_api_error);
                let is_success = reply.is_success();
                *self = Self::ReadingBody(reply);
                if is_success {
                    return Received::Success;
                }
            }
            (Input::Body { bytes, .. }, Self::ReadingBody(reply)) => {
                return match reply.feed(bytes) {
                    true => Received::Bytes(bytes),
                    false => Received::Nothing,
                };
            }
            (Input::End { .. }, Self::ReadingBody(reply)) => match reply.end() {
                Ok(true) => return Received::End,
                Ok(false) => {}
                Err(error) => return Received::Failed(ErrorKind::Reply(error.into())),
            },
            (
                Input::Failed {
                    delivery,
                    transient,
                    ..
                },
                Self::AwaitingHead(_),
            ) => {
                return Received::Failed(ErrorKind::Failed {
                    delivery,
                    transient,
                });
            }
            (Input::Failed { transient, .. }, Self::ReadingBody(reply)) => {
                // A truncated refusal is still a refusal.
                let error = reply.cut_off();
                return Received::Failed(match error.api() {
                    Some(_) => ErrorKind::TruncatedRefusal(error.into()),
                    None => ErrorKind::Failed {
                        delivery: Delivery::Answered,
                        transient,
                    },
                });
            }
            _ => {}
        }
        Received::Nothing
    }
}

impl<D> OpenExchange<D> {
    pub(super) fn new(id: ExchangeId, decoder: D, map_api_error: fn(ApiError) -> ApiError) -> Self {
        Self {
            id,
            state: State::AwaitingHead(map_api_error),
            decoder,
        }
    }

    /// Returns `true` until the head of the response has arrived.
    pub(super) fn awaits_head(&self) -> bool {
        matches!(self.state, State::AwaitingHead(_))
    }

    /// Reads the rest of the response with another decoder.
    pub(super) fn with_decoder<E>(self, decoder: E) -> OpenExchange<E> {
        OpenExchange {
            id: self.id,
            state: self.state,
            decoder,
        }
    }

    fn fail(&mut self, kind: ErrorKind) -> ExchangeError {
        self.state = State::Done;
        self.error(kind)
    }

    fn error(&self, kind: ErrorKind) -> ExchangeError {
        ExchangeError { id: self.id, kind }
    }
}

impl<D: Decode> OpenExchange<D> {
    /// Handles an input. Inputs of other exchanges yield no event.
    pub(super) fn handle(&mut self, input: &Input<'_>) -> Vec<ExchangeEvent<D::Item>> {
        let mut events = Vec::new();
        events.extend(self.receive(input));
        while let Some(event) = self.next_event() {
            events.push(event);
        }
        events
    }

    /// Like [`handle`](Self::handle), for a response that consists of one value. Returns the value
    /// or the error as soon as it is known.
    pub(super) fn value(&mut self, input: &Input<'_>) -> Option<Result<D::Item, ExchangeError>> {
        let mut event = self.receive(input);
        loop {
            match event.or_else(|| self.next_event())? {
                ExchangeEvent::Item(item) => return Some(Ok(item)),
                ExchangeEvent::BadItem(error) => {
                    return Some(Err(self.error(ErrorKind::Reply(error))));
                }
                ExchangeEvent::Error(error) => return Some(Err(error)),
                ExchangeEvent::Success | ExchangeEvent::End => event = None,
            }
        }
    }

    /// Takes an input. Returns the event if it is the head of the response or the exchange failed.
    fn receive(&mut self, input: &Input<'_>) -> Option<ExchangeEvent<D::Item>> {
        if input.id() != self.id {
            return None;
        }
        match self.state.receive(input) {
            Received::Nothing => None,
            Received::Success => Some(ExchangeEvent::Success),
            Received::Bytes(bytes) => {
                self.decoder.feed(bytes);
                None
            }
            Received::End => {
                self.decoder.end();
                None
            }
            Received::Failed(kind) => Some(ExchangeEvent::Error(self.fail(kind))),
        }
    }

    /// Returns the next event of the body, if it is known.
    fn next_event(&mut self) -> Option<ExchangeEvent<D::Item>> {
        let State::ReadingBody(reply) = &mut self.state else {
            return None;
        };
        Some(match reply.next_item(&mut self.decoder) {
            Ok(Step::Item(item)) => ExchangeEvent::Item(item),
            Ok(Step::NeedData) => return None,
            Ok(Step::End) => {
                self.state = State::Done;
                ExchangeEvent::End
            }
            Err(error) if reply.is_success() => ExchangeEvent::BadItem(error.into()),
            Err(error) => ExchangeEvent::Error(self.fail(ErrorKind::Reply(error.into()))),
        })
    }
}

impl<D> core::fmt::Debug for OpenExchange<D> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("OpenExchange").field(&self.id).finish()
    }
}
