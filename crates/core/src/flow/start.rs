//! Starting an instance until it is ready.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::events::{EventWait, Since};
use super::exchange::OpenExchange;
use super::exchange_error::ExchangeError;
use super::kill::Killer;
use super::outage::OutageTolerance;
use super::outbox::Outbox;
use super::status::{StatusCheck, StatusResult};
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{ExchangeId, FlowError, Input, Outcome};
use crate::{
    Endpoint, Event, EventName, InstanceId, Json, RequestError, RetryPolicy, RunnerExit,
    SequenceId, StartOptions, StartSequence, Started,
};

/// How long to look for an instance whose start may have been carried out.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a start may take after its caller has given up. 0.18 never answers some.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// The delay before another start on a hub that is full and names none, and the shortest delay.
const OVERLOAD_DELAY: Duration = Duration::from_secs(1);
const MIN_OVERLOAD_DELAY: Duration = Duration::from_millis(200);

/// Which events mean that an instance is ready, and which that it has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Ready, if one of these comes.
    pub ready: Vec<EventName>,
    /// Failed, if one of these comes first.
    pub failed: Vec<EventName>,
    /// How long it may take from the answer to the start on.
    pub timeout: Option<Duration>,
}

/// An instance that was started, and the event that told that it is ready.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ready {
    /// The response to the start.
    pub started: Started,
    /// The event; `None` if none was to be awaited.
    pub event: Option<Event>,
}

flow! {
    /// Starts an instance, as often as it takes, and waits until it is ready.
    ///
    /// Never starts twice what may have been started once: on hubs since 0.31.4 each instance gets an
    /// id beforehand, by which it is found if the answer to its start was lost. An instance that does
    /// not get ready is killed, before the next attempt or the end, and so is one that comes up when
    /// the flow was given up.
    StartUntilReady(StartWithRetry) -> Ready
}

impl StartUntilReady {
    /// Starts an instance once, and waits for nothing.
    ///
    /// `seed` is any number; the ids of instances are made of it, so it must differ each time.
    ///
    /// # Errors
    /// [`RequestError::DialectUnknown`] if the version of the hub is not known.
    pub fn new(
        endpoint: Endpoint,
        sequence: SequenceId,
        options: StartOptions,
        seed: (u64, u64),
    ) -> Result<Self, RequestError> {
        let takes_ids = endpoint
            .known_dialect("start sequence")?
            .supports_instance_ids();
        let starting = StartWithRetry {
            endpoint: endpoint.clone(),
            sequence,
            chosen_id: options.chosen_id().map(ToString::to_string),
            options,
            supports_ids: takes_ids,
            seed,
            readiness: None,
            policy: None,
            waits_for_capacity: false,
            outage_tolerance: OutageTolerance::new(),
            attempt: 0,
            instance_id: None,
            state: State::ScheduledAt(Duration::ZERO),
            errors: Vec::new(),
            cancelled: false,
            outcome: None,
        };
        Ok(Self(RootFlow::new(endpoint, starting)))
    }

    /// Waits until the instance is ready.
    #[must_use]
    pub fn until(mut self, readiness: Readiness) -> Self {
        self.0.sub_flow.readiness = Some(readiness);
        self
    }

    /// Tries again by this policy what may succeed then.
    #[must_use]
    pub fn retrying(mut self, policy: RetryPolicy) -> Self {
        self.0.sub_flow.policy = Some(policy);
        self
    }

    /// Tries again without an end while the hub has no room for another instance (`419`).
    #[must_use]
    pub fn when_available(mut self) -> Self {
        self.0.sub_flow.waits_for_capacity = true;
        self
    }

    /// Has this patience while the instance gets ready.
    #[must_use]
    pub fn outage_tolerance(mut self, patience: OutageTolerance) -> Self {
        self.0.sub_flow.outage_tolerance = patience;
        self
    }
}

#[derive(Debug)]
struct StartWithRetry {
    endpoint: Endpoint,
    sequence: SequenceId,
    options: StartOptions,
    /// The id that the caller has chosen.
    chosen_id: Option<String>,
    supports_ids: bool,
    seed: (u64, u64),
    readiness: Option<Readiness>,
    policy: Option<RetryPolicy>,
    waits_for_capacity: bool,
    outage_tolerance: OutageTolerance,
    attempt: u32,
    /// The id of the instance of this attempt.
    instance_id: Option<InstanceId>,
    state: State,
    errors: Vec<FlowError>,
    cancelled: bool,
    outcome: Outcome<Ready>,
}

#[derive(Debug)]
enum State {
    /// The next attempt is due then.
    ScheduledAt(Duration),
    Starting {
        exchange: OpenExchange<Json<Started>>,
        /// It is waited for until then, after the flow was given up.
        until: Option<Duration>,
    },
    /// The start may have been carried out.
    Searching {
        status: Box<StatusCheck>,
        until: Duration,
        error: (ExchangeId, ExchangeError),
    },
    Waiting {
        started: Started,
        wait: Box<EventWait>,
        until: Option<Duration>,
    },
    Killing {
        killer: Box<Killer>,
        /// Another attempt may be made when it is gone.
        retry: bool,
    },
    Done,
}

impl StartWithRetry {
    /// Sends the start of an attempt.
    fn send(&mut self, outbox: &mut Outbox) -> Result<(), RequestError> {
        self.attempt += 1;
        let id = match &self.chosen_id {
            Some(id) => Some(id.clone()),
            None => self.supports_ids.then(|| self.make_id()),
        };
        self.instance_id = id.as_deref().map(InstanceId::try_from).transpose()?;
        let options = match id {
            Some(id) => self.options.clone().instance_id(id),
            None => self.options.clone(),
        };
        let operation = StartSequence {
            id: &self.sequence,
            options: &options,
        };
        self.state = State::Starting {
            exchange: outbox.send(&operation, None)?,
            until: None,
        };
        Ok(())
    }

    /// A UUID of version 4, another for each attempt.
    fn make_id(&self) -> String {
        let mix = |seed: u64| {
            let mut z =
                seed.wrapping_add(u64::from(self.attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let (high, low) = (mix(self.seed.0), mix(self.seed.1));
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            0x8000 | low >> 48 & 0x3fff,
            low & 0xffff_ffff_ffff
        )
    }

    /// The instance is there.
    fn on_started(&mut self, now: Duration, started: Started) {
        self.instance_id = Some(started.id.clone());
        if self.cancelled {
            return self.kill(now, false);
        }
        let Some(readiness) = &self.readiness else {
            self.outcome = Some(Ok(Ready {
                started,
                event: None,
            }));
            return;
        };
        let names = readiness
            .ready
            .iter()
            .chain(&readiness.failed)
            .cloned()
            .collect();
        let until = readiness.timeout.map(|timeout| now + timeout);
        let (id, patience) = (started.id.clone(), self.outage_tolerance);
        match EventWait::new(&self.endpoint, id, names, Since::Start, patience, now) {
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

    /// Kills the instance of this attempt, if it is known.
    fn kill(&mut self, now: Duration, again: bool) {
        match self.instance_id.clone() {
            Some(id) => {
                self.state = State::Killing {
                    killer: Killer::new(id, now).into(),
                    retry: again,
                }
            }
            None => self.next_attempt(now, again),
        }
    }

    /// The start came to nothing.
    fn on_start_error(&mut self, now: Duration, id: ExchangeId, error: ExchangeError) {
        let full = error.api().filter(|refusal| refusal.is_overloaded());
        if let Some(refusal) = full.filter(|_| self.waits_for_capacity && !self.cancelled) {
            let delay = refusal
                .retry_after
                .map_or(OVERLOAD_DELAY, Duration::from_secs);
            self.errors.clear();
            let delay = delay.max(MIN_OVERLOAD_DELAY);
            self.state = State::ScheduledAt(now.saturating_add(delay));
            self.errors.push(error.into_flow_error(id));
            return;
        }
        if error.may_have_been_processed() && !error.api().is_some_and(|api| api.is_from_hub()) {
            if let Some(instance) = self.instance_id.clone() {
                let status = StatusCheck::new(now, instance, Duration::from_millis(100)).into();
                let until = now + SEARCH_TIMEOUT;
                self.state = State::Searching {
                    status,
                    until,
                    error: (id, error),
                };
                return;
            }
            // Nobody knows whether there is an instance: another start may be a second one.
            self.errors.push(error.into_flow_error(id));
            return self.next_attempt(now, false);
        }
        let again = error.is_transient()
            || error.api().is_some_and(|refusal| {
                refusal.is_overloaded() || RunnerExit::in_refusal(refusal).is_some_and(is_retryable)
            });
        self.errors.push(error.into_flow_error(id));
        self.next_attempt(now, again);
    }

    fn on_search_result(&mut self, now: Duration, finding: StatusResult) {
        match finding {
            StatusResult::Alive(info) => self.on_started(now, Started::found(info.id)),
            StatusResult::Ended(ended) if ended.info.is_some() => {
                let again = ended.exit.is_none_or(is_retryable);
                self.errors.push(FlowError::Ended(ended.into()));
                self.next_attempt(now, again);
            }
            // It may come up still.
            StatusResult::Ended(_) | StatusResult::Unknown(..) => {}
        }
    }

    /// Waiting for readiness came to this.
    fn on_readiness(&mut self, now: Duration, result: Result<Event, FlowError>) {
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
                self.outcome = Some(Ok(Ready {
                    started,
                    event: Some(event),
                }));
            }
            Ok(event) => {
                self.errors.push(FlowError::FailedEvent(event.into()));
                self.kill(now, true);
            }
            Err(FlowError::Ended(ended)) => {
                let again = ended.exit.is_none_or(is_retryable);
                self.errors.push(FlowError::Ended(ended));
                self.next_attempt(now, again);
            }
            Err(error) => {
                let again = !matches!(error, FlowError::Request(_));
                self.errors.push(error);
                self.kill(now, again);
            }
        }
    }

    /// Goes on with the next attempt, if there is to be one.
    fn next_attempt(&mut self, now: Duration, again: bool) {
        self.instance_id = None;
        let policy = self.policy.filter(|_| again && !self.cancelled);
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

    /// What is over at this time.
    fn handle_timeouts(&mut self, outbox: &mut Outbox, now: Duration) {
        let is_over = |until: Duration| until <= now;
        match &mut self.state {
            State::Starting {
                exchange,
                until: Some(until),
            } if is_over(*until) => {
                outbox.abort(exchange);
                // One whose id the caller has chosen may be somebody else's.
                match self.chosen_id {
                    None => self.kill(now, false),
                    Some(_) => self.next_attempt(now, false),
                }
            }
            State::Searching { until, error, .. } if is_over(*until) => {
                let (id, error) =
                    core::mem::replace(error, (error.0, ExchangeError::connection_lost()));
                self.errors.push(error.into_flow_error(id));
                // It was never carried out, or the hub could not be asked. One whose id the caller
                // has chosen may be somebody else's.
                match self.chosen_id {
                    None => self.kill(now, true),
                    Some(_) => self.next_attempt(now, true),
                }
            }
            State::Waiting {
                wait,
                until: Some(until),
                ..
            } if is_over(*until) => {
                wait.abort(outbox);
                let timeout = self
                    .readiness
                    .as_ref()
                    .and_then(|readiness| readiness.timeout);
                self.on_readiness(now, Err(FlowError::TimedOut(timeout.unwrap_or_default())));
            }
            _ => {}
        }
    }
}

/// Whether an instance that ended so may get ready the next time.
fn is_retryable(exit: RunnerExit) -> bool {
    !matches!(
        exit,
        RunnerExit::InvalidConfig | RunnerExit::InvalidEntrypoint
    )
}

impl SubFlow for StartWithRetry {
    type Output = Ready;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Ready> {
        self.handle_timeouts(outbox, now);
        if self.outcome.is_some() {
            return self.outcome.take();
        }
        let stepped = match &mut self.state {
            State::ScheduledAt(time) if *time <= now => self.send(outbox),
            State::Searching { status, .. } => status.step(outbox, now),
            State::Waiting { wait, .. } => {
                if let Some(result) = wait.step(outbox, now) {
                    wait.abort(outbox);
                    self.on_readiness(now, result);
                    return self.step(outbox, now);
                }
                Ok(())
            }
            State::Killing {
                killer,
                retry: again,
            } => {
                let again = *again;
                if let Some(result) = killer.step(outbox, now) {
                    let killed = result.is_ok();
                    self.errors.extend(result.err());
                    // One that may run still would be there beside the next.
                    self.next_attempt(now, again && killed);
                    return self.step(outbox, now);
                }
                Ok(())
            }
            State::ScheduledAt(_) | State::Starting { .. } | State::Done => Ok(()),
        };
        stepped.err().map(|error| Err(error.into()))
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        match &mut self.state {
            State::ScheduledAt(_) | State::Done => {}
            State::Starting { exchange, .. } => {
                let (id, result) = (exchange.id, exchange.value(input));
                match result {
                    None => {}
                    Some(Ok(started)) => self.on_started(now, started),
                    Some(Err(error)) => self.on_start_error(now, id, error),
                }
            }
            State::Searching { status, .. } => {
                if let Some(finding) = status.handle(outbox, now, input) {
                    self.on_search_result(now, finding);
                }
            }
            State::Waiting { wait, .. } => wait.handle(outbox, now, input),
            State::Killing { killer, .. } => killer.handle(outbox, now, input),
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        match &self.state {
            State::ScheduledAt(time) => Some(*time),
            State::Starting { until, .. } => *until,
            State::Searching { status, until, .. } => {
                status.next_wake().into_iter().chain([*until]).min()
            }
            State::Waiting { wait, until, .. } => wait.next_wake().into_iter().chain(*until).min(),
            State::Killing { killer, .. } => killer.next_wake(),
            State::Done => None,
        }
    }

    fn cancel(&mut self, outbox: &mut Outbox, now: Duration) {
        if core::mem::replace(&mut self.cancelled, true) || self.outcome.is_some() {
            return;
        }
        match &mut self.state {
            State::ScheduledAt(_) | State::Done => self.next_attempt(now, false),
            // The hub goes on with it: once it has answered, the instance is killed.
            State::Starting { until, .. } => *until = Some(now + CANCEL_TIMEOUT),
            State::Searching { until, .. } => *until = (*until).min(now + CANCEL_TIMEOUT),
            State::Waiting { wait, .. } => {
                wait.abort(outbox);
                self.kill(now, false);
            }
            State::Killing { retry: again, .. } => *again = false,
        }
    }
}
