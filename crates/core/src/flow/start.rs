//! Starts an instance and waits until it is ready.

mod attempt;
mod random_id;
mod reactions;

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use self::attempt::{StartWithRetry, State};
use super::outage::OutageTolerance;
use super::sub_flow::{RootFlow, flow};
use crate::{
    Endpoint, Event, EventName, RequestError, RetryPolicy, SequenceId, StartOptions, Started,
};

/// The events that show if an instance is ready or has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The instance is ready if one of these events is emitted.
    pub ready: Vec<EventName>,
    /// The instance has failed if one of these events is emitted first.
    pub failed: Vec<EventName>,
    /// Upper bound for the time between the response to the start and the event. `None` means no
    /// limit.
    pub timeout: Option<Duration>,
}

/// An instance that was started, and the event that shows that it is ready.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ready {
    /// The response to the start.
    pub started: Started,
    /// The event. `None` if the flow does not wait for one.
    pub event: Option<Event>,
}

flow! {
    /// Starts an instance, with retries, and waits until it is ready.
    ///
    /// The flow never starts a second instance if the first start may have succeeded. On hubs since
    /// 0.31.4, it chooses the id of the instance. If the response to a start is lost, it looks for
    /// an instance with that id for up to 20 seconds. On older hubs, it does not retry such a
    /// start.
    ///
    /// If an instance does not become ready, the flow kills it before it retries or ends. If the
    /// flow is cancelled, it kills an instance that it has started.
    StartUntilReady(StartWithRetry) -> Ready
}

impl StartUntilReady {
    /// Starts an instance, by default in one attempt and without waiting until it is ready.
    ///
    /// The ids of the instances are derived from `seed`, so each flow needs its own random seed.
    ///
    /// # Errors
    /// [`RequestError::DialectUnknown`] if the version of the hub is not known.
    pub fn new(
        endpoint: Endpoint,
        sequence: SequenceId,
        options: StartOptions,
        seed: (u64, u64),
    ) -> Result<Self, RequestError> {
        let supports_ids = endpoint
            .known_dialect("start sequence")?
            .supports_instance_ids();
        let starting = StartWithRetry {
            endpoint: endpoint.clone(),
            sequence,
            chosen_id: options.chosen_id().map(ToString::to_string),
            options,
            supports_ids,
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

    /// Retries an attempt if the start failed with a transient error or an overload (`419`), or if
    /// the instance failed or did not become ready. An invalid configuration or entry point is not
    /// retried.
    #[must_use]
    pub fn retrying(mut self, policy: RetryPolicy) -> Self {
        self.0.sub_flow.policy = Some(policy);
        self
    }

    /// Retries without a limit as long as the hub is overloaded (`419`). The delay is the hub's
    /// `Retry-After` but at least 200 milliseconds, or one second without that header.
    #[must_use]
    pub fn when_available(mut self) -> Self {
        self.0.sub_flow.waits_for_capacity = true;
        self
    }

    /// Sets the limits for outages while the flow waits for the event.
    #[must_use]
    pub fn outage_tolerance(mut self, tolerance: OutageTolerance) -> Self {
        self.0.sub_flow.outage_tolerance = tolerance;
        self
    }
}
