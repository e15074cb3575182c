//! Waiting for a hub that is being started.

use core::time::Duration;

use super::call::{Call, CallError, Outbox, Part, Whole, flow};
use super::{ExchangeId, FlowError, Input, Outcome};
use crate::{Endpoint, GetVersion, HubVersion, Json};

/// How long the hub has to answer once.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(1);

flow! {
    /// Asks for `GET version` until a hub answers, as long as nobody listens there or a gateway says
    /// that the hub is away.
    WaitForHub(UntilAnswered) -> HubVersion
}

impl WaitForHub {
    /// Waits for a hub.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        let (first, last) = (None, None);
        let part = UntilAnswered {
            call: None,
            next: Duration::ZERO,
            delay: FIRST_DELAY,
            first,
            last,
            outcome: None,
        };
        Self(Whole::new(endpoint, part))
    }
}

#[derive(Debug)]
struct UntilAnswered {
    call: Option<Call<Json<HubVersion>>>,
    next: Duration,
    delay: Duration,
    /// How the first and the last attempt failed.
    first: Option<FlowError>,
    last: Option<FlowError>,
    outcome: Outcome<HubVersion>,
}

/// Whether somebody else answers as long as the hub is away: in no way that the hub itself would.
fn may_pass(error: &CallError) -> bool {
    match error.api() {
        None => matches!(error, CallError::Failed { .. }) || error.may_succeed_later(),
        Some(refusal) => {
            let absent = matches!(refusal.received_status.as_u16(), 404 | 500);
            refusal.is_transient() || (absent && !refusal.is_from_hub()) || refusal.status == 500
        }
    }
}

impl UntilAnswered {
    fn failed(&mut self, now: Duration, id: ExchangeId, error: CallError) {
        let passes = may_pass(&error);
        let error = error.of(id);
        match self.first {
            None => self.first = Some(error),
            Some(_) => self.last = Some(error),
        }
        if !passes {
            return self.end(None);
        }
        self.next = now + self.delay;
        self.delay = (self.delay * 2).min(LONGEST_DELAY);
    }

    fn end(&mut self, given_up: Option<FlowError>) {
        let attempts = [self.first.take(), self.last.take(), given_up];
        let errors = attempts.into_iter().flatten().collect();
        self.outcome = Some(Err(FlowError::of_attempts(errors)));
    }
}

impl Part for UntilAnswered {
    type Value = HubVersion;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<HubVersion> {
        if self.outcome.is_some() {
            return self.outcome.take();
        }
        if self.call.is_none() && self.next <= now {
            match outbox.send(&GetVersion, Some(ANSWER_LIMIT)) {
                Ok(call) => self.call = Some(call),
                Err(error) => return Some(Err(error.into())),
            }
        }
        None
    }

    fn handle(&mut self, _: &mut Outbox, now: Duration, input: &Input<'_>) {
        let Some(call) = &mut self.call else { return };
        let (id, result) = (call.id, call.value(input));
        let Some(result) = result else { return };
        self.call = None;
        match result {
            Ok(version) => self.outcome = Some(Ok(version)),
            Err(error) => self.failed(now, id, error),
        }
    }

    fn wakes(&self) -> Option<Duration> {
        self.call.is_none().then_some(self.next)
    }

    fn give_up(&mut self, _: &mut Outbox, _: Duration) {
        if self.outcome.is_none() {
            self.end(Some(FlowError::GivenUp));
        }
    }
}
