//! Requests the list of instances, and opens and ends their logs accordingly.

use alloc::vec::Vec;
use core::time::Duration;

use super::{FollowedLog, IDLE_LIMIT, MergedLogs, RESPONSE_TIMEOUT};
use crate::flow::Input;
use crate::flow::exchange::OpenExchange;
use crate::flow::exchange_error::ExchangeError;
use crate::flow::follow::{Followed, StreamFollower};
use crate::flow::outbox::Outbox;
use crate::{Ended, GetInstance, InstanceInfo, Json, RequestError};

/// Time between two requests for the list of instances, and so the delay until new instances and
/// ends are noticed.
const LIST_INTERVAL: Duration = Duration::from_secs(1);

/// Time until the next list after a log has ended. The list shows the end of the instance a moment
/// later.
const ENDING_LIST_INTERVAL: Duration = Duration::from_millis(100);

/// The requests for the list of instances.
#[derive(Debug, Default)]
pub(super) struct InstanceList {
    /// The time of the next request. `None` if the list is no longer needed.
    pub(super) next_request: Option<Duration>,
    pub(super) response: Option<OpenExchange<Json<Vec<InstanceInfo>>>>,
    /// A request for an instance that the first list did not have. Its `404` becomes the error of
    /// the flow.
    missing_instance: Option<OpenExchange<Json<InstanceInfo>>>,
}

impl InstanceList {
    pub(super) fn is_pending(&self) -> bool {
        self.response.is_some() || self.missing_instance.is_some()
    }
}

impl MergedLogs {
    /// Handles a list of instances.
    fn on_list(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        infos: Vec<InstanceInfo>,
    ) -> Result<(), RequestError> {
        if !self.has_list {
            let mut ids = self.only.iter().flatten();
            if let Some(id) = ids.find(|id| infos.iter().all(|info| info.id != **id)) {
                let missing = outbox.send(&GetInstance { id }, Some(RESPONSE_TIMEOUT))?;
                self.list.missing_instance = Some(missing);
                return Ok(());
            }
        }
        let alive = infos.into_iter().filter_map(|info| Ended::of(info).err());
        self.alive = alive.map(|info| info.id).collect();
        let is_first = !core::mem::replace(&mut self.has_list, true);
        if self.uses_hub_log {
            if is_first {
                self.logs.push(FollowedLog::of_hub());
            }
            let mut ids = self.only.iter().flatten();
            if !ids.any(|id| self.alive.contains(id)) {
                self.all_ended_at = Some(now);
                self.list.next_request = None;
            }
            return Ok(());
        }
        let new = match &self.only {
            None => &self.alive,
            Some(only) => only,
        };
        if is_first || self.only.is_none() {
            for id in new {
                if !self
                    .logs
                    .iter()
                    .any(|log| log.instance.as_ref() == Some(id))
                {
                    self.logs.push(FollowedLog {
                        instance: Some(id.clone()),
                        follower: Some(StreamFollower::listed_instance_log(id.clone())),
                        is_awaited: is_first,
                    });
                }
            }
        }
        if is_first && new.is_empty() {
            self.ready.push_back(Ok(Followed::Opened));
        }
        let alive = &self.alive;
        self.logs
            .retain(|log| log.follower.is_some() || !log.is_gone(alive));
        for log in &mut self.logs {
            let is_gone = log.is_gone(alive);
            match &mut log.follower {
                Some(follower) if is_gone => follower.on_instance_ended(outbox, now),
                Some(follower) => follower.on_alive(now),
                None => {}
            }
        }
        Ok(())
    }

    /// Handles a failed request for the list.
    fn on_list_error(&mut self, outbox: &mut Outbox, now: Duration, error: ExchangeError) {
        let refused = error.api().is_some() && !error.has_status(404);
        let permanent = refused && !error.is_transient();
        if !self.has_list || permanent || error.is_encoded() {
            return self.fail(error.into());
        }
        if self.uses_hub_log {
            // The log of the hub checks on its own if the hub is reachable.
            return;
        }
        for log in self.followers() {
            let is_idle = |(last, _): (Duration, bool)| last + IDLE_LIMIT <= now;
            if log.idle_since().is_some_and(is_idle) {
                log.on_check_failed(outbox, now, &error);
            }
        }
    }

    /// Handles an input of the requests for the list or an instance.
    pub(super) fn handle_list(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        input: &Input<'_>,
    ) -> Result<(), RequestError> {
        if let Some(exchange) = &mut self.list.missing_instance {
            if let Some(result) = exchange.value(input) {
                self.list.missing_instance = None;
                // The instance was started after the list was written. The next list has it.
                result.map_or_else(|error| self.fail(error.into()), drop);
            }
        }
        if let Some(exchange) = &mut self.list.response {
            if let Some(result) = exchange.value(input) {
                self.list.response = None;
                self.list.next_request = Some(now + LIST_INTERVAL);
                match result {
                    Ok(infos) => self.on_list(outbox, now, infos)?,
                    Err(error) => self.on_list_error(outbox, now, error),
                }
                if self.has_ending_logs() {
                    self.list.next_request = Some(now + ENDING_LIST_INTERVAL);
                }
            }
        }
        Ok(())
    }

    /// Returns `true` if a log has ended, and the last list still had its instance.
    pub(super) fn has_ending_logs(&self) -> bool {
        self.logs
            .iter()
            .any(|log| log.follower.as_ref().is_some_and(StreamFollower::is_ending))
    }
}
