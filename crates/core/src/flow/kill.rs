//! Kills instances during clean-up.

use core::time::Duration;

use super::exchange::OpenExchange;
use super::exchange_error::ExchangeError;
use super::outbox::Outbox;
use super::status::{StatusCheck, StatusResult};
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{FlowError, Input, Outcome};
use crate::{
    Endpoint, InstanceId, InstanceStatus, Json, KillInstance, KillOptions, RequestError,
    StopInstance, StopOptions, StopReply,
};

/// Upper bound for one kill, so that clean-up never blocks on an unresponsive hub.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout for one request.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Delays between attempts. Builds after the release of 1.0.1, which report 1.0.1 as well, refuse
/// (`400`) to kill an instance that is still starting.
const RETRY_DELAYS: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(60),
    Duration::from_millis(200),
    Duration::from_millis(600),
    Duration::from_secs(1),
];

flow! {
    /// Kills an instance within 10 seconds, whatever its state.
    ///
    /// An instance that no longer exists counts as killed. The flow returns when the hub has
    /// accepted the kill. The process may run for up to 15 seconds more.
    ///
    /// If the hub has refused five kills with `400`, the flow sends a stop with a timeout of zero
    /// instead, which needs the dialect. [`cancel`](super::Flow::cancel) has no effect on this
    /// flow.
    Kill(Killer) -> ()
}

impl Kill {
    /// Kills the instance `id`.
    #[must_use]
    pub fn new(endpoint: Endpoint, id: InstanceId) -> Self {
        Self(RootFlow::new(endpoint, Killer::new(id, Duration::ZERO)))
    }
}

/// The sub-flow that kills an instance.
#[derive(Debug)]
pub(super) struct Killer {
    status: StatusCheck,
    state: State,
    attempts: usize,
    /// The number of kills that the hub refused with `400`.
    refusals: usize,
    deadline: Duration,
    last_error: Option<ExchangeError>,
    outcome: Outcome<()>,
}

#[derive(Debug)]
enum State {
    ScheduledAt(Duration),
    Killing(OpenExchange<Json<StopReply>>),
    /// The last resort: for an instance in the status `stopping`, a hub of 1.x refuses every kill
    /// and accepts only another stop.
    Stopping(OpenExchange<Json<StopReply>>),
    /// Requests the status, which shows if the kill was processed.
    CheckingStatus,
}

impl Killer {
    /// Creates a sub-flow that starts at `now`.
    pub(super) fn new(id: InstanceId, now: Duration) -> Self {
        Self {
            status: StatusCheck::new(now, id, Duration::from_millis(200)),
            state: State::ScheduledAt(now),
            attempts: 0,
            refusals: 0,
            deadline: now + KILL_TIMEOUT,
            last_error: None,
            outcome: None,
        }
    }

    pub(super) fn id(&self) -> &InstanceId {
        self.status.id()
    }

    fn send(&mut self, outbox: &mut Outbox) -> Result<(), RequestError> {
        let (id, timeout) = (self.status.id(), Some(RESPONSE_TIMEOUT));
        self.state = if self.refusals < RETRY_DELAYS.len() {
            let options = &KillOptions::new().remove_immediately(true);
            State::Killing(outbox.send(&KillInstance { id, options }, timeout)?)
        } else {
            let options = &StopOptions::new(Duration::ZERO);
            State::Stopping(outbox.send(&StopInstance { id, options }, timeout)?)
        };
        Ok(())
    }

    fn check_status(&mut self, now: Duration) {
        self.state = State::CheckingStatus;
        self.status.schedule(now);
    }

    fn schedule_retry(&mut self, now: Duration) {
        let delay = RETRY_DELAYS
            .get(self.attempts)
            .copied()
            .unwrap_or(Duration::from_secs(1));
        self.attempts += 1;
        self.state = State::ScheduledAt(now + delay);
    }

    fn on_error(&mut self, now: Duration, error: ExchangeError) {
        if error.is_not_found_from_hub() {
            return self.outcome = Some(Ok(()));
        }
        let refused = error.has_status(400);
        self.refusals += usize::from(refused);
        if refused || error.has_status(404) || error.may_have_been_processed() {
            self.last_error = Some(error);
            self.check_status(now);
        } else if error.is_transient() && self.attempts < RETRY_DELAYS.len() {
            self.last_error = Some(error);
            self.schedule_retry(now);
        } else {
            self.outcome = Some(Err(error.into()));
        }
    }

    fn on_status(&mut self, now: Duration, finding: StatusResult) {
        match finding {
            StatusResult::Ended(_) => self.outcome = Some(Ok(())),
            StatusResult::Alive(info) if info.status == Some(InstanceStatus::Killing) => {
                self.outcome = Some(Ok(()));
            }
            StatusResult::Alive(_) | StatusResult::Unknown(_) => self.schedule_retry(now),
        }
    }
}

impl SubFlow for Killer {
    type Output = ();

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<()> {
        if self.outcome.is_some() {
            return self.outcome.take();
        }
        if self.deadline <= now {
            return Some(Err(match self.last_error.take() {
                Some(error) => error.into(),
                None => FlowError::TimedOut(KILL_TIMEOUT),
            }));
        }
        let result = match self.state {
            State::ScheduledAt(time) if time <= now => self.send(outbox),
            State::CheckingStatus => self.status.step(outbox, now),
            _ => Ok(()),
        };
        result.err().map(|error| Err(error.into()))
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        match &mut self.state {
            State::ScheduledAt(_) => {}
            State::CheckingStatus => {
                if let Some(finding) = self.status.handle(outbox, now, input) {
                    self.on_status(now, finding);
                }
            }
            State::Killing(exchange) | State::Stopping(exchange) => match exchange.value(input) {
                None => {}
                Some(Ok(_)) => self.outcome = Some(Ok(())),
                Some(Err(error)) => self.on_error(now, error),
            },
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        let next = match &self.state {
            State::ScheduledAt(time) => Some(*time),
            State::CheckingStatus => self.status.next_wake(),
            State::Killing(_) | State::Stopping(_) => None,
        };
        Some(next.map_or(self.deadline, |next| next.min(self.deadline)))
    }

    /// Does nothing: a kill is clean-up itself, and its time is bounded.
    fn cancel(&mut self, _: &mut Outbox, _: Duration) {}
}
