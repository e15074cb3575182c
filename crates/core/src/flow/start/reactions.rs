//! The reactions to the results of a start, of the search for its instance and of the wait for
//! readiness.

use alloc::vec::Vec;
use core::time::Duration;

use super::Ready;
use super::attempt::{StartWithRetry, State};
use crate::flow::FlowError;
use crate::flow::events::{EventWait, Since};
use crate::flow::exchange_error::ExchangeError;
use crate::flow::kill::Killer;
use crate::flow::status::{StatusCheck, StatusResult};
use crate::{Event, RunnerExit, Started};

/// Upper bound for the search for an instance if the response to its start was lost.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(20);

/// Delay before another start on an overloaded hub that sends no `Retry-After`.
const OVERLOAD_DELAY: Duration = Duration::from_secs(1);

/// Lower bound for the delay before another start on an overloaded hub.
const MIN_OVERLOAD_DELAY: Duration = Duration::from_millis(200);

impl StartWithRetry {
    /// Handles a successful start.
    pub(super) fn on_started(&mut self, now: Duration, started: Started) {
        self.instance_id = Some(started.id.clone());
        if self.cancelled {
            return self.kill(now, false);
        }
        let Some(readiness) = &self.readiness else {
            let event = None;
            self.outcome = Some(Ok(Ready { started, event }));
            return;
        };
        let names = readiness
            .ready
            .iter()
            .chain(&readiness.failed)
            .cloned()
            .collect();
        let until = readiness.timeout.map(|timeout| now + timeout);
        let (id, tolerance) = (started.id.clone(), self.outage_tolerance);
        match EventWait::new(&self.endpoint, id, names, Since::Start, tolerance, now) {
            Ok(wait) => {
                self.state = State::Waiting {
                    started,
                    wait: wait.into(),
                    until,
                }
            }
            Err(error) => {
                self.errors.push(error.into());
                self.kill(now, false);
            }
        }
    }

    /// Kills the instance of this attempt if its id is known.
    pub(super) fn kill(&mut self, now: Duration, retry: bool) {
        match self.instance_id.clone() {
            Some(id) => {
                self.state = State::Killing {
                    killer: Killer::new(id, now).into(),
                    retry,
                }
            }
            None => self.next_attempt(now, retry),
        }
    }

    /// Ends an attempt whose outcome is not known.
    ///
    /// Kills the instance only if the flow chose its id. An instance with an id that the caller
    /// chose may have been started by another client.
    pub(super) fn abandon_attempt(&mut self, now: Duration, retry: bool) {
        match self.chosen_id {
            None => self.kill(now, retry),
            Some(_) => self.next_attempt(now, retry),
        }
    }

    /// Handles a failed start.
    pub(super) fn on_start_error(&mut self, now: Duration, error: ExchangeError) {
        let overloaded = error.api().filter(|refusal| refusal.is_overloaded());
        if let Some(refusal) = overloaded.filter(|_| self.waits_for_capacity && !self.cancelled) {
            let retry_after = refusal.retry_after.map(Duration::from_secs);
            let delay = retry_after
                .unwrap_or(OVERLOAD_DELAY)
                .max(MIN_OVERLOAD_DELAY);
            self.state = State::ScheduledAt(now.saturating_add(delay));
            // Keep only the last refusal, because there may be thousands.
            self.errors = Vec::from([error.into()]);
            return;
        }
        if error.may_have_been_processed() && !error.api().is_some_and(|api| api.is_from_hub()) {
            if let Some(instance) = self.instance_id.clone() {
                let status = StatusCheck::new(now, instance, Duration::from_millis(100)).into();
                let until = now + SEARCH_TIMEOUT;
                self.state = State::Searching {
                    status,
                    until,
                    error: error.into(),
                };
                return;
            }
            // The id is not known, so another start could create a second instance.
            self.errors.push(error.into());
            return self.next_attempt(now, false);
        }
        let retry = error.is_transient()
            || error.api().is_some_and(|refusal| {
                refusal.is_overloaded() || RunnerExit::in_refusal(refusal).is_some_and(is_retryable)
            });
        self.errors.push(error.into());
        self.next_attempt(now, retry);
    }

    /// Handles the status of an instance whose start may have succeeded.
    pub(super) fn on_search_result(&mut self, now: Duration, status: StatusResult) {
        match status {
            StatusResult::Alive(info) => self.on_started(now, Started::found(info.id)),
            StatusResult::Ended(ended) if ended.info.is_some() => {
                let retry = ended.exit.is_none_or(is_retryable);
                self.errors.push(FlowError::Ended(ended.into()));
                self.next_attempt(now, retry);
            }
            // The instance may still appear.
            StatusResult::Ended(_) | StatusResult::Unknown(_) => {}
        }
    }

    /// Handles the result of waiting for readiness.
    pub(super) fn on_readiness(&mut self, now: Duration, result: Result<Event, FlowError>) {
        let State::Waiting { started, .. } = core::mem::replace(&mut self.state, State::Done)
        else {
            return;
        };
        let is_ready = |event: &Event| {
            let readiness = self.readiness.as_ref();
            readiness.is_some_and(|one| one.ready.iter().any(|name| name.as_str() == event.name))
        };
        match result {
            Ok(event) if is_ready(&event) => {
                let event = Some(event);
                self.outcome = Some(Ok(Ready { started, event }));
            }
            Ok(event) => {
                self.errors.push(FlowError::FailedEvent(event.into()));
                self.kill(now, true);
            }
            Err(FlowError::Ended(ended)) => {
                let retry = ended.exit.is_none_or(is_retryable);
                self.errors.push(FlowError::Ended(ended));
                self.next_attempt(now, retry);
            }
            Err(error) => {
                let retry = !matches!(error, FlowError::Request(_));
                self.errors.push(error);
                self.kill(now, retry);
            }
        }
    }

    /// Schedules the next attempt, or ends with the errors of all attempts.
    pub(super) fn next_attempt(&mut self, now: Duration, retry: bool) {
        self.instance_id = None;
        let policy = self.policy.filter(|_| retry && !self.cancelled);
        match policy.and_then(|policy| policy.delay(self.attempt, now, self.seed.0)) {
            Some(delay) => self.state = State::ScheduledAt(now + delay),
            None => {
                if self.cancelled {
                    self.errors.push(FlowError::Cancelled);
                }
                let errors = core::mem::take(&mut self.errors);
                self.outcome = Some(Err(FlowError::of_attempts(errors)));
            }
        }
    }
}

/// Returns `true` if another instance may become ready after one that ended like this.
fn is_retryable(exit: RunnerExit) -> bool {
    !matches!(
        exit,
        RunnerExit::InvalidConfig | RunnerExit::InvalidEntrypoint
    )
}
