//! Flows of any type, so that the code of the driver is compiled only once.

use std::ops::DerefMut;
use std::time::Duration;

use scramjet_client_core::flow::{Command, Flow, FlowError, Input};

/// A flow without its type and that of its result.
pub(super) trait AnyFlow {
    /// Like [`Flow::poll`], but keeps the result.
    fn poll(&mut self, now: Duration) -> Command<Result<(), FlowError>>;
    fn handle(&mut self, now: Duration, input: Input<'_>);
    fn cancel(&mut self, now: Duration);
}

/// A flow, and its result when it is done.
pub(super) struct FlowWithResult<F, T> {
    flow: F,
    pub(super) result: Option<T>,
}

impl<F, T> FlowWithResult<F, T> {
    pub(super) fn new(flow: F) -> Self {
        Self { flow, result: None }
    }
}

impl<F, T> AnyFlow for FlowWithResult<F, T>
where
    F: DerefMut<Target: Flow<Output = Result<T, FlowError>>>,
{
    fn poll(&mut self, now: Duration) -> Command<Result<(), FlowError>> {
        match self.flow.poll(now) {
            Command::Send(send) => Command::Send(send),
            Command::Abort(id) => Command::Abort(id),
            Command::Wait { until } => Command::Wait { until },
            Command::Done(result) => Command::Done(result.map(|result| {
                self.result = Some(result);
            })),
        }
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.flow.handle(now, input);
    }

    fn cancel(&mut self, now: Duration) {
        self.flow.cancel(now);
    }
}
