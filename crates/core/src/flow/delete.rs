//! Deleting a sequence together with its instances.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::call::{Call, CallError, Outbox, Part, Whole, flow};
use super::kill::Killer;
use super::outage::{Outage, Patience};
use super::{ExchangeId, FlowError, Input, Outcome};
use crate::{
    DeleteSequence, Discard, Endpoint, InstanceId, Json, ListSequenceInstances, RequestError,
    SequenceId,
};

/// How long the hub has to answer one request.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A forced deletion takes 15.5 seconds. It takes 195 if an instance was killed just before.
const FORCED_LIMIT: Duration = Duration::from_millis(16_250);

/// How long clean-up goes on after the caller has given up.
const GIVEN_UP_LIMIT: Duration = Duration::from_secs(1);

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

flow! {
    /// Deletes a sequence, and kills its instances before.
    ///
    /// A hub since 0.34.4 is asked to do so (`X-Seq-Kill-Inst`), which takes 16 seconds if instances
    /// run. If it does not come to an end by then, and on older hubs, it is done step by step: kill
    /// what runs, and delete the sequence as soon as the hub allows it. The hub goes on with a forced
    /// deletion if the caller gives up.
    DeleteByForce(Deletion) -> ()
}

impl DeleteByForce {
    /// Deletes a sequence.
    ///
    /// # Errors
    /// The version of the hub is not known.
    pub fn new(endpoint: Endpoint, id: SequenceId) -> Result<Self, RequestError> {
        let forces = endpoint
            .known_dialect("delete by force")?
            .deletes_by_force();
        // 0.18 removes a process that does not react 11 seconds after it was killed; 1.x after 15,
        // and keeps the instance 15 seconds more.
        let limit = Duration::from_secs(if forces { 50 } else { 20 });
        let deletion = Deletion {
            id,
            forces,
            forced: None,
            state: if forces {
                State::At(FORCED_LIMIT)
            } else {
                State::At(Duration::ZERO)
            },
            pause: FIRST_PAUSE,
            killed: BTreeSet::new(),
            sent: false,
            limit,
            conflict: None,
            outage: Outage::new(Patience {
                outage: Some(limit),
                ..Patience::new()
            }),
            given_up: false,
            outcome: None,
        };
        Ok(Self(Whole::new(endpoint, deletion)))
    }
}

#[derive(Debug)]
struct Deletion {
    id: SequenceId,
    /// The hub can delete by force, and is asked to.
    forces: bool,
    forced: Option<Call<Discard>>,
    state: State,
    pause: Duration,
    killed: BTreeSet<InstanceId>,
    /// A deletion that may have been carried out.
    sent: bool,
    limit: Duration,
    /// The last refusal because of instances.
    conflict: Option<FlowError>,
    outage: Outage,
    given_up: bool,
    outcome: Outcome<()>,
}

/// The way step by step.
#[derive(Debug)]
enum State {
    At(Duration),
    Deleting(Call<Discard>),
    Listing(Call<Json<Vec<InstanceId>>>),
    Killing(Vec<Killer>),
}

impl Deletion {
    fn delete(&mut self, outbox: &mut Outbox, force: bool) -> Result<Call<Discard>, RequestError> {
        let limit = if force { None } else { Some(ANSWER_LIMIT) };
        outbox.send(
            &DeleteSequence {
                id: &self.id,
                force,
            },
            limit,
        )
    }

    fn send(&mut self, outbox: &mut Outbox, now: Duration) -> Result<(), RequestError> {
        if self.forces && self.forced.is_none() {
            // Once: the hub carries it out even if nobody waits for it.
            self.forces = false;
            self.forced = Some(self.delete(outbox, true)?);
        }
        if matches!(self.state, State::At(time) if time <= now) {
            self.state = State::Deleting(self.delete(outbox, false)?);
        }
        Ok(())
    }

    /// A deletion came to this. Whether it was one by force makes no difference.
    fn deleted(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        id: ExchangeId,
        result: Result<(), CallError>,
    ) {
        let error = match result {
            Ok(()) => return self.outcome = Some(Ok(())),
            Err(error) => error,
        };
        if error.is_hubs_not_found() {
            // An earlier attempt may have worked without an answer.
            let gone = if self.sent { Ok(()) } else { Err(error.of(id)) };
            return self.outcome = Some(gone);
        }
        self.sent |= error.may_be_carried_out();
        if error.has_status(409) {
            self.conflict = Some(error.of(id));
            let list = outbox.send(&ListSequenceInstances { id: &self.id }, Some(ANSWER_LIMIT));
            match list {
                Ok(call) => self.state = State::Listing(call),
                Err(error) => self.outcome = Some(Err(error.into())),
            }
            return;
        }
        self.failed(now, id, error);
    }

    fn failed(&mut self, now: Duration, id: ExchangeId, error: CallError) {
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

    fn wait(&mut self, now: Duration) {
        self.state = State::At(now + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

impl Part for Deletion {
    type Value = ();

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<()> {
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
            return Some(Err(self.conflict.take().unwrap_or(error)));
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
                self.wait(now);
            }
        }
        None
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        if let Some(call) = &mut self.forced {
            let id = call.id;
            if let Some(result) = call.value(input) {
                self.forced = None;
                return self.deleted(outbox, now, id, result);
            }
        }
        match &mut self.state {
            State::At(_) => {}
            State::Deleting(call) => {
                let id = call.id;
                if let Some(result) = call.value(input) {
                    self.deleted(outbox, now, id, result);
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

    fn give_up(&mut self, _: &mut Outbox, now: Duration) {
        self.given_up = true;
        self.limit = self.limit.min(now + GIVEN_UP_LIMIT);
    }
}
