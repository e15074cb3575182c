//! Noticing that instances have ended while something else is done with them.

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use super::outbox::Outbox;
use super::status::{StatusCheck, StatusResult};
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{FlowError, Input, Outcome};
use crate::{Ended, Endpoint, InstanceId};

/// The time between two questions about an instance, and until the first one. A hub of 1.x shows an
/// end within a second; it is noticed within another one.
const INTERVAL: Duration = Duration::from_secs(1);

flow! {
    /// Watches any number of instances, and tells which of them have ended.
    ///
    /// Streams and uploads do not tell: hubs of 1.x keep the streams of an instance open for 195
    /// seconds after an uncaught exception, and never answer an upload to an instance that was
    /// killed. So each instance is asked for its state every second.
    ///
    /// Only the hub itself counts: neither an outage nor the `404` of a gateway ends an instance.
    /// The flow has a result for each instance that has ended; poll it again for the next one.
    /// Without an instance to watch, it waits for ever.
    WatchInstances(Watcher) -> Ended
}

impl WatchInstances {
    /// Watches no instance yet.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self(RootFlow::new(endpoint, Watcher::default()))
    }

    /// Watches an instance from now on. The first question is sent after a second, so that a call
    /// that is over sooner costs no request.
    pub fn watch(&mut self, now: Duration, id: &InstanceId) {
        let first = now.saturating_add(INTERVAL);
        let check = || StatusCheck::new(first, id.clone(), INTERVAL).at_fixed_interval();
        self.0
            .sub_flow
            .checks
            .entry(id.clone())
            .or_insert_with(check);
    }

    /// Watches an instance no longer.
    pub fn forget(&mut self, id: &InstanceId) {
        self.0.sub_flow.checks.remove(id);
    }
}

#[derive(Debug, Default)]
struct Watcher {
    checks: BTreeMap<InstanceId, StatusCheck>,
    ended: VecDeque<Ended>,
    cancelled: bool,
}

impl SubFlow for Watcher {
    type Output = Ended;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Ended> {
        if self.cancelled {
            return Some(Err(FlowError::Cancelled));
        }
        if let Some(ended) = self.ended.pop_front() {
            return Some(Ok(ended));
        }
        let mut checks = self.checks.values_mut();
        let failed = checks.find_map(|check| check.step(outbox, now).err())?;
        Some(Err(failed.into()))
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        // Whatever else has come of a question, it is asked again.
        let ended =
            self.checks
                .iter_mut()
                .find_map(|(id, check)| match check.handle(outbox, now, input) {
                    Some(StatusResult::Ended(ended)) => Some(Ended {
                        id: id.clone(),
                        ..ended
                    }),
                    _ => None,
                });
        if let Some(ended) = ended {
            self.checks.remove(&ended.id);
            self.ended.push_back(ended);
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        self.checks
            .values()
            .filter_map(StatusCheck::next_wake)
            .min()
    }

    fn cancel(&mut self, _: &mut Outbox, _: Duration) {
        self.cancelled = true;
    }
}
