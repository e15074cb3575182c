//! Killing instances during clean-up.

use core::time::Duration;

use super::call::{Call, CallError, Outbox, Part, Whole, flow};
use super::status::{Finding, StatusCheck};
use super::{ExchangeId, FlowError, Input, Outcome};
use crate::{
    Endpoint, InstanceId, InstanceStatus, Json, KillInstance, KillOptions, RequestError,
    StopInstance, StopOptions, StopReply,
};

/// The upper bound for one kill, so that clean-up never blocks on a hub that does not answer.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// How long the hub has to answer one request.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Delays between attempts. Hubs after 1.0.1 refuse (`400`) to kill an instance that is still
/// starting.
const RETRY_DELAYS: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(60),
    Duration::from_millis(200),
    Duration::from_millis(600),
    Duration::from_secs(1),
];

flow! {
    /// Kills an instance, whatever its state, within 10 seconds. An instance that is gone counts as
    /// killed.
    ///
    /// Returns when the hub has accepted the kill, and not when the process is gone: that may take 15
    /// seconds more.
    Kill(Killer) -> ()
}

impl Kill {
    /// Kills an instance.
    #[must_use]
    pub fn new(endpoint: Endpoint, id: InstanceId) -> Self {
        Self(Whole::new(endpoint, Killer::new(id, Duration::ZERO)))
    }
}

/// The part of a flow that kills an instance.
#[derive(Debug)]
pub(super) struct Killer {
    status: StatusCheck,
    state: State,
    attempts: usize,
    /// How many times the hub itself has refused.
    refusals: usize,
    ends: Duration,
    last: Option<(ExchangeId, CallError)>,
    outcome: Outcome<()>,
}

#[derive(Debug)]
enum State {
    At(Duration),
    Killing(Call<Json<StopReply>>),
    /// The last resort: an instance that is stopping, and does not, is ended by another stop alone.
    Stopping(Call<Json<StopReply>>),
    /// The state of the instance tells whether a kill was carried out.
    Checking,
}

impl Killer {
    /// Begins at `now`.
    pub(super) fn new(id: InstanceId, now: Duration) -> Self {
        Self {
            status: StatusCheck::at(now, id, Duration::from_millis(200)),
            state: State::At(now),
            attempts: 0,
            refusals: 0,
            ends: now + KILL_LIMIT,
            last: None,
            outcome: None,
        }
    }

    pub(super) fn id(&self) -> &InstanceId {
        self.status.id()
    }

    fn send(&mut self, outbox: &mut Outbox) -> Result<(), RequestError> {
        let (id, limit) = (self.status.id(), Some(ANSWER_LIMIT));
        self.state = if self.refusals < RETRY_DELAYS.len() {
            let options = &KillOptions::new().remove_immediately(true);
            State::Killing(outbox.send(&KillInstance { id, options }, limit)?)
        } else {
            let options = &StopOptions::new(Duration::ZERO);
            State::Stopping(outbox.send(&StopInstance { id, options }, limit)?)
        };
        Ok(())
    }

    fn check(&mut self, now: Duration) {
        self.state = State::Checking;
        self.status.ask_now(now);
    }

    /// Tries again after a delay.
    fn pause(&mut self, now: Duration) {
        let delay = RETRY_DELAYS
            .get(self.attempts)
            .copied()
            .unwrap_or(Duration::from_secs(1));
        self.attempts += 1;
        self.state = State::At(now + delay);
    }

    fn answered(&mut self, now: Duration, id: ExchangeId, error: CallError) {
        if error.is_hubs_not_found() {
            return self.outcome = Some(Ok(()));
        }
        let refused = error.has_status(400);
        self.refusals += usize::from(refused);
        if refused || error.has_status(404) || error.may_be_carried_out() {
            self.last = Some((id, error));
            self.check(now);
        } else if error.may_succeed_later() && self.attempts < RETRY_DELAYS.len() {
            self.last = Some((id, error));
            self.pause(now);
        } else {
            self.outcome = Some(Err(error.of(id)));
        }
    }

    fn found(&mut self, now: Duration, finding: Finding) {
        match finding {
            Finding::Ended(_) => self.outcome = Some(Ok(())),
            Finding::Alive(info) if info.status == Some(InstanceStatus::Killing) => {
                self.outcome = Some(Ok(()));
            }
            Finding::Alive(_) | Finding::Unknown(..) => self.pause(now),
        }
    }
}

impl Part for Killer {
    type Value = ();

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<()> {
        if self.outcome.is_some() {
            return self.outcome.take();
        }
        if self.ends <= now {
            return Some(Err(match self.last.take() {
                Some((id, error)) => error.of(id),
                None => FlowError::TimedOut(KILL_LIMIT),
            }));
        }
        let result = match self.state {
            State::At(time) if time <= now => self.send(outbox),
            State::Checking => self.status.step(outbox, now),
            _ => Ok(()),
        };
        result.err().map(|error| Err(error.into()))
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        match &mut self.state {
            State::At(_) => {}
            State::Checking => {
                if let Some(finding) = self.status.handle(outbox, now, input) {
                    self.found(now, finding);
                }
            }
            State::Killing(call) | State::Stopping(call) => {
                let (id, result) = (call.id, call.value(input));
                match result {
                    None => {}
                    Some(Ok(_)) => self.outcome = Some(Ok(())),
                    Some(Err(error)) => self.answered(now, id, error),
                }
            }
        }
    }

    fn wakes(&self) -> Option<Duration> {
        let next = match &self.state {
            State::At(time) => Some(*time),
            State::Checking => self.status.wakes(),
            State::Killing(_) | State::Stopping(_) => None,
        };
        Some(next.map_or(self.ends, |next| next.min(self.ends)))
    }

    /// Goes on: it is clean-up itself, and bounded.
    fn give_up(&mut self, _: &mut Outbox, _: Duration) {}
}
