//! Follows the logs of several instances as one.

mod instance_list;
#[cfg(test)]
mod tests;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use self::instance_list::InstanceList;
use super::follow::{Followed, StreamFollower};
use super::outbox::Outbox;
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{FlowError, Input, Outcome};
use crate::{Endpoint, InstanceId, JsonLines, ListInstances, LogLine, RequestError};

/// Timeout for one request.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time without data after which a log is opened again if the list cannot be requested.
const IDLE_LIMIT: Duration = Duration::from_secs(2);

/// Time without data in the log of the hub after which it counts as complete, if all instances have
/// ended.
const GRACE_PERIOD: Duration = Duration::from_millis(500);

/// Upper bound for [`GRACE_PERIOD`], because other instances may write to the log all the time.
const MAX_GRACE_PERIOD: Duration = Duration::from_secs(5);

/// A log line and the instance that it belongs to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InstanceLogLine {
    /// The instance.
    pub instance: InstanceId,
    /// The line, written by the instance or by the hub about it.
    pub line: LogLine,
}

flow! {
    /// Follows the logs of several instances as one.
    ///
    /// A hub since 0.27.0 writes the lines of all instances to its own log, so the flow needs only
    /// one stream. On older hubs, the flow opens a stream for each instance, and requests the list
    /// of instances every second to find new ones.
    ///
    /// The first lines are the history that the hub has kept. Like [`Follow`](super::Follow), this
    /// flow opens lost streams again, and yields many results.
    FollowLogs(MergedLogs) -> Followed<InstanceLogLine>
}

impl FollowLogs {
    /// Follows the logs of all instances, including those that are started later. Never ends.
    ///
    /// # Errors
    /// [`RequestError::DialectUnknown`] if the version of the hub is not known.
    pub fn all(endpoint: Endpoint) -> Result<Self, RequestError> {
        Self::new(endpoint, None)
    }

    /// Follows the logs of the instances `ids`, and ends when all of them have ended.
    ///
    /// If the hub does not list one of them at first, the flow ends with the hub's `404`. On hubs
    /// since 0.27.0, the flow waits for late lines at the end: until the log of the hub was idle
    /// for half a second, and at most 5 seconds.
    ///
    /// # Errors
    /// [`RequestError::DialectUnknown`] if the version of the hub is not known.
    pub fn of(
        endpoint: Endpoint,
        ids: impl IntoIterator<Item = InstanceId>,
    ) -> Result<Self, RequestError> {
        Self::new(endpoint, Some(ids.into_iter().collect()))
    }

    fn new(endpoint: Endpoint, only: Option<Vec<InstanceId>>) -> Result<Self, RequestError> {
        let dialect = endpoint.known_dialect("follow logs")?;
        let mut logs = MergedLogs {
            only,
            uses_hub_log: dialect.remembers_ended_instances(),
            logs: Vec::new(),
            alive: Vec::new(),
            list: InstanceList::default(),
            has_list: false,
            all_ended_at: None,
            returned_result: false,
            waiting_since: Duration::ZERO,
            ready: VecDeque::new(),
            done: false,
            cancelled: false,
        };
        match &logs.only {
            // The log of the hub has the lines of new instances, so no list is needed.
            None if logs.uses_hub_log => {
                logs.has_list = true;
                logs.logs.push(FollowedLog::of_hub());
            }
            Some(none) if none.is_empty() => {
                logs.ready.push_back(Ok(Followed::Opened));
                logs.done = true;
            }
            _ => logs.list.next_request = Some(Duration::ZERO),
        }
        Ok(Self(RootFlow::new(endpoint, logs)))
    }
}

#[derive(Debug)]
struct MergedLogs {
    /// The instances to follow. `None` means all.
    only: Option<Vec<InstanceId>>,
    /// If `true`, follows the log of the hub, which has the lines of all instances.
    uses_hub_log: bool,
    logs: Vec<FollowedLog>,
    /// The instances that are alive according to the last list.
    alive: Vec<InstanceId>,
    list: InstanceList,
    has_list: bool,
    /// The start of the grace period: all instances have ended, and the log of the hub is open.
    all_ended_at: Option<Duration>,
    /// `true` if a result was returned since the last wait.
    returned_result: bool,
    /// The time at which the caller had taken all results. Before that, the driver did not poll, so
    /// data may have arrived that the flow has not seen.
    waiting_since: Duration,
    ready: VecDeque<Result<Followed<InstanceLogLine>, FlowError>>,
    done: bool,
    cancelled: bool,
}

#[derive(Debug)]
struct FollowedLog {
    /// `None` for the log of the hub.
    instance: Option<InstanceId>,
    /// `None` after the log has ended. The entry then stays as long as the hub lists the instance,
    /// so that the log is not opened again.
    follower: Option<StreamFollower<JsonLines<LogLine>>>,
    /// The log must be open before the first result is returned.
    is_awaited: bool,
}

impl FollowedLog {
    fn of_hub() -> Self {
        Self {
            instance: None,
            follower: Some(StreamFollower::hub_log()),
            is_awaited: false,
        }
    }

    /// Returns `true` if the log belongs to an instance that the hub no longer lists.
    fn is_gone(&self, alive: &[InstanceId]) -> bool {
        self.instance.as_ref().is_some_and(|id| !alive.contains(id))
    }
}

impl MergedLogs {
    fn followers(&mut self) -> impl Iterator<Item = &mut StreamFollower<JsonLines<LogLine>>> {
        self.logs.iter_mut().filter_map(|log| log.follower.as_mut())
    }

    /// Returns `true` if a log must be opened before the first result is returned.
    fn is_opening(&self) -> bool {
        self.logs.iter().any(|log| log.is_awaited)
    }

    fn hub_log(&self) -> Option<&StreamFollower<JsonLines<LogLine>>> {
        let log = self.logs.iter().find(|log| log.instance.is_none())?;
        log.follower.as_ref()
    }

    fn fail(&mut self, error: FlowError) {
        self.ready.push_back(Err(error));
        self.done = true;
    }

    /// Returns the time of the last input of the hub's log, and `true` if its head has arrived.
    /// `None` until all instances have ended.
    fn hub_log_idle_since(&self) -> Option<(Duration, bool)> {
        self.all_ended_at?;
        self.hub_log()?.idle_since()
    }

    /// Returns the time at which the log of the hub counts as complete, because all instances have
    /// ended.
    fn hub_log_complete_at(&self) -> Option<Duration> {
        let (ended, (last, has_head)) = (self.all_ended_at?, self.hub_log_idle_since()?);
        Some(match has_head {
            true => {
                let since = ended.max(self.waiting_since);
                (last.max(since) + GRACE_PERIOD).min(since + MAX_GRACE_PERIOD)
            }
            false => last + IDLE_LIMIT,
        })
    }

    /// Moves the results of all logs to the common queue.
    fn collect_results(&mut self, outbox: &mut Outbox, now: Duration) {
        let was_opening = self.is_opening();
        for log in &mut self.logs {
            let id = &log.instance;
            while let Some(follower) = &mut log.follower {
                let Some(result) = follower.step(outbox, now) else {
                    break;
                };
                match result.map(Followed::into_item) {
                    Ok(Ok(line)) => {
                        let instance = match (id, &self.only) {
                            (Some(id), _) => Some(id.clone()),
                            (None, None) => line.instance_id(),
                            (None, Some(only)) => only.iter().find(|id| line.is_about(id)).cloned(),
                        };
                        let item = instance.map(|instance| InstanceLogLine { instance, line });
                        self.ready.extend(item.map(|item| Ok(Followed::Item(item))));
                    }
                    Ok(Err(Followed::End)) => {
                        self.done |= id.is_none();
                        log.follower = None;
                    }
                    Ok(Err(other)) => self.ready.push_back(Ok(other)),
                    Err(error) => {
                        self.done |= follower.is_done();
                        self.ready.push_back(Err(error));
                    }
                }
            }
            let is_opening = log
                .follower
                .as_ref()
                .is_some_and(StreamFollower::is_opening);
            log.is_awaited &= is_opening;
        }
        if was_opening && !self.is_opening() {
            self.ready.push_front(Ok(Followed::Opened));
        }
        // Forget logs that have ended if the hub no longer lists their instances.
        let alive = &self.alive;
        self.logs
            .retain(|log| log.follower.is_some() || !log.is_gone(alive));
        self.done |= self.has_list && self.only.is_some() && self.logs.is_empty();
    }

    /// Returns the next result. Results wait until all logs of the first list are open.
    fn next_result(&mut self) -> Outcome<Followed<InstanceLogLine>> {
        if self.is_opening() && !self.done {
            return None;
        }
        let next = self.ready.pop_front();
        self.returned_result |= next.is_some();
        next.or_else(|| self.done.then_some(Ok(Followed::End)))
    }
}

impl SubFlow for MergedLogs {
    type Output = Followed<InstanceLogLine>;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Self::Output> {
        if let Some(next) = self.next_result() {
            return Some(next);
        }
        if core::mem::take(&mut self.returned_result) {
            self.waiting_since = now;
            self.followers().for_each(|log| log.restart_idle_time(now));
        }
        if self.cancelled {
            return Some(Err(FlowError::Cancelled));
        }
        if self.list.next_request.is_some_and(|next| next <= now) && !self.list.is_pending() {
            match outbox.send(&ListInstances, Some(RESPONSE_TIMEOUT)) {
                Ok(exchange) => self.list.response = Some(exchange),
                Err(error) => self.fail(error.into()),
            }
        }
        if self.hub_log_complete_at().is_some_and(|time| time <= now) {
            for log in &mut self.logs {
                if let (None, Some(follower)) = (&log.instance, &mut log.follower) {
                    follower.on_instance_ended(outbox, now);
                }
            }
        }
        self.collect_results(outbox, now);
        self.next_result()
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        // The grace period starts when the log of the hub is open.
        if self.all_ended_at.is_some()
            && self
                .hub_log_idle_since()
                .is_none_or(|(_, has_head)| !has_head)
        {
            self.all_ended_at = Some(now);
        }
        let ending = self.has_ending_logs();
        self.followers()
            .for_each(|log| log.handle(outbox, now, input));
        if self.has_ending_logs() && !ending {
            self.list.next_request = Some(now);
        }
        if let Err(error) = self.handle_list(outbox, now, input) {
            self.fail(error.into());
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        let list = self.list.next_request.filter(|_| !self.list.is_pending());
        let logs = self
            .logs
            .iter()
            .filter_map(|log| log.follower.as_ref()?.next_wake());
        logs.chain(list).chain(self.hub_log_complete_at()).min()
    }

    fn cancel(&mut self, _: &mut Outbox, _: Duration) {
        self.cancelled = true;
    }
}
