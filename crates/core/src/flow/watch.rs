//! Watches instances and reports their end.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use super::outbox::Outbox;
use super::status::{StatusCheck, StatusResult};
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{FlowError, Input, Outcome};
use crate::{Ended, Endpoint, InstanceId};

/// Time until the first status request, and between two of them. A hub of 1.x shows the end of an
/// instance within a second, so the flow notices it within two.
const INTERVAL: Duration = Duration::from_secs(1);

flow! {
    /// Watches any number of instances and reports each one that has ended.
    ///
    /// Streams and uploads do not show the end of an instance. A hub of 1.x keeps the streams of an
    /// instance open for 195 seconds after an uncaught exception, and never answers an upload to an
    /// instance that was killed. So the flow requests the status of each instance every second.
    ///
    /// Outages and the `404` of a gateway do not count as an end. The flow yields one result for
    /// each instance that has ended; poll it again for the next one. Without an instance to watch,
    /// it waits forever.
    WatchInstances(Watcher) -> Ended
}

impl WatchInstances {
    /// Creates the flow without any instance.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self(RootFlow::new(endpoint, Watcher::default()))
    }

    /// Starts to watch an instance.
    ///
    /// The first request follows after a second, so a call that completes sooner costs no request.
    pub fn watch(&mut self, now: Duration, id: &InstanceId) {
        let checks = &mut self.0.sub_flow.checks;
        if !checks.iter().any(|check| check.id() == id) {
            let first = now.saturating_add(INTERVAL);
            checks.push(StatusCheck::new(first, id.clone(), INTERVAL).at_fixed_interval());
        }
    }

    /// Stops watching an instance.
    pub fn forget(&mut self, id: &InstanceId) {
        self.0.sub_flow.checks.retain(|check| check.id() != id);
    }
}

#[derive(Debug, Default)]
struct Watcher {
    checks: Vec<StatusCheck>,
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
        let mut checks = self.checks.iter_mut();
        let failed = checks.find_map(|check| check.step(outbox, now).err())?;
        Some(Err(failed.into()))
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        // After any other result, the check sends its next request.
        let mut ended = None;
        for (index, check) in self.checks.iter_mut().enumerate() {
            if let Some(StatusResult::Ended(end)) = check.handle(outbox, now, input) {
                let id = check.id().clone();
                ended = Some((index, Ended { id, ..end }));
                break;
            }
        }
        if let Some((index, ended)) = ended {
            self.checks.remove(index);
            self.ended.push_back(ended);
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        self.checks.iter().filter_map(StatusCheck::next_wake).min()
    }

    fn cancel(&mut self, _: &mut Outbox, _: Duration) {
        self.cancelled = true;
    }
}
