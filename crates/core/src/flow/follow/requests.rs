//! The requests and timeouts of a [`StreamFollower`].

use core::time::Duration;

use super::Followed;
use super::follower::{LivenessCheck, NEVER, State, StreamFollower};
use crate::flow::exchange_error::ExchangeError;
use crate::flow::outbox::Outbox;
use crate::flow::sub_flow::SubFlow;
use crate::flow::{FlowError, Input, Outcome};
use crate::{Decode, GetVersion, RequestError};

/// Time without data after which the status of the instance is requested, because most streams stay
/// open when their instance has ended.
pub(super) const INSTANCE_IDLE_LIMIT: Duration = Duration::from_secs(2);

/// Time without data after which the version of the hub is requested. The hub never ends these
/// streams, and a dead connection may stay unnoticed.
const HUB_IDLE_LIMIT: Duration = Duration::from_secs(15);

/// Timeout for the version request.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time after which a stream without a head counts as open. A proxy may withhold the head until the
/// first byte of the body.
const HEAD_TIMEOUT: Duration = Duration::from_secs(1);

impl<D: Decode + 'static> SubFlow for StreamFollower<D> {
    type Output = Followed<D::Item>;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Self::Output> {
        if let Some(next) = self.ready.pop_front() {
            return Some(next);
        }
        if self.cancelled {
            return Some(Err(FlowError::Cancelled));
        }
        if let State::Done = self.state {
            return Some(Ok(Followed::End));
        }
        if let Err(error) = self.send_due_requests(outbox, now) {
            self.fail(error.into());
        }
        // The driver has to send the queued requests first.
        outbox.is_empty().then(|| self.ready.pop_front()).flatten()
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        match &mut self.check {
            LivenessCheck::Instance(status) => {
                if let Some(status) = status.handle(outbox, now, input) {
                    return self.on_status(outbox, now, status);
                }
            }
            LivenessCheck::Hub(version) => {
                if let Some(result) = version.as_mut().and_then(|exchange| exchange.value(input)) {
                    *version = None;
                    return match result {
                        Ok(_) => self.on_alive(now),
                        Err(error) => self.on_check_failed(outbox, now, &error),
                    };
                }
            }
            LivenessCheck::External => {}
        }
        self.handle_stream(now, input);
    }

    fn next_wake(&self) -> Option<Duration> {
        match (&self.state, &self.check) {
            (State::ScheduledAt(time, _) | State::Opening(_, _, time), _) => Some(*time),
            (State::Open(_, last, _), LivenessCheck::Instance(status)) => {
                match status.next_wake() {
                    Some(NEVER) => Some(*last + INSTANCE_IDLE_LIMIT),
                    time => time,
                }
            }
            (State::Open(_, last, _), LivenessCheck::Hub(None)) => Some(*last + HUB_IDLE_LIMIT),
            (State::Open(..), LivenessCheck::Hub(Some(_)) | LivenessCheck::External) => None,
            (State::Ending(_, limit), LivenessCheck::Instance(status)) => {
                Some(status.next_wake().unwrap_or(*limit).min(*limit))
            }
            (State::Ending(_, limit), _) => Some(*limit),
            (State::Ended(_, until), _) => Some(*until),
            (State::Done, _) => None,
        }
    }

    fn cancel(&mut self, _: &mut Outbox, _: Duration) {
        self.cancelled = true;
    }
}

impl<D: Decode + 'static> StreamFollower<D> {
    /// Sends the requests that are due, and handles the timeouts.
    fn send_due_requests(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
    ) -> Result<(), RequestError> {
        match &mut self.state {
            State::ScheduledAt(time, lost) if *time <= now => {
                let mut lost = lost.take();
                if let Some(lost) = &mut lost {
                    lost.attempts += 1;
                    self.reopened = true;
                }
                let exchange = (self.open)(outbox, self.reopened)?;
                self.state = State::Opening(exchange, lost, now + HEAD_TIMEOUT);
            }
            State::Opening(_, _, limit) if *limit <= now => self.on_open(now, false),
            State::Open(_, last, _) => {
                let last = *last;
                self.check_if_idle(outbox, now, last)?;
            }
            State::Ending(id, limit) if *limit <= now => {
                let id = *id;
                self.on_connection_lost(now, ExchangeError::connection_lost(id));
            }
            State::Ended(exchange, until) if *until <= now => {
                if let Some(exchange) = exchange {
                    outbox.abort(exchange);
                }
                self.end(now);
            }
            _ => {}
        }
        let needs_status = matches!(self.state, State::Ending(..) | State::Open(..));
        match &mut self.check {
            LivenessCheck::Instance(status) if needs_status => status.step(outbox, now),
            _ => Ok(()),
        }
    }

    fn check_if_idle(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        last: Duration,
    ) -> Result<(), RequestError> {
        match &mut self.check {
            LivenessCheck::Instance(status)
                if last + INSTANCE_IDLE_LIMIT <= now && status.next_wake() == Some(NEVER) =>
            {
                status.schedule(now);
            }
            LivenessCheck::Hub(version @ None) if last + HUB_IDLE_LIMIT <= now => {
                *version = Some(outbox.send(&GetVersion, Some(RESPONSE_TIMEOUT))?);
            }
            _ => {}
        }
        Ok(())
    }
}
