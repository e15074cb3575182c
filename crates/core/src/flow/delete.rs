//! Deleting a sequence together with its instances.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::exchange::OpenExchange;
use super::exchange_error::ExchangeError;
use super::kill::Killer;
use super::outage::{OutageTolerance, OutageTracker};
use super::outbox::Outbox;
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{ExchangeId, FlowError, Input, Outcome};
use crate::{
    DeleteSequence, Discard, Endpoint, InstanceId, Json, ListSequenceInstances, Operation,
    RequestError, SequenceId,
};

/// How long the hub has to answer one request.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the hub has to take over what is left when the caller gives up.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// The time that a deletion that is handed over has to reach the hub, if that is near.
const MIN_DELIVERY_TIME: Duration = Duration::from_millis(50);

const FIRST_DELAY: Duration = Duration::from_millis(20);
const MAX_DELAY: Duration = Duration::from_secs(1);

flow! {
    /// Kills the instances of a sequence, and deletes it as soon as the hub allows that: at once on
    /// 0.18, and 15 seconds after the end of its instances on 1.x.
    ///
    /// The deletion by force that hubs have since 0.34.4 (`X-Seq-Kill-Inst`) takes as long, but 195
    /// seconds if an instance was killed just before, and it overlooks instances that run beside one
    /// that ended long ago. It is used if the caller gives up, or wants to
    /// [hand over](DeleteByForce::hand_over): the hub goes on with it.
    DeleteByForce(Deletion) -> Deleted
}

/// The state of a sequence after its deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// Its instances are killed, and the hub removes it without the client: 16 seconds later, or 195
    /// if an instance was killed by somebody who did not ask for its removal.
    HandedOver,
}

impl DeleteByForce {
    /// Deletes a sequence.
    ///
    /// # Errors
    /// The version of the hub is not known.
    pub fn new(endpoint: Endpoint, id: SequenceId) -> Result<Self, RequestError> {
        let forces = endpoint
            .known_dialect(DeleteSequence::NAME)?
            .supports_force_delete();
        // 0.18 removes a process that does not react 11 seconds after it was killed; 1.x after 15,
        // and keeps the instance 15 seconds more.
        let limit = Duration::from_secs(if forces { 50 } else { 20 });
        let deletion = Deletion {
            id,
            supports_force: forces,
            state: State::ScheduledAt(Duration::ZERO),
            delay: FIRST_DELAY,
            killed: BTreeSet::new(),
            hand_over: false,
            forcing: false,
            sent_at: Duration::ZERO,
            delivery_time: MIN_DELIVERY_TIME,
            may_be_deleted: false,
            deadline: limit,
            conflict: None,
            outage: OutageTracker::new(OutageTolerance {
                max_outage: Some(limit),
                ..OutageTolerance::new()
            }),
            cancelled: false,
            outcome: None,
        };
        Ok(Self(RootFlow::new(endpoint, deletion)))
    }

    /// Leaves the deletion to the hub once the instances are killed, if it has to wait for their end
    /// and can: hubs since 0.34.4 go on with a deletion by force if its connection is closed.
    #[must_use]
    pub fn hand_over(mut self) -> Self {
        self.0.sub_flow.hand_over = self.0.sub_flow.supports_force;
        self
    }
}

#[derive(Debug)]
struct Deletion {
    id: SequenceId,
    /// The hub can delete by force.
    supports_force: bool,
    state: State,
    delay: Duration,
    killed: BTreeSet<InstanceId>,
    /// The deletion is left to the hub if it takes longer.
    hand_over: bool,
    /// The next deletion, or the one under way, is left to the hub.
    forcing: bool,
    /// The time of the last deletion that was sent.
    sent_at: Duration,
    /// The time that a deletion that is left to the hub may be on its way.
    delivery_time: Duration,
    /// A deletion may have been carried out.
    may_be_deleted: bool,
    deadline: Duration,
    /// The last refusal because of instances.
    conflict: Option<FlowError>,
    outage: OutageTracker,
    cancelled: bool,
    outcome: Outcome<Deleted>,
}

#[derive(Debug)]
enum State {
    /// The next round begins then.
    ScheduledAt(Duration),
    Listing(OpenExchange<Json<Vec<InstanceId>>>),
    Killing(Vec<Killer>),
    Deleting(OpenExchange<Discard>),
}

impl Deletion {
    fn send(&mut self, outbox: &mut Outbox, now: Duration) -> Result<(), RequestError> {
        match self.state {
            State::ScheduledAt(time) if time <= now => {}
            _ => return Ok(()),
        }
        let id = &self.id;
        self.state = if self.forcing {
            self.sent_at = now;
            let delete = DeleteSequence { id, force: true };
            State::Deleting(outbox.send(&delete, Some(self.delivery_time))?)
        } else {
            let list = ListSequenceInstances { id };
            State::Listing(outbox.send(&list, Some(RESPONSE_TIMEOUT))?)
        };
        Ok(())
    }

    fn delete(&mut self, outbox: &mut Outbox, now: Duration) -> Result<(), RequestError> {
        let delete = DeleteSequence {
            id: &self.id,
            force: false,
        };
        self.sent_at = now;
        self.state = State::Deleting(outbox.send(&delete, Some(RESPONSE_TIMEOUT))?);
        Ok(())
    }

    fn on_delete_result(
        &mut self,
        now: Duration,
        id: ExchangeId,
        result: Result<(), ExchangeError>,
    ) {
        let handed_over = core::mem::take(&mut self.forcing);
        // If the connection was lost before, the hub may not have got it: nobody would delete the
        // sequence.
        let delivered = handed_over && now.saturating_sub(self.sent_at) >= self.delivery_time;
        match result {
            Ok(()) => self.outcome = Some(Ok(Deleted::Gone)),
            Err(error) if delivered && error.may_have_been_processed() => {
                self.outcome = Some(Ok(Deleted::HandedOver));
            }
            Err(error) if error.has_status(409) => {
                self.conflict = Some(error.into_flow_error(id));
                self.forcing = self.hand_over && !handed_over;
                if self.forcing {
                    // A connection that has to be made first takes several times as long.
                    let answered_in = now.saturating_sub(self.sent_at);
                    self.delivery_time =
                        (answered_in * 5).clamp(MIN_DELIVERY_TIME, RESPONSE_TIMEOUT);
                    self.state = State::ScheduledAt(now);
                } else {
                    self.state = State::ScheduledAt(now + self.delay);
                    self.delay = (self.delay * 2).min(MAX_DELAY);
                }
            }
            Err(error) => {
                self.may_be_deleted |= error.may_have_been_processed();
                self.on_error(now, id, error);
            }
        }
    }

    fn on_error(&mut self, now: Duration, id: ExchangeId, error: ExchangeError) {
        if error.is_not_found_from_hub() {
            // An earlier attempt may have worked without an answer.
            let gone = if self.may_be_deleted {
                Ok(Deleted::Gone)
            } else {
                Err(error.into_flow_error(id))
            };
            return self.outcome = Some(gone);
        }
        let passes = error.is_transient() || error.has_status(404);
        match if passes {
            self.outage.request_failed(now)
        } else {
            None
        } {
            Some(delay) => self.state = State::ScheduledAt(now + delay),
            None => self.outcome = Some(Err(error.into_flow_error(id))),
        }
    }

    fn on_instances(&mut self, now: Duration, ids: Vec<InstanceId>) {
        self.outage.request_answered();
        let killers = ids.into_iter().filter(|id| !self.killed.contains(id));
        self.state = State::Killing(killers.map(|id| Killer::new(id, now)).collect());
    }
}

impl SubFlow for Deletion {
    type Output = Deleted;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Deleted> {
        if self.outcome.is_some() {
            return self.outcome.take();
        }
        if self.deadline <= now {
            let timed_out = FlowError::TimedOut(self.deadline);
            let error = if self.cancelled {
                FlowError::Cancelled
            } else {
                timed_out
            };
            let conflict = self.conflict.take().filter(|_| !self.cancelled);
            return Some(Err(conflict.unwrap_or(error)));
        }
        if let Err(error) = self.send(outbox, now) {
            return Some(Err(error.into()));
        }
        if let State::Killing(killers) = &mut self.state {
            let mut left = Vec::new();
            for mut killer in core::mem::take(killers) {
                match killer.step(outbox, now) {
                    None => left.push(killer),
                    Some(Ok(())) => drop(self.killed.insert(killer.id().clone())),
                    Some(Err(error)) => return Some(Err(error)),
                }
            }
            *killers = left;
            if killers.is_empty() {
                if let Err(error) = self.delete(outbox, now) {
                    return Some(Err(error.into()));
                }
            }
        }
        None
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        match &mut self.state {
            State::ScheduledAt(_) => {}
            State::Deleting(call) => {
                let id = call.id;
                if let Some(result) = call.value(input) {
                    self.on_delete_result(now, id, result);
                }
            }
            State::Listing(call) => {
                let id = call.id;
                match call.value(input) {
                    None => {}
                    Some(Ok(ids)) => self.on_instances(now, ids),
                    Some(Err(error)) => self.on_error(now, id, error),
                }
            }
            State::Killing(killers) => {
                killers
                    .iter_mut()
                    .for_each(|killer| killer.handle(outbox, now, input));
            }
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        let next = match &self.state {
            State::ScheduledAt(time) => Some(*time),
            State::Deleting(_) | State::Listing(_) => None,
            State::Killing(killers) => killers.iter().filter_map(SubFlow::next_wake).min(),
        };
        next.into_iter().chain([self.deadline]).min()
    }

    fn cancel(&mut self, outbox: &mut Outbox, now: Duration) {
        if core::mem::replace(&mut self.cancelled, true) || self.outcome.is_some() {
            return;
        }
        self.deadline = self.deadline.min(now + CANCEL_TIMEOUT);
        // One that is under way may be carried out before the next.
        self.may_be_deleted |= matches!(self.state, State::Deleting(_));
        if self.supports_force {
            let delete = DeleteSequence {
                id: &self.id,
                force: true,
            };
            match outbox.send(&delete, Some(CANCEL_TIMEOUT)) {
                Ok(call) => self.state = State::Deleting(call),
                Err(error) => self.outcome = Some(Err(error.into())),
            }
        }
    }
}
