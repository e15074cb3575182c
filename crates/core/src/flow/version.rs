//! Waits for a hub that is starting.

use core::time::Duration;

use super::exchange::OpenExchange;
use super::exchange_error::{ErrorKind, ExchangeError};
use super::outbox::Outbox;
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{FlowError, Input, Outcome};
use crate::{Endpoint, GetVersion, HubVersion, Json};

/// Timeout for one request.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

const FIRST_DELAY: Duration = Duration::from_millis(50);
const MAX_DELAY: Duration = Duration::from_secs(1);

flow! {
    /// Waits until a hub answers `GET version`.
    ///
    /// Retries without a limit after connection errors, after a status of 500, and after responses
    /// of a gateway that cannot reach the hub. The delays double from 50 milliseconds to a second.
    /// Any other refusal is an error.
    ///
    /// If several requests failed, the error is [`FlowError::Attempts`] with the first and the last
    /// of their errors. If the flow was cancelled, [`FlowError::Cancelled`] comes after them.
    WaitForHub(VersionPoller) -> HubVersion
}

impl WaitForHub {
    /// Waits for the hub at this endpoint.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        let poller = VersionPoller {
            exchange: None,
            next_attempt: Duration::ZERO,
            delay: FIRST_DELAY,
            first_error: None,
            last_error: None,
            outcome: None,
        };
        Self(RootFlow::new(endpoint, poller))
    }
}

#[derive(Debug)]
struct VersionPoller {
    exchange: Option<OpenExchange<Json<HubVersion>>>,
    next_attempt: Duration,
    delay: Duration,
    first_error: Option<FlowError>,
    last_error: Option<FlowError>,
    outcome: Outcome<HubVersion>,
}

/// Returns `true` if the hub may still be starting: the exchange failed, or the response is one
/// that a gateway sends while the hub is unreachable.
fn may_be_starting(error: &ExchangeError) -> bool {
    match error.api() {
        None => matches!(error.kind, ErrorKind::Failed { .. }) || error.is_transient(),
        Some(refusal) => {
            let by_gateway =
                matches!(refusal.received_status.as_u16(), 404 | 500) && !refusal.is_from_hub();
            refusal.is_transient() || by_gateway || refusal.status == 500
        }
    }
}

impl VersionPoller {
    fn on_error(&mut self, now: Duration, error: ExchangeError) {
        let transient = may_be_starting(&error);
        let error = error.into();
        match self.first_error {
            None => self.first_error = Some(error),
            Some(_) => self.last_error = Some(error),
        }
        if !transient {
            return self.fail(None);
        }
        self.next_attempt = now + self.delay;
        self.delay = (self.delay * 2).min(MAX_DELAY);
    }

    fn fail(&mut self, cancelled: Option<FlowError>) {
        let attempts = [self.first_error.take(), self.last_error.take(), cancelled];
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
                Ok(exchange) => self.exchange = Some(exchange),
                Err(error) => return Some(Err(error.into())),
            }
        }
        None
    }

    fn handle(&mut self, _: &mut Outbox, now: Duration, input: &Input<'_>) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        let Some(result) = exchange.value(input) else {
            return;
        };
        self.exchange = None;
        match result {
            Ok(version) => self.outcome = Some(Ok(version)),
            Err(error) => self.on_error(now, error),
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
