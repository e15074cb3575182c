//! One log of many instances.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use super::call::{Call, CallError, Outbox, Part, Whole, flow};
use super::follow::{Followed, Following};
use super::{ExchangeId, FlowError, Input, Outcome};
use crate::{
    Ended, Endpoint, GetInstance, InstanceId, InstanceInfo, Json, JsonLines, ListInstances,
    LogLine, RequestError,
};

/// The time between two lists of instances. New instances and ends are noticed that late.
const TICK: Duration = Duration::from_secs(1);

/// The same after a log has ended: the list shows a moment later that its instance has, too.
const ENDING_TICK: Duration = Duration::from_millis(100);

/// How long the hub has to answer a question.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// If the list does not come, logs that were silent for so long are opened again.
const SILENCE: Duration = Duration::from_secs(2);

/// After the end of the last instance, a silence of this length means that its lines are all there.
const ECHO: Duration = Duration::from_millis(500);

/// Other instances may leave no silence: this long without a line of one that is followed is
/// enough.
const LONGEST_ECHO: Duration = Duration::from_secs(5);

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
    FollowLogs(Logs) -> Followed<InstanceLogLine>
}

impl FollowLogs {
    /// Follows the logs of all instances, also of those that are started later. It never ends.
    ///
    /// # Errors
    /// The version of the hub is not known.
    pub fn all(endpoint: Endpoint) -> Result<Self, RequestError> {
        Self::new(endpoint, None)
    }

    /// Follows the logs of these instances, and ends when all of them have ended. An instance that
    /// the hub does not know at the beginning is an error.
    ///
    /// # Errors
    /// The version of the hub is not known.
    pub fn of(
        endpoint: Endpoint,
        ids: impl IntoIterator<Item = InstanceId>,
    ) -> Result<Self, RequestError> {
        Self::new(endpoint, Some(ids.into_iter().collect()))
    }

    fn new(endpoint: Endpoint, of: Option<BTreeSet<InstanceId>>) -> Result<Self, RequestError> {
        let dialect = endpoint.known_dialect("follow logs")?;
        let mut logs = Logs {
            of,
            in_one: dialect.remembers_ended_instances(),
            logs: BTreeMap::new(),
            listed: BTreeSet::new(),
            opening: BTreeSet::new(),
            list: List::default(),
            began: false,
            all_ended: None,
            told: false,
            waits_since: Duration::ZERO,
            ready: VecDeque::new(),
            over: false,
            given_up: false,
        };
        match &logs.of {
            // The log of the hub tells of new instances and cannot end: nothing is to be asked.
            None if logs.in_one => {
                logs.began = true;
                logs.logs.insert(None, Some(Following::hub_log()));
            }
            Some(none) if none.is_empty() => {
                logs.ready.push_back(Ok(Followed::Opened));
                logs.over = true;
            }
            _ => logs.list.next = Some(Duration::ZERO),
        }
        Ok(Self(Whole::new(endpoint, logs)))
    }
}

#[derive(Debug)]
struct Logs {
    /// The instances that are followed. `None`: all.
    of: Option<BTreeSet<InstanceId>>,
    /// The log of the hub has the lines of all instances.
    in_one: bool,
    /// The log of the hub, without a key; or those of instances, of which the ones that are over
    /// stay as `None` for as long as the instance is listed.
    logs: BTreeMap<Option<InstanceId>, Option<Following<JsonLines<LogLine>>>>,
    /// The instances that live, as of the last list.
    listed: BTreeSet<InstanceId>,
    /// The instances of the first list whose logs are not open yet. Results wait for them.
    opening: BTreeSet<InstanceId>,
    list: List,
    began: bool,
    /// All instances that are followed have ended, and the log of the hub was open since then.
    all_ended: Option<Duration>,
    /// Something was told since the flow waited last.
    told: bool,
    /// When the caller had taken all that was told. While it did, more may have come to the driver.
    waits_since: Duration,
    ready: VecDeque<Result<Followed<InstanceLogLine>, FlowError>>,
    over: bool,
    given_up: bool,
}

/// Asks for the list of instances.
#[derive(Debug, Default)]
struct List {
    /// The time of the next question; `None` if there is to be none.
    next: Option<Duration>,
    asking: Option<Call<Json<Vec<InstanceInfo>>>>,
    /// Asks for an instance that the first list did not have: its refusal says so in the hub's
    /// words.
    missing: Option<Call<Json<InstanceInfo>>>,
}

impl List {
    fn is_asking(&self) -> bool {
        self.asking.is_some() || self.missing.is_some()
    }
}

impl Logs {
    fn fail(&mut self, error: FlowError) {
        self.ready.push_back(Err(error));
        self.over = true;
    }

    /// The list has come.
    fn listed(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        infos: Vec<InstanceInfo>,
    ) -> Result<(), RequestError> {
        if !self.began {
            let mut ids = self.of.iter().flatten();
            if let Some(id) = ids.find(|id| infos.iter().all(|info| info.id != **id)) {
                let missing = outbox.send(&GetInstance { id }, Some(ANSWER_LIMIT))?;
                self.list.missing = Some(missing);
                return Ok(());
            }
        }
        let alive = infos.into_iter().filter_map(|info| Ended::of(info).err());
        self.listed = alive.map(|info| info.id).collect();
        let begins = !core::mem::replace(&mut self.began, true);
        if self.in_one {
            if begins {
                self.logs.insert(None, Some(Following::hub_log()));
            }
            let mut ids = self.of.iter().flatten();
            if !ids.any(|id| self.listed.contains(id)) {
                self.all_ended = Some(now);
                self.list.next = None;
            }
            return Ok(());
        }
        let new = match &self.of {
            None => &self.listed,
            Some(of) => of,
        };
        if begins || self.of.is_none() {
            for id in new {
                let log = || Some(Following::log_of_listed(id.clone()));
                self.logs.entry(Some(id.clone())).or_insert_with(log);
            }
        }
        if begins {
            self.opening.clone_from(new);
            if new.is_empty() {
                self.ready.push_back(Ok(Followed::Opened));
            }
        }
        let listed = &self.listed;
        let lives = |id: &Option<InstanceId>| id.as_ref().is_none_or(|id| listed.contains(id));
        self.logs.retain(|id, log| log.is_some() || lives(id));
        for (id, log) in &mut self.logs {
            match log {
                Some(log) if lives(id) => log.alive(now),
                Some(log) => log.ended(outbox, now),
                None => {}
            }
        }
        Ok(())
    }

    /// The list has not come.
    fn unlisted(&mut self, outbox: &mut Outbox, now: Duration, id: ExchangeId, error: CallError) {
        let refused = error.api().is_some() && !error.has_status(404);
        let fails = refused && !error.may_succeed_later();
        if !self.began || fails || error.is_encoded() {
            return self.fail(error.of(id));
        }
        if self.in_one {
            // The log of the hub has a question of its own.
            return;
        }
        for log in self.logs.values_mut().flatten() {
            let silent = |(last, _): (Duration, bool)| last + SILENCE <= now;
            if log.quiet_since().is_some_and(silent) {
                log.unanswered(outbox, now, &error);
            }
        }
    }

    /// Takes in what has come of a question.
    fn answered(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        input: &Input<'_>,
    ) -> Result<(), RequestError> {
        if let Some(call) = &mut self.list.missing {
            if let Some(result) = call.value(input) {
                let id = call.id;
                self.list.missing = None;
                // It was started in this moment: the next list has it.
                result.map_or_else(|error| self.fail(error.of(id)), drop);
            }
        }
        if let Some(call) = &mut self.list.asking {
            if let Some(result) = call.value(input) {
                let id = call.id;
                self.list.asking = None;
                self.list.next = Some(now + TICK);
                match result {
                    Ok(infos) => self.listed(outbox, now, infos)?,
                    Err(error) => self.unlisted(outbox, now, id, error),
                }
                if self.are_ending() {
                    self.list.next = Some(now + ENDING_TICK);
                }
            }
        }
        Ok(())
    }

    /// Logs have ended of which the list has to show that their instances have, too.
    fn are_ending(&self) -> bool {
        self.logs.values().flatten().any(Following::is_ending)
    }

    /// The log of the hub, when all instances have ended: the time since which it is silent, and if
    /// its head has come.
    fn silence(&self) -> Option<(Duration, bool)> {
        self.all_ended?;
        self.logs.get(&None)?.as_ref()?.quiet_since()
    }

    /// When the log of the hub has said all about instances that have ended.
    fn complete_at(&self) -> Option<Duration> {
        let (ended, (last, headed)) = (self.all_ended?, self.silence()?);
        Some(match headed {
            true => {
                let since = ended.max(self.waits_since);
                (last.max(since) + ECHO).min(since + LONGEST_ECHO)
            }
            false => last + SILENCE,
        })
    }

    /// Takes the results of all logs.
    fn collect(&mut self, outbox: &mut Outbox, now: Duration) {
        for (id, slot) in &mut self.logs {
            while let Some(log) = slot {
                match log.step(outbox, now) {
                    None => break,
                    Some(Ok(Followed::Item(line))) => {
                        let instance = match (id, &self.of) {
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
                        self.over |= id.is_none();
                        *slot = None;
                    }
                    Some(Err(error)) => {
                        self.over |= log.is_over();
                        self.ready.push_back(Err(error));
                    }
                }
            }
        }
        if !self.opening.is_empty() {
            let log = |id: &InstanceId| self.logs.get(&Some(id.clone()))?.as_ref();
            let is_opening = |id: &InstanceId| log(id).is_some_and(Following::is_opening);
            self.opening.retain(is_opening);
            if self.opening.is_empty() {
                self.ready.push_front(Ok(Followed::Opened));
            }
        }
        // Of given instances, those that are not listed any more leave nothing to wait for.
        let gone =
            |id: &Option<InstanceId>| id.as_ref().is_some_and(|id| !self.listed.contains(id));
        self.logs.retain(|id, log| log.is_some() || !gone(id));
        self.over |= self.began && self.of.is_some() && self.logs.is_empty();
    }

    /// The next result. What the logs have to say waits until all are open.
    fn next(&mut self) -> Outcome<Followed<InstanceLogLine>> {
        if !self.opening.is_empty() && !self.over {
            return None;
        }
        let next = self.ready.pop_front();
        self.told |= next.is_some();
        next.or_else(|| self.over.then_some(Ok(Followed::End)))
    }
}

impl Part for Logs {
    type Value = Followed<InstanceLogLine>;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Self::Value> {
        if let Some(next) = self.next() {
            return Some(next);
        }
        if core::mem::take(&mut self.told) {
            self.waits_since = now;
            let logs = self.logs.values_mut().flatten();
            logs.for_each(|log| log.waits_again(now));
        }
        if self.given_up {
            return Some(Err(FlowError::GivenUp));
        }
        if self.list.next.is_some_and(|next| next <= now) && !self.list.is_asking() {
            match outbox.send(&ListInstances, Some(ANSWER_LIMIT)) {
                Ok(call) => self.list.asking = Some(call),
                Err(error) => self.fail(error.into()),
            }
        }
        if self.complete_at().is_some_and(|time| time <= now) {
            let log = self.logs.get_mut(&None).and_then(Option::as_mut);
            log.into_iter().for_each(|log| log.ended(outbox, now));
        }
        self.collect(outbox, now);
        self.next()
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        // What the log of the hub has to say counts from when it is open.
        if self.all_ended.is_some() && self.silence().is_none_or(|(_, headed)| !headed) {
            self.all_ended = Some(now);
        }
        let ending = self.are_ending();
        for log in self.logs.values_mut().flatten() {
            log.handle(outbox, now, input);
        }
        if self.are_ending() && !ending {
            self.list.next = Some(now);
        }
        if let Err(error) = self.answered(outbox, now, input) {
            self.fail(error.into());
        }
    }

    fn wakes(&self) -> Option<Duration> {
        let list = self.list.next.filter(|_| !self.list.is_asking());
        let logs = self.logs.values().flatten().filter_map(Part::wakes);
        logs.chain(list).chain(self.complete_at()).min()
    }

    fn give_up(&mut self, _: &mut Outbox, _: Duration) {
        self.given_up = true;
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
