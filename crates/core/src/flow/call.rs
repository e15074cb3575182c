//! Requests of a flow, and the reading of their responses.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use http::HeaderMap;

use super::{Command, ExchangeId, FlowError, Input, Outcome, Progress, Send};
use crate::{ApiError, Decode, Endpoint, Operation, Reply, ReplyError, RequestError, Step};

/// The requests of a flow that are to be sent, and the exchanges that are to be aborted.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) endpoint: Endpoint,
    last: u32,
    commands: VecDeque<Letter>,
}

#[derive(Debug)]
enum Letter {
    Send(Box<Send>),
    Abort(ExchangeId),
}

impl Outbox {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            last: 0,
            commands: VecDeque::new(),
        }
    }

    /// Sends an operation. The exchange fails if it is not over after `limit`.
    pub(super) fn send<O>(
        &mut self,
        operation: &O,
        limit: Option<Duration>,
    ) -> Result<Call<O::Decoder>, RequestError>
    where
        O: Operation<Payload = Vec<u8>>,
    {
        let reading = Reading {
            decoder: self.endpoint.decoder(operation),
            refusal: O::map_api_error,
        };
        self.queue(operation, limit, reading)
    }

    /// Opens a stream, and reads it by a decoder of one's own.
    pub(super) fn send_for<O, D>(
        &mut self,
        operation: &O,
        decoder: D,
    ) -> Result<Call<D>, RequestError>
    where
        O: Operation<Payload = Vec<u8>>,
    {
        self.queue(
            operation,
            None,
            Reading {
                decoder,
                refusal: O::map_api_error,
            },
        )
    }

    fn queue<O, D>(
        &mut self,
        operation: &O,
        limit: Option<Duration>,
        reading: Reading<D>,
    ) -> Result<Call<D>, RequestError>
    where
        O: Operation<Payload = Vec<u8>>,
    {
        let request = self.endpoint.request(operation)?;
        self.last = self.last.wrapping_add(1);
        let id = ExchangeId(self.last);
        let call = Call {
            id,
            state: State::Sent(reading),
        };
        self.commands.push_back(Letter::Send(Box::new(Send {
            id,
            operation: O::NAME,
            request,
            limit,
        })));
        Ok(call)
    }

    /// Aborts an exchange.
    pub(super) fn close<D>(&mut self, call: &Call<D>) {
        self.commands.push_back(Letter::Abort(call.id));
    }

    /// Nothing is to be sent or aborted.
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    pub(super) fn next<T>(&mut self) -> Option<Command<T>> {
        self.commands.pop_front().map(|letter| match letter {
            Letter::Send(send) => Command::Send(send),
            Letter::Abort(id) => Command::Abort(id),
        })
    }
}

/// A flow, or a part of one, which sends its requests through the outbox of the whole.
pub(super) trait Part {
    type Value;

    /// Sends what is due, and notices what is over.
    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Self::Value>;

    /// Takes in what has come of an exchange, of this part or another.
    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>);

    /// The time of the next step, if nothing comes before.
    fn wakes(&self) -> Option<Duration>;

    /// Only cleans up from now on.
    fn give_up(&mut self, outbox: &mut Outbox, now: Duration);
}

/// A part that is a whole flow.
#[derive(Debug)]
pub(super) struct Whole<P> {
    outbox: Outbox,
    pub(super) part: P,
}

impl<P: Part> Whole<P> {
    pub(super) fn new(endpoint: Endpoint, part: P) -> Self {
        Self {
            outbox: Outbox::new(endpoint),
            part,
        }
    }

    /// Goes on as another part, with the requests of this one.
    pub(super) fn map<Q>(self, change: impl FnOnce(P) -> Q) -> Whole<Q> {
        let Self { outbox, part } = self;
        Whole {
            outbox,
            part: change(part),
        }
    }

    pub(super) fn poll(&mut self, now: Duration) -> Command<Result<P::Value, FlowError>> {
        if let Some(command) = self.outbox.next() {
            return command;
        }
        if let Some(outcome) = self.part.step(&mut self.outbox, now) {
            return Command::Done(outcome);
        }
        let wakes = self.part.wakes();
        self.outbox.next().unwrap_or(Command::Wait { until: wakes })
    }

    pub(super) fn handle(&mut self, now: Duration, input: &Input<'_>) {
        self.part.handle(&mut self.outbox, now, input);
    }

    pub(super) fn give_up(&mut self, now: Duration) {
        self.part.give_up(&mut self.outbox, now);
    }
}

/// Makes a public flow of a part.
macro_rules! flow {
    ($(#[$doc:meta])* $name:ident($part:ty) -> $value:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(crate::flow::call::Whole<$part>);

        impl crate::flow::Flow for $name {
            type Output = Result<$value, crate::flow::FlowError>;

            fn poll(&mut self, now: core::time::Duration) -> crate::flow::Command<Self::Output> {
                self.0.poll(now)
            }

            fn handle(&mut self, now: core::time::Duration, input: crate::flow::Input<'_>) {
                self.0.handle(now, &input);
            }

            fn give_up(&mut self, now: core::time::Duration) {
                self.0.give_up(now);
            }
        }
    };
}
pub(super) use flow;

/// An exchange of a flow, and what has come of its response.
pub(super) struct Call<D> {
    pub(super) id: ExchangeId,
    state: State<D>,
}

enum State<D> {
    Sent(Reading<D>),
    Answered(Reply<D>),
    Over,
}

/// How the response to an operation is read.
struct Reading<D> {
    decoder: D,
    refusal: fn(ApiError) -> ApiError,
}

/// Why an exchange gave no value.
#[derive(Debug)]
pub(super) enum CallError {
    Failed {
        progress: Progress,
        passes: bool,
    },
    Reply(Box<ReplyError>),
    /// A refusal of which the end is missing.
    CutOff(Box<ReplyError>),
}

impl CallError {
    pub(super) fn of(self, id: ExchangeId) -> FlowError {
        match self {
            Self::Failed { .. } => FlowError::Failed(id),
            Self::Reply(error) | Self::CutOff(error) => FlowError::Reply(id, error),
        }
    }

    pub(super) fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Failed { .. } => None,
            Self::Reply(error) | Self::CutOff(error) => error.api(),
        }
    }

    /// Whether the same request may succeed later: the connection was lost, or something in front
    /// of the hub could not reach it.
    pub(super) fn may_succeed_later(&self) -> bool {
        match self {
            Self::Failed { passes, .. } => *passes,
            Self::Reply(error) => error.is_transient(),
            // Its words may have said more than its status.
            Self::CutOff(error) => {
                let refusal = error.api();
                error.is_transient() || refusal.is_some_and(|api| api.status.is_server_error())
            }
        }
    }

    /// A response that a proxy has compressed.
    pub(super) fn is_encoded(&self) -> bool {
        matches!(self, Self::Reply(error) if matches!(**error, ReplyError::Encoded { .. }))
    }

    /// A response that ended before it was complete.
    pub(super) fn cut_off() -> Self {
        Self::Failed {
            progress: Progress::Answered,
            passes: true,
        }
    }

    /// A refusal with this status.
    pub(super) fn has_status(&self, status: u16) -> bool {
        self.api().is_some_and(|refusal| refusal.status == status)
    }

    /// A `404` that the hub itself has sent. Others may be those of a gateway that does not reach it.
    pub(super) fn is_hubs_not_found(&self) -> bool {
        self.api()
            .is_some_and(|refusal| refusal.is_not_found() && refusal.is_from_hub())
    }

    /// Whether the hub may have carried the request out.
    pub(super) fn may_be_carried_out(&self) -> bool {
        match self {
            Self::Failed { progress, .. } => *progress >= Progress::MayBeReceived,
            Self::Reply(error) | Self::CutOff(error) => match error.api() {
                // A gateway that waits in vain for the hub has passed the request on.
                Some(refusal) => matches!(refusal.received_status.as_u16(), 502 | 504 | 520..=530),
                None => true,
            },
        }
    }
}

/// Something that has come of an exchange.
#[derive(Debug)]
pub(super) enum Came<T> {
    /// The response has begun, and is a success.
    Accepted,
    /// An item of the response.
    Item(T),
    /// An item that cannot be read; others may follow.
    Broken(Box<ReplyError>),
    /// The response is complete.
    End,
    /// The exchange is over, without a value or an end.
    Error(CallError),
}

impl<D: Decode> Call<D> {
    /// Takes an input of this exchange, and tells what has come of it.
    pub(super) fn handle(&mut self, input: &Input<'_>) -> Vec<Came<D::Item>> {
        let mut came = Vec::new();
        if input.id() != self.id {
            return came;
        }
        match *input {
            Input::Head {
                status,
                reason,
                headers,
                ..
            } => self.head(status, reason, headers),
            Input::Body { bytes, .. } => {
                if let State::Answered(reply) = &mut self.state {
                    reply.feed(bytes);
                }
            }
            Input::End { .. } => {
                if let State::Answered(reply) = &mut self.state {
                    if let Err(error) = reply.end() {
                        return self.over(CallError::Reply(error.into()));
                    }
                }
            }
            Input::Failed {
                progress, passes, ..
            } => {
                return match &mut self.state {
                    State::Over => came,
                    // A refusal that was cut off is a refusal still.
                    State::Answered(reply) => match reply.cut_off() {
                        error if error.api().is_some() => {
                            self.over(CallError::CutOff(error.into()))
                        }
                        _ => self.over(CallError::Failed {
                            progress: Progress::Answered,
                            passes,
                        }),
                    },
                    State::Sent(_) => self.over(CallError::Failed { progress, passes }),
                };
            }
        }
        if matches!(input, Input::Head { .. }) {
            if let State::Answered(reply) = &self.state {
                came.extend(reply.is_success().then_some(Came::Accepted));
            }
        }
        self.pull(&mut came);
        came
    }

    fn head(&mut self, status: http::StatusCode, reason: &str, headers: &HeaderMap) {
        if let State::Sent(reading) = core::mem::replace(&mut self.state, State::Over) {
            let Reading { decoder, refusal } = reading;
            self.state = State::Answered(Reply::new(status, reason, headers, decoder, refusal));
        }
    }

    fn pull(&mut self, came: &mut Vec<Came<D::Item>>) {
        while let State::Answered(reply) = &mut self.state {
            match reply.next_item() {
                Ok(Step::Item(item)) => came.push(Came::Item(item)),
                Ok(Step::NeedData) => return,
                Ok(Step::End) => {
                    self.state = State::Over;
                    came.push(Came::End);
                }
                Err(error) if reply.is_success() => came.push(Came::Broken(error.into())),
                Err(error) => {
                    self.state = State::Over;
                    came.push(Came::Error(CallError::Reply(error.into())));
                }
            }
        }
    }

    fn over(&mut self, error: CallError) -> Vec<Came<D::Item>> {
        self.state = State::Over;
        Vec::from([Came::Error(error)])
    }

    /// Reads the response by another decoder from now on.
    pub(super) fn decode_by<E: Decode>(self, decoder: E) -> Call<E> {
        let state = match self.state {
            State::Sent(Reading { refusal, .. }) => State::Sent(Reading { decoder, refusal }),
            State::Answered(reply) => State::Answered(reply.with_decoder(decoder)),
            State::Over => State::Over,
        };
        Call { id: self.id, state }
    }

    /// The value of a response that holds a single one, once it is complete.
    pub(super) fn value(&mut self, input: &Input<'_>) -> Option<Result<D::Item, CallError>> {
        let mut came = self.handle(input).into_iter();
        came.find_map(|came| match came {
            Came::Item(item) => Some(Ok(item)),
            Came::Broken(error) => Some(Err(CallError::Reply(error))),
            Came::Error(error) => Some(Err(error)),
            Came::Accepted | Came::End => None,
        })
    }
}

impl<D> core::fmt::Debug for Call<D> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Call").field(&self.id).finish()
    }
}
