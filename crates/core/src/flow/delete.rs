//! Deleting a sequence together with its instances.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::call::{Call, CallError, Outbox, Part, Whole, flow};
use super::kill::Killer;
use super::outage::{Outage, OutageTolerance};
use super::{ExchangeId, FlowError, Input, Outcome};
use crate::{
    DeleteSequence, Discard, Endpoint, InstanceId, Json, ListSequenceInstances, Operation,
    RequestError, SequenceId,
};

/// How long the hub has to answer one request.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long the hub has to take over what is left when the caller gives up.
const HANDOVER_LIMIT: Duration = Duration::from_secs(1);

/// The time that a deletion that is handed over has to reach the hub, if that is near.
const DELIVERY_TIME: Duration = Duration::from_millis(50);

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
            forces,
            state: State::At(Duration::ZERO),
            pause: FIRST_PAUSE,
            killed: BTreeSet::new(),
            hands_over: false,
            handing: false,
            asked: Duration::ZERO,
            delivery: DELIVERY_TIME,
            sent: false,
            limit,
            conflict: None,
            outage: Outage::new(OutageTolerance {
                outage: Some(limit),
                ..OutageTolerance::new()
            }),
            given_up: false,
            outcome: None,
        };
        Ok(Self(Whole::new(endpoint, deletion)))
    }

    /// Leaves the deletion to the hub once the instances are killed, if it has to wait for their end
    /// and can: hubs since 0.34.4 go on with a deletion by force if its connection is closed.
    #[must_use]
    pub fn hand_over(mut self) -> Self {
        self.0.part.hands_over = self.0.part.forces;
        self
    }
}

#[derive(Debug)]
struct Deletion {
    id: SequenceId,
    /// The hub can delete by force.
    forces: bool,
    state: State,
    pause: Duration,
    killed: BTreeSet<InstanceId>,
    /// The deletion is left to the hub if it takes longer.
    hands_over: bool,
    /// The next deletion, or the one under way, is left to the hub.
    handing: bool,
    /// The time of the last deletion that was sent.
    asked: Duration,
    /// The time that a deletion that is left to the hub may be on its way.
    delivery: Duration,
    /// A deletion may have been carried out.
    sent: bool,
    limit: Duration,
    /// The last refusal because of instances.
    conflict: Option<FlowError>,
    outage: Outage,
    given_up: bool,
    outcome: Outcome<Deleted>,
}

#[derive(Debug)]
enum State {
    /// The next round begins then.
    At(Duration),
    Listing(Call<Json<Vec<InstanceId>>>),
    Killing(Vec<Killer>),
    Deleting(Call<Discard>),
}

impl Deletion {
    fn send(&mut self, outbox: &mut Outbox, now: Duration) -> Result<(), RequestError> {
        match self.state {
            State::At(time) if time <= now => {}
            _ => return Ok(()),
        }
        let id = &self.id;
        self.state = if self.handing {
            self.asked = now;
            let delete = DeleteSequence { id, force: true };
            State::Deleting(outbox.send(&delete, Some(self.delivery))?)
        } else {
            let list = ListSequenceInstances { id };
            State::Listing(outbox.send(&list, Some(ANSWER_LIMIT))?)
        };
        Ok(())
    }

    fn delete(&mut self, outbox: &mut Outbox, now: Duration) -> Result<(), RequestError> {
        let delete = DeleteSequence {
            id: &self.id,
            force: false,
        };
        self.asked = now;
        self.state = State::Deleting(outbox.send(&delete, Some(ANSWER_LIMIT))?);
        Ok(())
    }

    fn deleted(&mut self, now: Duration, id: ExchangeId, result: Result<(), CallError>) {
        let handed_over = core::mem::take(&mut self.handing);
        // If the connection was lost before, the hub may not have got it: nobody would delete the
        // sequence.
        let delivered = handed_over && now.saturating_sub(self.asked) >= self.delivery;
        match result {
            Ok(()) => self.outcome = Some(Ok(Deleted::Gone)),
            Err(error) if delivered && error.may_be_carried_out() => {
                self.outcome = Some(Ok(Deleted::HandedOver));
            }
            Err(error) if error.has_status(409) => {
                self.conflict = Some(error.of(id));
                self.handing = self.hands_over && !handed_over;
                if self.handing {
                    // A connection that has to be made first takes several times as long.
                    let answered_in = now.saturating_sub(self.asked);
                    self.delivery = (answered_in * 5).clamp(DELIVERY_TIME, ANSWER_LIMIT);
                    self.state = State::At(now);
                } else {
                    self.state = State::At(now + self.pause);
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
            }
            Err(error) => {
                self.sent |= error.may_be_carried_out();
                self.failed(now, id, error);
            }
        }
    }

    fn failed(&mut self, now: Duration, id: ExchangeId, error: CallError) {
        if error.is_hubs_not_found() {
            // An earlier attempt may have worked without an answer.
            let gone = if self.sent {
                Ok(Deleted::Gone)
            } else {
                Err(error.of(id))
            };
            return self.outcome = Some(gone);
        }
        let passes = error.may_succeed_later() || error.has_status(404);
        match if passes {
            self.outage.goes_on(now)
        } else {
            None
        } {
            Some(delay) => self.state = State::At(now + delay),
            None => self.outcome = Some(Err(error.of(id))),
        }
    }

    fn listed(&mut self, now: Duration, ids: Vec<InstanceId>) {
        self.outage.is_over();
        let killers = ids.into_iter().filter(|id| !self.killed.contains(id));
        self.state = State::Killing(killers.map(|id| Killer::new(id, now)).collect());
    }
}

impl Part for Deletion {
    type Value = Deleted;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Deleted> {
        if self.outcome.is_some() {
            return self.outcome.take();
        }
        if self.limit <= now {
            let timed_out = FlowError::TimedOut(self.limit);
            let error = if self.given_up {
                FlowError::GivenUp
            } else {
                timed_out
            };
            let conflict = self.conflict.take().filter(|_| !self.given_up);
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
            State::At(_) => {}
            State::Deleting(call) => {
                let id = call.id;
                if let Some(result) = call.value(input) {
                    self.deleted(now, id, result);
                }
            }
            State::Listing(call) => {
                let id = call.id;
                match call.value(input) {
                    None => {}
                    Some(Ok(ids)) => self.listed(now, ids),
                    Some(Err(error)) => self.failed(now, id, error),
                }
            }
            State::Killing(killers) => {
                killers
                    .iter_mut()
                    .for_each(|killer| killer.handle(outbox, now, input));
            }
        }
    }

    fn wakes(&self) -> Option<Duration> {
        let next = match &self.state {
            State::At(time) => Some(*time),
            State::Deleting(_) | State::Listing(_) => None,
            State::Killing(killers) => killers.iter().filter_map(Part::wakes).min(),
        };
        next.into_iter().chain([self.limit]).min()
    }

    fn give_up(&mut self, outbox: &mut Outbox, now: Duration) {
        if core::mem::replace(&mut self.given_up, true) || self.outcome.is_some() {
            return;
        }
        self.limit = self.limit.min(now + HANDOVER_LIMIT);
        // One that is under way may be carried out before the next.
        self.sent |= matches!(self.state, State::Deleting(_));
        if self.forces {
            let delete = DeleteSequence {
                id: &self.id,
                force: true,
            };
            match outbox.send(&delete, Some(HANDOVER_LIMIT)) {
                Ok(call) => self.state = State::Deleting(call),
                Err(error) => self.outcome = Some(Err(error.into())),
            }
        }
    }
}
