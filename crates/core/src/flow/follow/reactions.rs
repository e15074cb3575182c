//! The reactions of a [`StreamFollower`] to data, errors and the end of the instance.

use core::time::Duration;

use super::follower::{GRACE_PERIOD, LivenessCheck, LostConnection, NEVER, State, StreamFollower};
use super::{Followed, Subject};
use crate::Decode;
use crate::flow::exchange::ExchangeEvent;
use crate::flow::exchange_error::ExchangeError;
use crate::flow::outbox::Outbox;
use crate::flow::status::StatusResult;
use crate::flow::{ExchangeId, FlowError, Input};

/// Maximum number of times that a stream without a response is opened again after the end of its
/// instance.
const MAX_REOPENS: u32 = 5;

/// Upper bound for the time between the end of a stream and the moment at which the hub shows the
/// end of the instance.
const END_TIMEOUT: Duration = Duration::from_secs(3);

impl<D: Decode + 'static> StreamFollower<D> {
    /// Ends with an error.
    pub(super) fn fail(&mut self, error: FlowError) {
        self.ready.push_back(Err(error));
        self.state = State::Done;
    }

    /// Ends without an error. Reports a pending gap first.
    pub(super) fn end(&mut self, now: Duration) {
        let lost = match core::mem::replace(&mut self.state, State::Done) {
            State::ScheduledAt(_, lost) | State::Opening(_, lost, _) => lost,
            _ => self.gap.take(),
        };
        self.push_gap(now, lost);
        self.ready.push_back(Ok(Followed::End));
    }

    fn push_gap(&mut self, now: Duration, lost: Option<LostConnection>) {
        let instance = self.subject.instance();
        let gap = lost.map(|lost| Followed::Gap {
            instance: instance.cloned(),
            error: lost.error,
            attempts: lost.attempts,
            lasted: now.saturating_sub(lost.since),
        });
        self.ready.extend(gap.map(Ok));
    }

    /// Handles the head of the stream, or its absence after the timeout.
    pub(super) fn on_open(&mut self, now: Duration, has_head: bool) {
        if !core::mem::replace(&mut self.was_opened, true) {
            self.ready.push_back(Ok(Followed::Opened));
        }
        match core::mem::replace(&mut self.state, State::Done) {
            State::Opening(exchange, lost, _) => {
                self.gap = lost;
                self.state = State::Open(exchange, now, has_head);
            }
            State::Open(exchange, last, before) => {
                self.state = State::Open(exchange, last, before || has_head);
            }
            state => self.state = state,
        }
        if has_head {
            self.outage.request_answered();
            let gap = self.gap.take();
            self.push_gap(now, gap);
        }
    }

    /// Handles a lost connection, and a stream that could not be opened.
    pub(super) fn on_connection_lost(&mut self, now: Duration, error: ExchangeError) {
        let instance_is_gone = error.is_not_found_from_hub();
        let state = core::mem::replace(&mut self.state, State::Done);
        if let State::Ended(_, until) = state {
            self.state = State::Ended(None, until);
            return;
        }
        // A gateway that cannot reach the hub may answer `404`.
        let transient = error.is_transient() || (error.has_status(404) && !instance_is_gone);
        let lost = match state {
            State::ScheduledAt(_, lost) | State::Opening(_, lost, _) => lost,
            _ => self.gap.take(),
        };
        let existed = self.reopened || self.instance_is_known;
        if instance_is_gone && existed && self.subject.instance().is_some() {
            // Its last items can no longer be read.
            let lost = lost.unwrap_or(LostConnection {
                error: error.into(),
                since: now,
                attempts: 1,
            });
            self.state = State::ScheduledAt(NEVER, Some(lost));
            return self.end(now);
        }
        // Fail at once if the stream has never been open.
        let retry = transient && self.was_opened;
        let delay = retry.then(|| self.outage.request_failed(now)).flatten();
        match delay {
            None => self.fail(error.into()),
            Some(delay) => {
                let lost = lost.unwrap_or(LostConnection {
                    error: error.into(),
                    since: now,
                    attempts: 0,
                });
                self.state = State::ScheduledAt(now + delay, Some(lost));
            }
        }
    }

    /// Handles the result of a status request.
    pub(super) fn on_status(&mut self, outbox: &mut Outbox, now: Duration, status: StatusResult) {
        match status {
            StatusResult::Alive(_) => self.on_alive(now),
            StatusResult::Ended(_) => self.on_instance_ended(outbox, now),
            StatusResult::Unknown(error) => self.on_check_failed(outbox, now, &error),
        }
        if let (LivenessCheck::Instance(status), State::Open(..)) = (&mut self.check, &self.state) {
            status.schedule(NEVER);
        }
    }

    /// Restarts the idle time after a successful check.
    pub(in crate::flow) fn on_alive(&mut self, now: Duration) {
        if let State::Open(_, last, _) = &mut self.state {
            *last = now;
        }
    }

    /// Handles the end of the instance.
    pub(in crate::flow) fn on_instance_ended(&mut self, outbox: &mut Outbox, now: Duration) {
        let state = core::mem::replace(&mut self.state, State::Done);
        self.state = match state {
            // Without a head, the connection may be dead.
            State::Open(exchange, last, false) if self.reopens < MAX_REOPENS => {
                self.reopens += 1;
                let id = exchange.id;
                outbox.abort(&exchange);
                self.state = State::Open(exchange, last, false);
                return self.on_connection_lost(now, ExchangeError::connection_lost(id));
            }
            State::Open(exchange, ..) => State::Ended(Some(exchange), now + GRACE_PERIOD),
            State::Ending(..) => State::Ended(None, now),
            // The list of instances shows that there is no log to open.
            State::ScheduledAt(_, lost) if matches!(self.check, LivenessCheck::External) => {
                self.state = State::ScheduledAt(NEVER, lost);
                return self.end(now);
            }
            // The stream that is about to be opened has the last items.
            state => state,
        };
    }

    /// Handles a failed check. The connection of the stream is probably dead, too.
    pub(in crate::flow) fn on_check_failed(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        error: &ExchangeError,
    ) {
        if let State::Open(exchange, last, _) = &mut self.state {
            *last = now;
            if error.is_transient() {
                let id = exchange.id;
                outbox.abort(exchange);
                self.on_connection_lost(now, ExchangeError::connection_lost(id));
            }
        }
    }

    pub(super) fn handle_stream(&mut self, now: Duration, input: &Input<'_>) {
        let (State::Opening(exchange, ..)
        | State::Open(exchange, ..)
        | State::Ended(Some(exchange), _)) = &mut self.state
        else {
            return;
        };
        let id = exchange.id;
        if input.id() != id {
            return;
        }
        for event in exchange.handle(input) {
            match event {
                ExchangeEvent::Success => self.on_open(now, true),
                ExchangeEvent::Item(item) => {
                    self.on_open(now, true);
                    let reopened = self.reopened;
                    let new = self
                        .deduplicator
                        .as_mut()
                        .is_none_or(|seen| seen.is_new(&item, reopened));
                    if new {
                        self.ready.push_back(Ok(Followed::Item(item)));
                    }
                }
                ExchangeEvent::BadItem(error) => {
                    self.ready.push_back(Err(FlowError::Reply(id, error)))
                }
                ExchangeEvent::End => self.on_stream_end(now, id),
                ExchangeEvent::Error(error) => self.on_connection_lost(now, error),
            }
        }
        if let State::Open(_, last, _) = &mut self.state {
            *last = now;
        }
    }

    fn on_stream_end(&mut self, now: Duration, id: ExchangeId) {
        match (&self.subject, &mut self.check) {
            (Subject::Topic(..), _) => return self.end(now),
            (_, LivenessCheck::Hub(_)) => {
                return self.on_connection_lost(now, ExchangeError::connection_lost(id));
            }
            (_, LivenessCheck::Instance(status)) => status.schedule(now),
            (_, LivenessCheck::External) => {}
        }
        self.state = State::Ending(id, now + END_TIMEOUT);
    }
}
