//! The state of an instance, asked for from time to time.

use alloc::boxed::Box;
use core::time::Duration;

use super::exchange::OpenExchange;
use super::exchange_error::ExchangeError;
use super::outage::{OutageTolerance, OutageTracker};
use super::outbox::Outbox;
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{ExchangeId, FlowError, Input, Outcome};
use crate::{
    Ended, Endpoint, GetInstance, GetVersion, HubVersion, InstanceId, InstanceInfo, Json,
    RequestError,
};

/// The longest time between two questions. The end of an instance is noticed that late.
const MAX_INTERVAL: Duration = Duration::from_secs(2);

/// How long the hub has to answer a question. 0.18 does not answer for an instance that is not up.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What was found out about an instance.
#[derive(Debug)]
pub(super) enum StatusResult {
    Alive(Box<InstanceInfo>),
    Ended(Ended),
    /// Nothing: this exchange failed or was refused.
    Unknown(ExchangeId, ExchangeError),
}

/// Asks for the state of an instance, ever less often.
///
/// A `404` counts only if the hub itself says that it does not know the instance: in its own words,
/// or, if the responses may be those of a gateway, several times in a row while the hub answers
/// `GET version`.
#[derive(Debug)]
pub(super) struct StatusCheck {
    id: InstanceId,
    state: State,
    next: Duration,
    interval: Duration,
    max_interval: Duration,
    /// How many times in a row somebody has said `404` while the hub was there.
    unconfirmed: u32,
}

/// So many such answers count as the hub's own.
const UNCONFIRMED_LIMIT: u32 = 4;

/// The time between two of them.
const UNCONFIRMED_INTERVAL: Duration = Duration::from_millis(250);

#[derive(Debug)]
enum State {
    Idle,
    Requesting(OpenExchange<Json<InstanceInfo>>),
    /// Somebody said `404`: is the hub there?
    Confirming(OpenExchange<Json<HubVersion>>),
}

impl StatusCheck {
    /// Asks for the first time at `next`, and then after a tick.
    pub(super) fn new(next: Duration, id: InstanceId, tick: Duration) -> Self {
        Self {
            id,
            state: State::Idle,
            next,
            interval: tick,
            max_interval: MAX_INTERVAL,
            unconfirmed: 0,
        }
    }

    /// Asks after each tick, not ever less often.
    pub(super) fn at_fixed_interval(self) -> Self {
        Self {
            max_interval: self.interval,
            ..self
        }
    }

    pub(super) fn id(&self) -> &InstanceId {
        &self.id
    }

    /// Asks as soon as possible.
    pub(super) fn schedule(&mut self, now: Duration) {
        self.next = now;
    }

    /// Asks if it is time.
    pub(super) fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Result<(), RequestError> {
        if matches!(self.state, State::Idle) && self.next <= now {
            self.state = State::Requesting(self.request_info(outbox)?);
        }
        Ok(())
    }

    fn request_info(
        &self,
        outbox: &mut Outbox,
    ) -> Result<OpenExchange<Json<InstanceInfo>>, RequestError> {
        outbox.send(&GetInstance { id: &self.id }, Some(RESPONSE_TIMEOUT))
    }

    /// The time of the next question; `None` while one is open.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        matches!(self.state, State::Idle).then_some(self.next)
    }

    /// Aborts a question that is open.
    pub(super) fn abort(&mut self, outbox: &mut Outbox) {
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Idle => {}
            State::Requesting(call) => outbox.abort(&call),
            State::Confirming(call) => outbox.abort(&call),
        }
    }

    pub(super) fn handle(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        input: &Input<'_>,
    ) -> Option<StatusResult> {
        let (id, result) = match &mut self.state {
            State::Idle => return None,
            State::Requesting(call) => (call.id, call.value(input)?),
            State::Confirming(call) => {
                let (id, result) = (call.id, call.value(input)?);
                return self.on_version_response(now, id, result.err());
            }
        };
        let finding = match result {
            Ok(info) => match Ended::of(info) {
                Ok(ended) => StatusResult::Ended(ended),
                Err(info) => StatusResult::Alive(info),
            },
            Err(error) if error.is_not_found_from_hub() => {
                StatusResult::Ended(Ended::gone(&self.id))
            }
            Err(error) if error.has_status(404) => {
                let call = outbox.send(&GetVersion, Some(RESPONSE_TIMEOUT));
                self.state = State::Confirming(call.ok()?);
                return None;
            }
            Err(error) => StatusResult::Unknown(id, error),
        };
        self.unconfirmed = 0;
        self.finish(now, finding)
    }

    /// The hub is there, although somebody has said `404`; or it is not.
    fn on_version_response(
        &mut self,
        now: Duration,
        id: ExchangeId,
        error: Option<ExchangeError>,
    ) -> Option<StatusResult> {
        if let Some(error) = error {
            self.unconfirmed = 0;
            return self.finish(now, StatusResult::Unknown(id, error));
        }
        self.unconfirmed += 1;
        if self.unconfirmed >= UNCONFIRMED_LIMIT {
            return self.finish(now, StatusResult::Ended(Ended::gone(&self.id)));
        }
        self.state = State::Idle;
        self.next = now + UNCONFIRMED_INTERVAL;
        None
    }

    fn finish(&mut self, now: Duration, finding: StatusResult) -> Option<StatusResult> {
        self.state = State::Idle;
        self.next = now.saturating_add(self.interval);
        self.interval = (self.interval * 2).min(self.max_interval);
        Some(finding)
    }
}

flow! {
    /// Waits until an instance has ended: asks for `GET instance/:id` ever less often, in the end
    /// every two seconds.
    WaitForEnd(EndWait) -> Ended
}

impl WaitForEnd {
    /// Waits for the end of an instance.
    #[must_use]
    pub fn new(endpoint: Endpoint, id: InstanceId, patience: OutageTolerance) -> Self {
        let status = StatusCheck::new(Duration::ZERO, id, Duration::from_millis(25));
        let part = EndWait {
            status,
            outage: OutageTracker::new(patience),
            outcome: None,
        };
        Self(RootFlow::new(endpoint, part))
    }
}

#[derive(Debug)]
struct EndWait {
    status: StatusCheck,
    outage: OutageTracker,
    outcome: Outcome<Ended>,
}

impl SubFlow for EndWait {
    type Output = Ended;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Ended> {
        if self.outcome.is_some() {
            return self.outcome.take();
        }
        self.status
            .step(outbox, now)
            .err()
            .map(|error| Err(error.into()))
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        match self.status.handle(outbox, now, input) {
            None => {}
            Some(StatusResult::Alive(_)) => self.outage.request_answered(),
            Some(StatusResult::Ended(ended)) => self.outcome = Some(Ok(ended)),
            Some(StatusResult::Unknown(id, error)) => {
                // A 404 that is not the hub's passes, too.
                let passes = error.is_transient() || error.has_status(404);
                if !passes || self.outage.request_failed(now).is_none() {
                    self.outcome = Some(Err(error.into_flow_error(id)));
                }
            }
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        self.status.next_wake()
    }

    fn cancel(&mut self, _: &mut Outbox, _: Duration) {
        self.outcome.get_or_insert(Err(FlowError::Cancelled));
    }
}
