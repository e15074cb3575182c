//! Deletes a sequence together with its instances.

use alloc::vec::Vec;
use core::time::Duration;

use super::exchange::OpenExchange;
use super::exchange_error::ExchangeError;
use super::kill::Killer;
use super::outage::{OutageTolerance, OutageTracker};
use super::outbox::Outbox;
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{FlowError, Input, Outcome};
use crate::{
    DeleteSequence, Discard, Endpoint, InstanceId, Json, ListSequenceInstances, Operation,
    RequestError, SequenceId,
};

/// Timeout for one request.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout for the forced deletion that is sent when the caller cancels.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// Lower bound for the time until the connection of a handed-over deletion is closed. The deletion
/// must reach the hub in this time.
const MIN_DELIVERY_TIME: Duration = Duration::from_millis(50);

const FIRST_DELAY: Duration = Duration::from_millis(20);
const MAX_DELAY: Duration = Duration::from_secs(1);

flow! {
    /// Kills the instances of a sequence and deletes the sequence.
    ///
    /// A hub of 0.18 allows the deletion at once, a hub of 1.x 15 seconds after the last instance
    /// has ended. Until then, the flow retries. It fails with the hub's `409` after 50 seconds, on
    /// hubs before 0.34.4 after 20 seconds.
    ///
    /// Hubs since 0.34.4 also have a forced deletion (`X-Seq-Kill-Inst`), which continues even if
    /// the client disconnects. The flow uses it only if it is cancelled or asked to
    /// [hand over](DeleteByForce::hand_over), because it has two problems. It takes 195 seconds if
    /// an instance was killed shortly before. It does not kill the running instances if another
    /// instance of the sequence ended more than 15 seconds ago.
    DeleteByForce(Deletion) -> Deleted
}

/// The result of [`DeleteByForce`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The sequence no longer exists.
    Gone,
    /// The instances are killed, and the hub deletes the sequence without the client.
    ///
    /// This takes 16 seconds, or 195 if another client killed an instance without
    /// `removeImmediately`.
    HandedOver,
}

impl DeleteByForce {
    /// Deletes the sequence `id`.
    ///
    /// # Errors
    /// [`RequestError::DialectUnknown`] if the version of the hub is not known.
    pub fn new(endpoint: Endpoint, id: SequenceId) -> Result<Self, RequestError> {
        let supports_force = endpoint
            .known_dialect(DeleteSequence::NAME)?
            .supports_force_delete();
        // A hub of 0.18 kills an unresponsive process by force after 11 seconds. A hub of 1.x does
        // so after 15 seconds, and the instance blocks the deletion for 15 more.
        let deadline = Duration::from_secs(if supports_force { 50 } else { 20 });
        let deletion = Deletion {
            id,
            supports_force,
            state: State::ScheduledAt(Duration::ZERO),
            delay: FIRST_DELAY,
            killed: Vec::new(),
            hand_over: false,
            forcing: false,
            sent_at: Duration::ZERO,
            delivery_time: MIN_DELIVERY_TIME,
            may_be_deleted: false,
            deadline,
            conflict: None,
            outage: OutageTracker::new(OutageTolerance {
                max_outage: Some(deadline),
                ..OutageTolerance::new()
            }),
            cancelled: false,
            outcome: None,
        };
        Ok(Self(RootFlow::new(endpoint, deletion)))
    }

    /// Leaves the deletion to the hub if the hub still refuses it after the instances were killed.
    ///
    /// The flow then sends a forced deletion, closes the connection and returns
    /// [`Deleted::HandedOver`]. This has no effect on hubs before 0.34.4.
    #[must_use]
    pub fn hand_over(mut self) -> Self {
        self.0.sub_flow.hand_over = self.0.sub_flow.supports_force;
        self
    }
}

#[derive(Debug)]
struct Deletion {
    id: SequenceId,
    supports_force: bool,
    state: State,
    delay: Duration,
    killed: Vec<InstanceId>,
    hand_over: bool,
    /// `true` if the next deletion, or the one in progress, is a forced one (`X-Seq-Kill-Inst`).
    forcing: bool,
    /// The time at which the last deletion was sent.
    sent_at: Duration,
    /// Time after which the connection of a handed-over deletion is closed.
    delivery_time: Duration,
    /// The hub may have processed a deletion whose response was lost.
    may_be_deleted: bool,
    deadline: Duration,
    /// The last `409`: the hub refused the deletion because of the instances.
    conflict: Option<FlowError>,
    outage: OutageTracker,
    cancelled: bool,
    outcome: Outcome<Deleted>,
}

#[derive(Debug)]
enum State {
    /// The next attempt starts at this time.
    ScheduledAt(Duration),
    Listing(OpenExchange<Json<Vec<InstanceId>>>),
    Killing(Vec<Killer>),
    Deleting(OpenExchange<Discard>),
}

impl Deletion {
    /// Starts the next attempt if it is due.
    fn send(&mut self, outbox: &mut Outbox, now: Duration) -> Result<(), RequestError> {
        match self.state {
            State::ScheduledAt(time) if time <= now => {}
            _ => return Ok(()),
        }
        if self.forcing {
            return self.delete(outbox, now);
        }
        let list = ListSequenceInstances { id: &self.id };
        self.state = State::Listing(outbox.send(&list, Some(RESPONSE_TIMEOUT))?);
        Ok(())
    }

    fn delete(&mut self, outbox: &mut Outbox, now: Duration) -> Result<(), RequestError> {
        let (id, force) = (&self.id, self.forcing);
        let timeout = if force {
            self.delivery_time
        } else {
            RESPONSE_TIMEOUT
        };
        self.sent_at = now;
        let delete = DeleteSequence { id, force };
        self.state = State::Deleting(outbox.send(&delete, Some(timeout))?);
        Ok(())
    }

    fn on_delete_result(&mut self, now: Duration, result: Result<(), ExchangeError>) {
        let handed_over = core::mem::take(&mut self.forcing);
        // If the connection was lost earlier, the deletion may not have reached the hub.
        let delivered = handed_over && now.saturating_sub(self.sent_at) >= self.delivery_time;
        match result {
            Ok(()) => self.outcome = Some(Ok(Deleted::Gone)),
            Err(error) if delivered && error.may_have_been_processed() => {
                self.outcome = Some(Ok(Deleted::HandedOver));
            }
            Err(error) if error.has_status(409) => {
                self.conflict = Some(error.into());
                self.forcing = self.hand_over && !handed_over;
                if self.forcing {
                    // A new connection takes several round trips, so allow five times the duration
                    // of this exchange.
                    let round_trip = now.saturating_sub(self.sent_at);
                    self.delivery_time =
                        (round_trip * 5).clamp(MIN_DELIVERY_TIME, RESPONSE_TIMEOUT);
                    self.state = State::ScheduledAt(now);
                } else {
                    self.state = State::ScheduledAt(now + self.delay);
                    self.delay = (self.delay * 2).min(MAX_DELAY);
                }
            }
            Err(error) => {
                self.may_be_deleted |= error.may_have_been_processed();
                self.on_error(now, error);
            }
        }
    }

    fn on_error(&mut self, now: Duration, error: ExchangeError) {
        if error.is_not_found_from_hub() {
            // An earlier attempt may have succeeded although its response was lost.
            let gone = self.may_be_deleted.then_some(Deleted::Gone);
            return self.outcome = Some(gone.ok_or_else(|| error.into()));
        }
        let transient = error.is_transient() || error.has_status(404);
        let delay = transient.then(|| self.outage.request_failed(now)).flatten();
        match delay {
            Some(delay) => self.state = State::ScheduledAt(now + delay),
            None => self.outcome = Some(Err(error.into())),
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
            return Some(Err(match self.conflict.take() {
                _ if self.cancelled => FlowError::Cancelled,
                Some(conflict) => conflict,
                None => FlowError::TimedOut(self.deadline),
            }));
        }
        if let Err(error) = self.send(outbox, now) {
            return Some(Err(error.into()));
        }
        if let State::Killing(killers) = &mut self.state {
            let mut left = Vec::new();
            for mut killer in core::mem::take(killers) {
                match killer.step(outbox, now) {
                    None => left.push(killer),
                    Some(Ok(())) => self.killed.push(killer.id().clone()),
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
            State::Deleting(exchange) => {
                if let Some(result) = exchange.value(input) {
                    self.on_delete_result(now, result);
                }
            }
            State::Listing(exchange) => match exchange.value(input) {
                None => {}
                Some(Ok(ids)) => self.on_instances(now, ids),
                Some(Err(error)) => self.on_error(now, error),
            },
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
        // The hub may process the deletion in progress before the forced one.
        self.may_be_deleted |= matches!(self.state, State::Deleting(_));
        if self.supports_force {
            let delete = DeleteSequence {
                id: &self.id,
                force: true,
            };
            match outbox.send(&delete, Some(CANCEL_TIMEOUT)) {
                Ok(exchange) => self.state = State::Deleting(exchange),
                Err(error) => self.outcome = Some(Err(error.into())),
            }
        }
    }
}
