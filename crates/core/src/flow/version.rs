//! Waiting for a hub that is being started.

use core::time::Duration;

use super::exchange::OpenExchange;
use super::exchange_error::ExchangeError;
use super::outbox::Outbox;
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{ExchangeId, FlowError, Input, Outcome};
use crate::{Endpoint, GetVersion, HubVersion, Json};

/// How long the hub has to answer once.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

const FIRST_DELAY: Duration = Duration::from_millis(50);
const MAX_DELAY: Duration = Duration::from_secs(1);

flow! {
    /// Asks for `GET version` until a hub answers, as long as nobody listens there or a gateway says
    /// that the hub is away.
    WaitForHub(VersionPoller) -> HubVersion
}

impl WaitForHub {
    /// Waits for a hub.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        let (first, last) = (None, None);
        let part = VersionPoller {
            exchange: None,
            next_attempt: Duration::ZERO,
            delay: FIRST_DELAY,
            first_error: first,
            last_error: last,
            outcome: None,
        };
        Self(RootFlow::new(endpoint, part))
    }
}

#[derive(Debug)]
struct VersionPoller {
    exchange: Option<OpenExchange<Json<HubVersion>>>,
    next_attempt: Duration,
    delay: Duration,
    /// How the first and the last attempt failed.
    first_error: Option<FlowError>,
    last_error: Option<FlowError>,
    outcome: Outcome<HubVersion>,
}

/// Whether somebody else answers as long as the hub is away: in no way that the hub itself would.
fn may_be_starting(error: &ExchangeError) -> bool {
    match error.api() {
        None => matches!(error, ExchangeError::Failed { .. }) || error.is_transient(),
        Some(refusal) => {
            let absent = matches!(refusal.received_status.as_u16(), 404 | 500);
            refusal.is_transient() || (absent && !refusal.is_from_hub()) || refusal.status == 500
        }
    }
}

impl VersionPoller {
    fn on_error(&mut self, now: Duration, id: ExchangeId, error: ExchangeError) {
        let passes = may_be_starting(&error);
        let error = error.into_flow_error(id);
        match self.first_error {
            None => self.first_error = Some(error),
            Some(_) => self.last_error = Some(error),
        }
        if !passes {
            return self.fail(None);
        }
        self.next_attempt = now + self.delay;
        self.delay = (self.delay * 2).min(MAX_DELAY);
    }

    fn fail(&mut self, given_up: Option<FlowError>) {
        let attempts = [self.first_error.take(), self.last_error.take(), given_up];
        let errors = attempts.into_iter().flatten().collect();
        self.outcome = Some(Err(FlowError::of_attempts(errors)));
    }
}

impl SubFlow for VersionPoller {
    type Output = HubVersion;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<HubVersion> {
        if self.outcome.is_some() {
            return self.outcome.take();
        }
        if self.exchange.is_none() && self.next_attempt <= now {
            match outbox.send(&GetVersion, Some(RESPONSE_TIMEOUT)) {
                Ok(call) => self.exchange = Some(call),
                Err(error) => return Some(Err(error.into())),
            }
        }
        None
    }

    fn handle(&mut self, _: &mut Outbox, now: Duration, input: &Input<'_>) {
        let Some(call) = &mut self.exchange else {
            return;
        };
        let (id, result) = (call.id, call.value(input));
        let Some(result) = result else { return };
        self.exchange = None;
        match result {
            Ok(version) => self.outcome = Some(Ok(version)),
            Err(error) => self.on_error(now, id, error),
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        self.exchange.is_none().then_some(self.next_attempt)
    }

    fn cancel(&mut self, _: &mut Outbox, _: Duration) {
        if self.outcome.is_none() {
            self.fail(Some(FlowError::Cancelled));
        }
    }
}
