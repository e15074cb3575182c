//! Polls the status of an instance.

use alloc::boxed::Box;
use core::time::Duration;

use super::exchange::OpenExchange;
use super::exchange_error::ExchangeError;
use super::outage::{OutageTolerance, OutageTracker};
use super::outbox::Outbox;
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{FlowError, Input, Outcome};
use crate::{
    Ended, Endpoint, GetInstance, GetVersion, HubVersion, InstanceId, InstanceInfo, Json,
    RequestError,
};

/// Upper bound for the time between two requests, and so for the delay until an end is noticed.
const MAX_INTERVAL: Duration = Duration::from_secs(2);

/// Timeout for one request. A hub of 0.18 does not answer while the instance is still starting.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The result of one status request.
#[derive(Debug)]
pub(super) enum StatusResult {
    Alive(Box<InstanceInfo>),
    Ended(Ended),
    /// This exchange failed or was refused, so the status is not known.
    Unknown(ExchangeError),
}

/// Requests `GET instance/:id` at growing intervals.
///
/// A gateway that cannot reach the hub may answer `404`, too. So a `404` means the end of the
/// instance only if the response shows that the hub itself sent it, or if it comes
/// [`UNCONFIRMED_LIMIT`] times in a row while the hub answers `GET version`.
#[derive(Debug)]
pub(super) struct StatusCheck {
    id: InstanceId,
    state: State,
    next: Duration,
    interval: Duration,
    max_interval: Duration,
    /// The number of consecutive `404`s of unknown origin during which the hub was reachable.
    unconfirmed: u32,
}

/// The number of consecutive `404`s of unknown origin that count as sent by the hub.
const UNCONFIRMED_LIMIT: u32 = 4;

/// The interval between requests after a `404` of unknown origin.
const UNCONFIRMED_INTERVAL: Duration = Duration::from_millis(250);

#[derive(Debug)]
enum State {
    Idle,
    Requesting(OpenExchange<Json<InstanceInfo>>),
    /// Requests the version after a `404` of unknown origin, to see if the hub is reachable.
    Confirming(OpenExchange<Json<HubVersion>>),
}

impl StatusCheck {
    /// Creates a check that sends the first request at `next`, and the second one at least
    /// `interval` after the response. The interval then doubles up to [`MAX_INTERVAL`].
    pub(super) fn new(next: Duration, id: InstanceId, interval: Duration) -> Self {
        Self {
            id,
            state: State::Idle,
            next,
            interval,
            max_interval: MAX_INTERVAL,
            unconfirmed: 0,
        }
    }

    /// Keeps the interval constant.
    pub(super) fn at_fixed_interval(self) -> Self {
        Self {
            max_interval: self.interval,
            ..self
        }
    }

    pub(super) fn id(&self) -> &InstanceId {
        &self.id
    }

    /// Sets the time of the next request.
    pub(super) fn schedule(&mut self, at: Duration) {
        self.next = at;
    }

    /// Sends the next request if it is due.
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

    /// Returns the time of the next request, or `None` while one is open.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        matches!(self.state, State::Idle).then_some(self.next)
    }

    /// Aborts the open request, if there is one.
    pub(super) fn abort(&mut self, outbox: &mut Outbox) {
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Idle => {}
            State::Requesting(exchange) => outbox.abort(&exchange),
            State::Confirming(exchange) => outbox.abort(&exchange),
        }
    }

    pub(super) fn handle(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        input: &Input<'_>,
    ) -> Option<StatusResult> {
        let response = match &mut self.state {
            State::Idle => return None,
            State::Requesting(exchange) => exchange.value(input)?,
            State::Confirming(exchange) => {
                let error = exchange.value(input)?.err();
                return self.on_version_response(now, error);
            }
        };
        let result = match response {
            Ok(info) => match Ended::of(info) {
                Ok(ended) => StatusResult::Ended(ended),
                Err(info) => StatusResult::Alive(info),
            },
            Err(error) if error.is_not_found_from_hub() => {
                StatusResult::Ended(Ended::gone(&self.id))
            }
            Err(error) if error.has_status(404) => {
                let exchange = outbox.send(&GetVersion, Some(RESPONSE_TIMEOUT));
                self.state = State::Confirming(exchange.ok()?);
                return None;
            }
            Err(error) => StatusResult::Unknown(error),
        };
        self.unconfirmed = 0;
        self.finish(now, result)
    }

    /// Decides what a `404` of unknown origin means. `error` is that of `GET version`.
    fn on_version_response(
        &mut self,
        now: Duration,
        error: Option<ExchangeError>,
    ) -> Option<StatusResult> {
        if let Some(error) = error {
            self.unconfirmed = 0;
            return self.finish(now, StatusResult::Unknown(error));
        }
        self.unconfirmed += 1;
        if self.unconfirmed >= UNCONFIRMED_LIMIT {
            return self.finish(now, StatusResult::Ended(Ended::gone(&self.id)));
        }
        self.state = State::Idle;
        self.next = now + UNCONFIRMED_INTERVAL;
        None
    }

    fn finish(&mut self, now: Duration, result: StatusResult) -> Option<StatusResult> {
        self.state = State::Idle;
        self.next = now.saturating_add(self.interval);
        self.interval = (self.interval * 2).min(self.max_interval);
        Some(result)
    }
}

flow! {
    /// Waits until an instance has ended.
    ///
    /// Polls `GET instance/:id` at intervals that double from 25 milliseconds to 2 seconds.
    WaitForEnd(EndWait) -> Ended
}

impl WaitForEnd {
    /// Waits for the end of the instance `id`.
    #[must_use]
    pub fn new(endpoint: Endpoint, id: InstanceId, tolerance: OutageTolerance) -> Self {
        let status = StatusCheck::new(Duration::ZERO, id, Duration::from_millis(25));
        let part = EndWait {
            status,
            outage: OutageTracker::new(tolerance),
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
            Some(StatusResult::Unknown(error)) => {
                // A `404` of a gateway is transient.
                let transient = error.is_transient() || error.has_status(404);
                if !transient || self.outage.request_failed(now).is_none() {
                    self.outcome = Some(Err(error.into()));
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
