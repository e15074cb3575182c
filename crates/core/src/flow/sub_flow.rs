//! The trait of the state machines that flows are made of.

use core::time::Duration;

use super::outbox::Outbox;
use super::{Command, FlowError, Input, Outcome};
use crate::Endpoint;

/// A state machine that queues its requests in the outbox of the flow that it belongs to.
pub(super) trait SubFlow {
    type Output;

    /// Queues the requests that are due and checks the time limits. Returns the result if there is
    /// one.
    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Self::Output>;

    /// Handles an input, which may belong to an exchange of another sub-flow.
    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>);

    /// Returns the time of the next step if no input arrives before.
    fn next_wake(&self) -> Option<Duration>;

    /// Cancels the sub-flow. It may still clean up on the hub.
    fn cancel(&mut self, outbox: &mut Outbox, now: Duration);
}

/// A sub-flow with an outbox of its own: a complete flow.
#[derive(Debug)]
pub(super) struct RootFlow<P> {
    outbox: Outbox,
    pub(super) sub_flow: P,
}

impl<P: SubFlow> RootFlow<P> {
    pub(super) fn new(endpoint: Endpoint, sub_flow: P) -> Self {
        Self {
            outbox: Outbox::new(endpoint),
            sub_flow,
        }
    }

    /// Replaces the sub-flow and keeps the outbox.
    pub(super) fn map<Q>(self, change: impl FnOnce(P) -> Q) -> RootFlow<Q> {
        RootFlow {
            outbox: self.outbox,
            sub_flow: change(self.sub_flow),
        }
    }

    pub(super) fn poll(&mut self, now: Duration) -> Command<Result<P::Output, FlowError>> {
        if let Some(command) = self.outbox.next() {
            return command;
        }
        if let Some(outcome) = self.sub_flow.step(&mut self.outbox, now) {
            return Command::Done(outcome);
        }
        let until = self.sub_flow.next_wake();
        self.outbox.next().unwrap_or(Command::Wait { until })
    }

    pub(super) fn handle(&mut self, now: Duration, input: &Input<'_>) {
        self.sub_flow.handle(&mut self.outbox, now, input);
    }

    pub(super) fn cancel(&mut self, now: Duration) {
        self.sub_flow.cancel(&mut self.outbox, now);
    }
}

/// Defines a public flow around a sub-flow.
macro_rules! flow {
    ($(#[$doc:meta])* $name:ident($sub_flow:ty) -> $output:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(crate::flow::sub_flow::RootFlow<$sub_flow>);

        impl crate::flow::Flow for $name {
            type Output = Result<$output, crate::flow::FlowError>;

            fn poll(&mut self, now: core::time::Duration) -> crate::flow::Command<Self::Output> {
                self.0.poll(now)
            }

            fn handle(&mut self, now: core::time::Duration, input: crate::flow::Input<'_>) {
                self.0.handle(now, &input);
            }

            fn cancel(&mut self, now: core::time::Duration) {
                self.0.cancel(now);
            }
        }
    };
}
pub(super) use flow;
