//! The state of an instance, asked for from time to time.

use alloc::boxed::Box;
use core::time::Duration;

use super::call::{Call, CallError, Outbox, Part, Whole, flow};
use super::outage::{Outage, OutageTolerance};
use super::{ExchangeId, FlowError, Input, Outcome};
use crate::{
    Ended, Endpoint, GetInstance, GetVersion, HubVersion, InstanceId, InstanceInfo, Json,
    RequestError,
};

/// The longest time between two questions. The end of an instance is noticed that late.
const LONGEST_TICK: Duration = Duration::from_secs(2);

/// How long the hub has to answer a question. 0.18 does not answer for an instance that is not up.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// What was found out about an instance.
#[derive(Debug)]
pub(super) enum Finding {
    Alive(Box<InstanceInfo>),
    Ended(Ended),
    /// Nothing: this exchange failed or was refused.
    Unknown(ExchangeId, CallError),
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
    tick: Duration,
    longest_tick: Duration,
    /// How many times in a row somebody has said `404` while the hub was there.
    doubtful: u32,
}

/// So many such answers count as the hub's own.
const DOUBTFUL: u32 = 4;

/// The time between two of them.
const DOUBT_TICK: Duration = Duration::from_millis(250);

#[derive(Debug)]
enum State {
    Idle,
    Asking(Call<Json<InstanceInfo>>),
    /// Somebody said `404`: is the hub there?
    Confirming(Call<Json<HubVersion>>),
}

impl StatusCheck {
    /// Asks for the first time at `next`, and then after a tick.
    pub(super) fn at(next: Duration, id: InstanceId, tick: Duration) -> Self {
        Self {
            id,
            state: State::Idle,
            next,
            tick,
            longest_tick: LONGEST_TICK,
            doubtful: 0,
        }
    }

    /// Asks after each tick, not ever less often.
    pub(super) fn steady(self) -> Self {
        Self {
            longest_tick: self.tick,
            ..self
        }
    }

    pub(super) fn id(&self) -> &InstanceId {
        &self.id
    }

    /// Asks as soon as possible.
    pub(super) fn ask_now(&mut self, now: Duration) {
        self.next = now;
    }

    /// Asks if it is time.
    pub(super) fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Result<(), RequestError> {
        if matches!(self.state, State::Idle) && self.next <= now {
            self.state = State::Asking(self.ask(outbox)?);
        }
        Ok(())
    }

    fn ask(&self, outbox: &mut Outbox) -> Result<Call<Json<InstanceInfo>>, RequestError> {
        outbox.send(&GetInstance { id: &self.id }, Some(ANSWER_LIMIT))
    }

    /// The time of the next question; `None` while one is open.
    pub(super) fn wakes(&self) -> Option<Duration> {
        matches!(self.state, State::Idle).then_some(self.next)
    }

    /// Aborts a question that is open.
    pub(super) fn abort(&mut self, outbox: &mut Outbox) {
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Idle => {}
            State::Asking(call) => outbox.close(&call),
            State::Confirming(call) => outbox.close(&call),
        }
    }

    pub(super) fn handle(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        input: &Input<'_>,
    ) -> Option<Finding> {
        let (id, result) = match &mut self.state {
            State::Idle => return None,
            State::Asking(call) => (call.id, call.value(input)?),
            State::Confirming(call) => {
                let (id, result) = (call.id, call.value(input)?);
                return self.confirmed(now, id, result.err());
            }
        };
        let finding = match result {
            Ok(info) => match Ended::of(info) {
                Ok(ended) => Finding::Ended(ended),
                Err(info) => Finding::Alive(info),
            },
            Err(error) if error.is_hubs_not_found() => Finding::Ended(Ended::gone(&self.id)),
            Err(error) if error.has_status(404) => {
                let call = outbox.send(&GetVersion, Some(ANSWER_LIMIT));
                self.state = State::Confirming(call.ok()?);
                return None;
            }
            Err(error) => Finding::Unknown(id, error),
        };
        self.doubtful = 0;
        self.found(now, finding)
    }

    /// The hub is there, although somebody has said `404`; or it is not.
    fn confirmed(
        &mut self,
        now: Duration,
        id: ExchangeId,
        error: Option<CallError>,
    ) -> Option<Finding> {
        if let Some(error) = error {
            self.doubtful = 0;
            return self.found(now, Finding::Unknown(id, error));
        }
        self.doubtful += 1;
        if self.doubtful >= DOUBTFUL {
            return self.found(now, Finding::Ended(Ended::gone(&self.id)));
        }
        self.state = State::Idle;
        self.next = now + DOUBT_TICK;
        None
    }

    fn found(&mut self, now: Duration, finding: Finding) -> Option<Finding> {
        self.state = State::Idle;
        self.next = now.saturating_add(self.tick);
        self.tick = (self.tick * 2).min(self.longest_tick);
        Some(finding)
    }
}

flow! {
    /// Waits until an instance has ended: asks for `GET instance/:id` ever less often, in the end
    /// every two seconds.
    WaitForEnd(UntilEnded) -> Ended
}

impl WaitForEnd {
    /// Waits for the end of an instance.
    #[must_use]
    pub fn new(endpoint: Endpoint, id: InstanceId, patience: OutageTolerance) -> Self {
        let status = StatusCheck::at(Duration::ZERO, id, Duration::from_millis(25));
        let part = UntilEnded {
            status,
            outage: Outage::new(patience),
            outcome: None,
        };
        Self(Whole::new(endpoint, part))
    }
}

#[derive(Debug)]
struct UntilEnded {
    status: StatusCheck,
    outage: Outage,
    outcome: Outcome<Ended>,
}

impl Part for UntilEnded {
    type Value = Ended;

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
            Some(Finding::Alive(_)) => self.outage.is_over(),
            Some(Finding::Ended(ended)) => self.outcome = Some(Ok(ended)),
            Some(Finding::Unknown(id, error)) => {
                // A 404 that is not the hub's passes, too.
                let passes = error.may_succeed_later() || error.has_status(404);
                if !passes || self.outage.goes_on(now).is_none() {
                    self.outcome = Some(Err(error.of(id)));
                }
            }
        }
    }

    fn wakes(&self) -> Option<Duration> {
        self.status.wakes()
    }

    fn give_up(&mut self, _: &mut Outbox, _: Duration) {
        self.outcome.get_or_insert(Err(FlowError::GivenUp));
    }
}
