//! Sets the decoder of a topic that is already followed.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

use super::Followed;
use super::follower::{State, StreamFollower};
use crate::flow::exchange::{ExchangeEvent, OpenExchange};
use crate::flow::{FlowError, Input};
use crate::{Chunks, Decode};

impl StreamFollower<Chunks> {
    pub(super) fn decode<D>(
        self,
        decoder: impl Fn() -> D + Send + Sync + 'static,
    ) -> StreamFollower<D>
    where
        D: Decode + 'static,
    {
        let Self {
            subject,
            open,
            state,
            gap,
            ready,
            check,
            reopens,
            outage,
            was_opened,
            reopened,
            instance_is_known,
            returned_result,
            cancelled,
            ..
        } = self;
        let decoder = Arc::new(decoder);
        let again = Arc::clone(&decoder);
        let mut follow = StreamFollower {
            subject,
            open: Box::new(move |outbox, lost| Ok(open(outbox, lost)?.with_decoder(again()))),
            deduplicator: None,
            state: state.map(|exchange| exchange.with_decoder(decoder())),
            gap,
            ready: VecDeque::new(),
            check,
            reopens,
            outage,
            was_opened,
            reopened,
            instance_is_known,
            returned_result,
            cancelled,
        };
        for result in ready {
            match result.map(Followed::into_item) {
                Ok(Ok(bytes)) => follow.feed(&bytes),
                Ok(Err(other)) => follow.ready.push_back(Ok(other)),
                Err(error) => follow.ready.push_back(Err(error)),
            }
        }
        follow
    }
}

impl<D: Decode + 'static> StreamFollower<D> {
    /// Decodes bytes that arrived before the decoder was set.
    fn feed(&mut self, bytes: &[u8]) {
        if let State::Open(exchange, ..) = &mut self.state {
            let input = Input::Body {
                id: exchange.id,
                bytes,
            };
            for event in exchange.handle(&input) {
                match event {
                    ExchangeEvent::Item(item) => self.ready.push_back(Ok(Followed::Item(item))),
                    ExchangeEvent::BadItem(error) => {
                        self.ready
                            .push_back(Err(FlowError::Reply(input.id(), error)));
                    }
                    ExchangeEvent::Success | ExchangeEvent::End | ExchangeEvent::Error(_) => {}
                }
            }
        }
    }
}

impl<D> State<D> {
    fn map<E>(self, change: impl FnOnce(OpenExchange<D>) -> OpenExchange<E>) -> State<E> {
        match self {
            Self::ScheduledAt(time, lost) => State::ScheduledAt(time, lost),
            Self::Opening(exchange, lost, limit) => State::Opening(change(exchange), lost, limit),
            Self::Open(exchange, last, has_head) => State::Open(change(exchange), last, has_head),
            Self::Ending(id, limit) => State::Ending(id, limit),
            Self::Ended(exchange, until) => State::Ended(exchange.map(change), until),
            Self::Done => State::Done,
        }
    }
}
