//! The attempts to start an instance.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::random_id::random_id;
use super::{Readiness, Ready};
use crate::flow::events::EventWait;
use crate::flow::exchange::OpenExchange;
use crate::flow::kill::Killer;
use crate::flow::outage::OutageTolerance;
use crate::flow::outbox::Outbox;
use crate::flow::status::StatusCheck;
use crate::flow::sub_flow::SubFlow;
use crate::flow::{FlowError, Input, Outcome};
use crate::{
    Endpoint, InstanceId, Json, RequestError, RetryPolicy, SequenceId, StartOptions, StartSequence,
    Started,
};

/// Time to wait for the response to a start after the flow was cancelled. A hub of 0.18 never
/// answers some starts.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct StartWithRetry {
    pub(super) endpoint: Endpoint,
    pub(super) sequence: SequenceId,
    pub(super) options: StartOptions,
    /// The instance id in the caller's options.
    pub(super) chosen_id: Option<String>,
    pub(super) supports_ids: bool,
    pub(super) seed: (u64, u64),
    pub(super) readiness: Option<Readiness>,
    pub(super) policy: Option<RetryPolicy>,
    pub(super) waits_for_capacity: bool,
    pub(super) outage_tolerance: OutageTolerance,
    pub(super) attempt: u32,
    /// The instance of this attempt, if its id is known.
    pub(super) instance_id: Option<InstanceId>,
    pub(super) state: State,
    pub(super) errors: Vec<FlowError>,
    pub(super) cancelled: bool,
    pub(super) outcome: Outcome<Ready>,
}

#[derive(Debug)]
pub(super) enum State {
    /// The next attempt starts at this time.
    ScheduledAt(Duration),
    Starting {
        exchange: OpenExchange<Json<Started>>,
        /// Time limit, set when the flow is cancelled.
        until: Option<Duration>,
    },
    /// The hub may have processed the start, but its response was lost.
    Searching {
        status: Box<StatusCheck>,
        until: Duration,
        error: FlowError,
    },
    Waiting {
        started: Started,
        wait: Box<EventWait>,
        until: Option<Duration>,
    },
    Killing {
        killer: Box<Killer>,
        /// If `true`, another attempt follows after the kill.
        retry: bool,
    },
    Done,
}

impl StartWithRetry {
    /// Starts the next attempt.
    fn send(&mut self, outbox: &mut Outbox) -> Result<(), RequestError> {
        self.attempt += 1;
        let id = match &self.chosen_id {
            Some(id) => Some(id.clone()),
            None => self
                .supports_ids
                .then(|| random_id(self.seed, self.attempt)),
        };
        self.instance_id = id.as_deref().map(InstanceId::try_from).transpose()?;
        let options = match id {
            Some(id) => self.options.clone().instance_id(id),
            None => self.options.clone(),
        };
        let operation = StartSequence {
            id: &self.sequence,
            options: &options,
        };
        self.state = State::Starting {
            exchange: outbox.send(&operation, None)?,
            until: None,
        };
        Ok(())
    }

    /// Handles the time limit of the current state.
    fn handle_timeouts(&mut self, outbox: &mut Outbox, now: Duration) {
        let is_over = |until: Duration| until <= now;
        match &mut self.state {
            State::Starting {
                exchange,
                until: Some(until),
            } if is_over(*until) => {
                outbox.abort(exchange);
                self.abandon_attempt(now, false);
            }
            State::Searching { until, .. } if is_over(*until) => {
                let state = core::mem::replace(&mut self.state, State::Done);
                if let State::Searching { error, .. } = state {
                    self.errors.push(error);
                }
                // The start was never processed, or the hub is unreachable.
                self.abandon_attempt(now, true);
            }
            State::Waiting {
                wait,
                until: Some(until),
                ..
            } if is_over(*until) => {
                wait.abort(outbox);
                let timeout = self.readiness.as_ref().and_then(|one| one.timeout);
                self.on_readiness(now, Err(FlowError::TimedOut(timeout.unwrap_or_default())));
            }
            _ => {}
        }
    }
}

impl SubFlow for StartWithRetry {
    type Output = Ready;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Ready> {
        self.handle_timeouts(outbox, now);
        if self.outcome.is_some() {
            return self.outcome.take();
        }
        let stepped = match &mut self.state {
            State::ScheduledAt(time) if *time <= now => self.send(outbox),
            State::Searching { status, .. } => status.step(outbox, now),
            State::Waiting { wait, .. } => {
                if let Some(result) = wait.step(outbox, now) {
                    wait.abort(outbox);
                    self.on_readiness(now, result);
                    return self.step(outbox, now);
                }
                Ok(())
            }
            State::Killing { killer, retry } => {
                let retry = *retry;
                if let Some(result) = killer.step(outbox, now) {
                    let killed = result.is_ok();
                    self.errors.extend(result.err());
                    // If the kill failed, another start could create a second instance.
                    self.next_attempt(now, retry && killed);
                    return self.step(outbox, now);
                }
                Ok(())
            }
            State::ScheduledAt(_) | State::Starting { .. } | State::Done => Ok(()),
        };
        stepped.err().map(|error| Err(error.into()))
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        match &mut self.state {
            State::ScheduledAt(_) | State::Done => {}
            State::Starting { exchange, .. } => match exchange.value(input) {
                None => {}
                Some(Ok(started)) => self.on_started(now, started),
                Some(Err(error)) => self.on_start_error(now, error),
            },
            State::Searching { status, .. } => {
                if let Some(status) = status.handle(outbox, now, input) {
                    self.on_search_result(now, status);
                }
            }
            State::Waiting { wait, .. } => wait.handle(outbox, now, input),
            State::Killing { killer, .. } => killer.handle(outbox, now, input),
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        match &self.state {
            State::ScheduledAt(time) => Some(*time),
            State::Starting { until, .. } => *until,
            State::Searching { status, until, .. } => {
                status.next_wake().into_iter().chain([*until]).min()
            }
            State::Waiting { wait, until, .. } => wait.next_wake().into_iter().chain(*until).min(),
            State::Killing { killer, .. } => killer.next_wake(),
            State::Done => None,
        }
    }

    fn cancel(&mut self, outbox: &mut Outbox, now: Duration) {
        if core::mem::replace(&mut self.cancelled, true) || self.outcome.is_some() {
            return;
        }
        match &mut self.state {
            State::ScheduledAt(_) | State::Done => self.next_attempt(now, false),
            // The hub continues with the start. The instance is killed once its id is known.
            State::Starting { until, .. } => *until = Some(now + CANCEL_TIMEOUT),
            State::Searching { until, .. } => *until = (*until).min(now + CANCEL_TIMEOUT),
            State::Waiting { wait, .. } => {
                wait.abort(outbox);
                self.kill(now, false);
            }
            State::Killing { retry, .. } => *retry = false,
        }
    }
}
