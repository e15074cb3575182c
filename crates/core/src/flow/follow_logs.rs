//! One log of many instances.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use super::exchange::OpenExchange;
use super::exchange_error::ExchangeError;
use super::follow::{Followed, StreamFollower};
use super::outbox::Outbox;
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{ExchangeId, FlowError, Input, Outcome};
use crate::{
    Ended, Endpoint, GetInstance, InstanceId, InstanceInfo, Json, JsonLines, ListInstances,
    LogLine, RequestError,
};

/// The time between two lists of instances. New instances and ends are noticed that late.
const LIST_INTERVAL: Duration = Duration::from_secs(1);

/// The same after a log has ended: the list shows a moment later that its instance has, too.
const ENDING_LIST_INTERVAL: Duration = Duration::from_millis(100);

/// How long the hub has to answer a question.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// If the list does not come, logs that were silent for so long are opened again.
const IDLE_LIMIT: Duration = Duration::from_secs(2);

/// After the end of the last instance, a silence of this length means that its lines are all there.
const GRACE_PERIOD: Duration = Duration::from_millis(500);

/// Other instances may leave no silence: this long without a line of one that is followed is
/// enough.
const MAX_GRACE_PERIOD: Duration = Duration::from_secs(5);

/// A line of the log of an instance.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InstanceLogLine {
    /// The instance.
    pub instance: InstanceId,
    /// The line: the instance's own, or the hub's about it.
    pub line: LogLine,
}

flow! {
    /// Follows the logs of several instances as one.
    ///
    /// A hub since 0.27.0 writes the lines of all instances to its own log, so that one stream is
    /// enough. On older hubs, each instance has a stream; new instances are found in the list of
    /// instances, which is asked for every second. Streams are opened again as by
    /// [`Follow`](super::Follow), and a driver polls this flow as that one.
    ///
    /// History comes first, as far as the hub has kept it.
    FollowLogs(MergedLogs) -> Followed<InstanceLogLine>
}

impl FollowLogs {
    /// Follows the logs of all instances, also of those that are started later. It never ends.
    ///
    /// # Errors
    /// [`RequestError::DialectUnknown`] if the version of the hub is not known.
    pub fn all(endpoint: Endpoint) -> Result<Self, RequestError> {
        Self::new(endpoint, None)
    }

    /// Follows the logs of these instances, and ends when all of them have ended. An instance that
    /// the hub does not know at the beginning is an error.
    ///
    /// # Errors
    /// [`RequestError::DialectUnknown`] if the version of the hub is not known.
    pub fn of(
        endpoint: Endpoint,
        ids: impl IntoIterator<Item = InstanceId>,
    ) -> Result<Self, RequestError> {
        Self::new(endpoint, Some(ids.into_iter().collect()))
    }

    fn new(endpoint: Endpoint, of: Option<BTreeSet<InstanceId>>) -> Result<Self, RequestError> {
        let dialect = endpoint.known_dialect("follow logs")?;
        let mut logs = MergedLogs {
            only: of,
            uses_hub_log: dialect.remembers_ended_instances(),
            logs: BTreeMap::new(),
            alive: BTreeSet::new(),
            opening: BTreeSet::new(),
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
            // The log of the hub tells of new instances and cannot end: nothing is to be asked.
            None if logs.uses_hub_log => {
                logs.has_list = true;
                logs.logs.insert(None, Some(StreamFollower::hub_log()));
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
    /// The instances that are followed. `None`: all.
    only: Option<BTreeSet<InstanceId>>,
    /// The log of the hub has the lines of all instances.
    uses_hub_log: bool,
    /// The log of the hub, without a key; or those of instances, of which the ones that are over
    /// stay as `None` for as long as the instance is listed.
    logs: BTreeMap<Option<InstanceId>, Option<StreamFollower<JsonLines<LogLine>>>>,
    /// The instances that live, as of the last list.
    alive: BTreeSet<InstanceId>,
    /// The instances of the first list whose logs are not open yet. Results wait for them.
    opening: BTreeSet<InstanceId>,
    list: InstanceList,
    has_list: bool,
    /// All instances that are followed have ended, and the log of the hub was open since then.
    all_ended_at: Option<Duration>,
    /// Something was told since the flow waited last.
    returned_result: bool,
    /// When the caller had taken all that was told. While it did, more may have come to the driver.
    waiting_since: Duration,
    ready: VecDeque<Result<Followed<InstanceLogLine>, FlowError>>,
    done: bool,
    cancelled: bool,
}

/// Asks for the list of instances.
#[derive(Debug, Default)]
struct InstanceList {
    /// The time of the next question; `None` if there is to be none.
    next_request: Option<Duration>,
    list: Option<OpenExchange<Json<Vec<InstanceInfo>>>>,
    /// Asks for an instance that the first list did not have: its refusal says so in the hub's
    /// words.
    missing_instance: Option<OpenExchange<Json<InstanceInfo>>>,
}

impl InstanceList {
    fn is_pending(&self) -> bool {
        self.list.is_some() || self.missing_instance.is_some()
    }
}

impl MergedLogs {
    fn fail(&mut self, error: FlowError) {
        self.ready.push_back(Err(error));
        self.done = true;
    }

    /// The list has come.
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
        let begins = !core::mem::replace(&mut self.has_list, true);
        if self.uses_hub_log {
            if begins {
                self.logs.insert(None, Some(StreamFollower::hub_log()));
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
            Some(of) => of,
        };
        if begins || self.only.is_none() {
            for id in new {
                let log = || Some(StreamFollower::listed_instance_log(id.clone()));
                self.logs.entry(Some(id.clone())).or_insert_with(log);
            }
        }
        if begins {
            self.opening.clone_from(new);
            if new.is_empty() {
                self.ready.push_back(Ok(Followed::Opened));
            }
        }
        let listed = &self.alive;
        let lives = |id: &Option<InstanceId>| id.as_ref().is_none_or(|id| listed.contains(id));
        self.logs.retain(|id, log| log.is_some() || lives(id));
        for (id, log) in &mut self.logs {
            match log {
                Some(log) if lives(id) => log.on_alive(now),
                Some(log) => log.on_instance_ended(outbox, now),
                None => {}
            }
        }
        Ok(())
    }

    /// The list has not come.
    fn on_list_error(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        id: ExchangeId,
        error: ExchangeError,
    ) {
        let refused = error.api().is_some() && !error.has_status(404);
        let fails = refused && !error.is_transient();
        if !self.has_list || fails || error.is_encoded() {
            return self.fail(error.into_flow_error(id));
        }
        if self.uses_hub_log {
            // The log of the hub has a question of its own.
            return;
        }
        for log in self.logs.values_mut().flatten() {
            let silent = |(last, _): (Duration, bool)| last + IDLE_LIMIT <= now;
            if log.idle_since().is_some_and(silent) {
                log.on_check_failed(outbox, now, &error);
            }
        }
    }

    /// Takes in what has come of a question.
    fn handle_list(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        input: &Input<'_>,
    ) -> Result<(), RequestError> {
        if let Some(exchange) = &mut self.list.missing_instance {
            if let Some(result) = exchange.value(input) {
                let id = exchange.id;
                self.list.missing_instance = None;
                // It was started in this moment: the next list has it.
                result.map_or_else(|error| self.fail(error.into_flow_error(id)), drop);
            }
        }
        if let Some(exchange) = &mut self.list.list {
            if let Some(result) = exchange.value(input) {
                let id = exchange.id;
                self.list.list = None;
                self.list.next_request = Some(now + LIST_INTERVAL);
                match result {
                    Ok(infos) => self.on_list(outbox, now, infos)?,
                    Err(error) => self.on_list_error(outbox, now, id, error),
                }
                if self.has_ending_logs() {
                    self.list.next_request = Some(now + ENDING_LIST_INTERVAL);
                }
            }
        }
        Ok(())
    }

    /// Logs have ended of which the list has to show that their instances have, too.
    fn has_ending_logs(&self) -> bool {
        self.logs.values().flatten().any(StreamFollower::is_ending)
    }

    /// The log of the hub, when all instances have ended: the time since which it is silent, and if
    /// its head has come.
    fn hub_log_idle_since(&self) -> Option<(Duration, bool)> {
        self.all_ended_at?;
        self.logs.get(&None)?.as_ref()?.idle_since()
    }

    /// When the log of the hub has said all about instances that have ended.
    fn hub_log_complete_at(&self) -> Option<Duration> {
        let (ended, (last, headed)) = (self.all_ended_at?, self.hub_log_idle_since()?);
        Some(match headed {
            true => {
                let since = ended.max(self.waiting_since);
                (last.max(since) + GRACE_PERIOD).min(since + MAX_GRACE_PERIOD)
            }
            false => last + IDLE_LIMIT,
        })
    }

    /// Takes the results of all logs.
    fn collect_results(&mut self, outbox: &mut Outbox, now: Duration) {
        for (id, slot) in &mut self.logs {
            while let Some(log) = slot {
                match log.step(outbox, now) {
                    None => break,
                    Some(Ok(Followed::Item(line))) => {
                        let instance = match (id, &self.only) {
                            (Some(id), _) => Some(id.clone()),
                            (None, None) => line.instance_id(),
                            (None, Some(of)) => of.iter().find(|id| line.is_about(id)).cloned(),
                        };
                        let item = instance.map(|instance| InstanceLogLine { instance, line });
                        self.ready.extend(item.map(|item| Ok(Followed::Item(item))));
                    }
                    Some(Ok(Followed::Gap {
                        instance,
                        error,
                        attempts,
                        lasted,
                    })) => {
                        self.ready.push_back(Ok(Followed::Gap {
                            instance,
                            error,
                            attempts,
                            lasted,
                        }));
                    }
                    Some(Ok(Followed::Opened)) => self.ready.push_back(Ok(Followed::Opened)),
                    Some(Ok(Followed::End)) => {
                        self.done |= id.is_none();
                        *slot = None;
                    }
                    Some(Err(error)) => {
                        self.done |= log.is_done();
                        self.ready.push_back(Err(error));
                    }
                }
            }
        }
        if !self.opening.is_empty() {
            let log = |id: &InstanceId| self.logs.get(&Some(id.clone()))?.as_ref();
            let is_opening = |id: &InstanceId| log(id).is_some_and(StreamFollower::is_opening);
            self.opening.retain(is_opening);
            if self.opening.is_empty() {
                self.ready.push_front(Ok(Followed::Opened));
            }
        }
        // Of given instances, those that are not listed any more leave nothing to wait for.
        let gone = |id: &Option<InstanceId>| id.as_ref().is_some_and(|id| !self.alive.contains(id));
        self.logs.retain(|id, log| log.is_some() || !gone(id));
        self.done |= self.has_list && self.only.is_some() && self.logs.is_empty();
    }

    /// The next result. What the logs have to say waits until all are open.
    fn next_result(&mut self) -> Outcome<Followed<InstanceLogLine>> {
        if !self.opening.is_empty() && !self.done {
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
            let logs = self.logs.values_mut().flatten();
            logs.for_each(|log| log.restart_idle_time(now));
        }
        if self.cancelled {
            return Some(Err(FlowError::Cancelled));
        }
        if self.list.next_request.is_some_and(|next| next <= now) && !self.list.is_pending() {
            match outbox.send(&ListInstances, Some(RESPONSE_TIMEOUT)) {
                Ok(exchange) => self.list.list = Some(exchange),
                Err(error) => self.fail(error.into()),
            }
        }
        if self.hub_log_complete_at().is_some_and(|time| time <= now) {
            let log = self.logs.get_mut(&None).and_then(Option::as_mut);
            log.into_iter()
                .for_each(|log| log.on_instance_ended(outbox, now));
        }
        self.collect_results(outbox, now);
        self.next_result()
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        // What the log of the hub has to say counts from when it is open.
        if self.all_ended_at.is_some()
            && self.hub_log_idle_since().is_none_or(|(_, headed)| !headed)
        {
            self.all_ended_at = Some(now);
        }
        let ending = self.has_ending_logs();
        for log in self.logs.values_mut().flatten() {
            log.handle(outbox, now, input);
        }
        if self.has_ending_logs() && !ending {
            self.list.next_request = Some(now);
        }
        if let Err(error) = self.handle_list(outbox, now, input) {
            self.fail(error.into());
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        let list = self.list.next_request.filter(|_| !self.list.is_pending());
        let logs = self.logs.values().flatten().filter_map(SubFlow::next_wake);
        logs.chain(list).chain(self.hub_log_complete_at()).min()
    }

    fn cancel(&mut self, _: &mut Outbox, _: Duration) {
        self.cancelled = true;
    }
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used, reason = "tests")]
mod tests {
    use alloc::format;

    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::flow::{Command, Flow};
    use crate::{Dialect, Version};

    /// The flow for an instance `i` of a hub of 1.x that has ended; the log of the hub is open.
    struct Ended {
        flow: FollowLogs,
        log: ExchangeId,
    }

    impl Ended {
        fn new() -> Self {
            let endpoint = Endpoint::new("http://hub.invalid/api/v1").unwrap();
            let endpoint = endpoint.with_dialect(Dialect::of(Version::new(1, 0, 1)));
            let flow = FollowLogs::of(endpoint, [InstanceId::new("i").unwrap()]).unwrap();
            let log = ExchangeId(0);
            let mut ended = Self { flow, log };
            let list = ended.sent("/instances");
            ended.head(list);
            ended.body(
                0,
                list,
                r#"[{"id":"i","ended":"2026-11-23T19:32:11.613Z"}]"#,
            );
            ended.flow.handle(Duration::ZERO, Input::End { id: list });
            ended.log = ended.sent("/log");
            ended.head(ended.log);
            assert!(matches!(ended.poll(0), Some(Followed::Opened)));
            ended
        }

        fn sent(&mut self, path: &str) -> ExchangeId {
            match self.flow.poll(Duration::ZERO) {
                Command::Send(send) => {
                    assert!(send.request.uri().path().ends_with(path), "{send:?}");
                    send.id
                }
                other => panic!("{other:?}"),
            }
        }

        fn head(&mut self, id: ExchangeId) {
            let (status, headers) = (StatusCode::OK, &HeaderMap::new());
            let reason = "OK";
            let head = Input::Head {
                id,
                status,
                reason,
                headers,
            };
            self.flow.handle(Duration::ZERO, head);
        }

        fn body(&mut self, millis: u64, id: ExchangeId, text: &str) {
            let bytes = text.as_bytes();
            let body = Input::Body { id, bytes };
            self.flow.handle(Duration::from_millis(millis), body);
        }

        fn line(&mut self, millis: u64, instance: &str) {
            let line = format!("{{\"msg\":\"m\",\"Runner\":{{\"id\":\"{instance}\"}}}}\n");
            self.body(millis, self.log, &line);
        }

        /// The next result, if there is one.
        fn poll(&mut self, millis: u64) -> Option<Followed<InstanceLogLine>> {
            loop {
                match self.flow.poll(Duration::from_millis(millis)) {
                    Command::Done(result) => return Some(result.unwrap()),
                    Command::Wait { .. } => return None,
                    Command::Send(_) | Command::Abort(_) => {}
                }
            }
        }

        /// The time until which it waits, in steps of a tenth of a second, with such a line in
        /// each.
        fn ends(&mut self, from: u64, chatter: Option<&str>) -> u64 {
            let mut times = (from..from + 20_000).step_by(100);
            let ends = times.find(|&time| {
                chatter.into_iter().for_each(|other| self.line(time, other));
                match self.poll(time) {
                    Some(Followed::End) => true,
                    None => false,
                    other => panic!("{other:?}"),
                }
            });
            ends.unwrap()
        }
    }

    #[test]
    fn follow_logs_of_ends_a_second_after_the_last_line() {
        let mut ended = Ended::new();
        ended.line(400, "i");
        assert!(matches!(ended.poll(400), Some(Followed::Item(_))));
        assert_eq!(ended.ends(400, None), 1400);
    }

    #[test]
    fn follow_logs_of_reads_on_after_a_caller_has_taken_its_time() {
        let mut ended = Ended::new();
        for time in [0, 10_000, 20_000] {
            // The driver had it before, and hands it in when the flow waits.
            assert!(ended.poll(time).is_none());
            ended.line(time, "i");
            assert!(matches!(ended.poll(time), Some(Followed::Item(_))));
        }
        assert_eq!(ended.ends(30_000, None), 31_000);
    }

    #[test]
    fn follow_logs_of_ends_although_others_log_without_a_pause() {
        assert_eq!(Ended::new().ends(0, Some("other")), 5500);
    }
}
