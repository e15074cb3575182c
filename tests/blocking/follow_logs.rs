//! `follow_logs` and `follow_logs_of`: one log for many instances.

use std::time::{Duration, Instant};

use scramjet_client_blocking::error::RequestError;
use scramjet_client_blocking::stream::FollowLogs;
use scramjet_client_blocking::{
    CancelToken, Error, ErrorKind, Followed, HostClient, InstanceClient, SequenceClient,
    StartOptions,
};
use scramjet_client_testing::fake_hub::{FakeHub, Fault, Generation};
use scramjet_client_tests::hub::{Hub, SharedHub, shared};
use scramjet_client_tests::link::Link;
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::package;
use scramjet_client_tests::programs::fake_hub;
use serde_json::json;

use crate::helpers::{GENERATIONS, in_parallel, within};
use crate::samples::Uploaded;

/// A combined log, and the items that were read from it.
struct Reader {
    logs: FollowLogs,
    /// Instance ids with their lines.
    lines: Vec<(String, String)>,
    /// The instance of each gap.
    gaps: Vec<Option<String>>,
}

impl Reader {
    fn new(logs: Result<FollowLogs, Error>) -> Self {
        let (lines, gaps) = (Vec::new(), Vec::new());
        let logs = logs.unwrap();
        Self { logs, lines, gaps }
    }

    /// Reads one item. Returns `false` at the end.
    fn read(&mut self) -> bool {
        match self.logs.next().map(Result::unwrap) {
            None => return false,
            Some(Followed::Item(item)) => {
                let line = (item.instance.to_string(), item.line.msg);
                self.lines.push(line);
            }
            Some(Followed::Gap(gap)) => self.gaps.push(gap.instance.map(|id| id.to_string())),
        }
        true
    }

    fn read_until(&mut self, mut holds: impl FnMut(&Self) -> bool) {
        while !holds(self) {
            assert!(self.read(), "the log ended: {:?}", self.lines);
        }
    }

    fn read_until_line(&mut self, instance: &InstanceClient, text: &str) {
        self.read_until(|reader| reader.count(instance, text) > 0);
    }

    fn read_to_the_end(&mut self) {
        while self.read() {}
    }

    /// Returns the lines of an instance that begin with this text.
    fn of<'a>(&'a self, instance: &InstanceClient, begin: &str) -> Vec<&'a str> {
        let id = instance.id().as_str();
        let lines = self.lines.iter().filter(|(of, _)| of == id);
        lines
            .map(|(_, line)| line.as_str())
            .filter(|line| line.starts_with(begin))
            .collect()
    }

    fn count(&self, instance: &InstanceClient, text: &str) -> usize {
        let lines = self.of(instance, text);
        lines.iter().filter(|line| **line == text).count()
    }
}

/// Starts an instance that logs three lines with this name, and keeps running.
fn logging_instance(sequence: &SequenceClient, name: &str) -> InstanceClient {
    let log = |n| json!({ "log": format!("{name} {n}") });
    let wait = json!({ "wait": 50 });
    let steps = json!([log(0), wait, log(1), wait, log(2)]);
    let options = StartOptions::new().app_config(json!({ "steps": steps }));
    sequence.start(&options).unwrap()
}

fn logged_lines(name: &str) -> Vec<String> {
    (0..3).map(|n| format!("{name} {n}")).collect()
}

/// On 0.18, only one reader gets the log of an instance, so this test needs a hub of its own.
fn follow_logs_returns_the_lines_of_all_instances_and_of_new_ones(host: HostClient) {
    within("following", move || {
        let begin = Instant::now();
        let sequence = Uploaded::sample(&host, "acts");
        let first = logging_instance(&sequence, "first");
        let token = CancelToken::new();
        let mut reader = Reader::new(host.with_cancel(&token).follow_logs());
        reader.read_until_line(&first, "first 2");
        let second = logging_instance(&sequence, "second");
        reader.read_until_line(&second, "second 2");
        assert_eq!(reader.of(&first, "first"), logged_lines("first"));
        assert_eq!(reader.of(&second, "second"), logged_lines("second"));
        assert_eq!(reader.of(&first, "second"), [""; 0]);
        assert_eq!(reader.gaps, []);

        token.cancel();
        let error = reader.logs.next().unwrap().unwrap_err();
        assert!(error.is_cancelled(), "{error}");
        assert!(reader.logs.next().is_none());
        println!("followed for {:?}", begin.elapsed());
    });
}

mod follow_logs_returns_the_lines_of_all_instances_and_of_new_ones {
    use super::*;

    fn test(url: &str) {
        let host = HostClient::new(url).unwrap();
        super::follow_logs_returns_the_lines_of_all_instances_and_of_new_ones(host);
    }

    #[test]
    fn on_the_hub() {
        match shared() {
            Some(hub) if SharedHub::is_local(hub) => test(Hub::start().unwrap().url()),
            Some(hub) => test(hub.url()),
            None => {}
        }
    }

    #[test]
    fn on_a_fake_0_18() {
        test(&fake_hub(Generation::V0_18).url());
    }

    #[test]
    fn on_a_fake_1_x() {
        test(&fake_hub(Generation::V1).url());
    }
}

on_each_hub!(follow_logs_of_returns_their_lines_and_ends_with_the_last_instance);
fn follow_logs_of_returns_their_lines_and_ends_with_the_last_instance(host: HostClient) {
    within("following", move || {
        let sequence = Uploaded::sample(&host, "acts");
        let [first, second, other] =
            ["first", "second", "other"].map(|name| logging_instance(&sequence, name));
        // A duplicate id has no effect.
        let ids = [first.id(), second.id(), first.id()];
        let mut reader = Reader::new(host.follow_logs_of(ids));
        reader.read_until_line(&first, "first 2");
        reader.read_until_line(&second, "second 2");
        let begin = Instant::now();
        first.kill(&Default::default()).unwrap();
        second.kill(&Default::default()).unwrap();
        reader.read_to_the_end();
        println!("ended {:?} after the kills", begin.elapsed());
        assert_eq!(reader.of(&first, "first"), logged_lines("first"));
        assert_eq!(reader.of(&second, "second"), logged_lines("second"));
        assert_eq!(reader.of(&other, ""), [""; 0]);
        assert_eq!(reader.gaps, []);
    });
}

/// Starts a hub whose instances log the data of each event `log`.
fn hub_that_logs(generation: Generation) -> FakeHub {
    let hub = fake_hub(generation);
    hub.program("events", |process| {
        process.on("log", |process, data| {
            process.log(data.as_str().unwrap_or_default());
        });
        process.log("begun");
        process.emit("ready", "events");
        process.run_until_killed()
    });
    hub
}

/// Starts two instances on a hub from [`hub_that_logs`].
fn two_instances(hub: &FakeHub) -> [InstanceClient; 2] {
    let sequence = hub.client().send_sequence(package::sequence("events"));
    let sequence = sequence.unwrap();
    [(); 2].map(|()| ready(&sequence))
}

fn ready(sequence: &SequenceClient) -> InstanceClient {
    let instance = sequence.start(&StartOptions::new()).unwrap();
    instance.wait_event("ready").unwrap();
    instance
}

#[test]
fn follow_logs_continues_after_lost_connections_without_repeating_lines() {
    within("following", || {
        in_parallel(GENERATIONS, |generation| {
            let hub = hub_that_logs(generation);
            let instances = two_instances(&hub);
            let link = Link::to(&hub.url());
            let host = HostClient::new(link.url()).unwrap();
            let mut reader = Reader::new(host.follow_logs());
            for round in 0..3 {
                let text = format!("round {round}");
                for instance in &instances {
                    instance.send_event("log", &text).unwrap();
                    reader.read_until_line(instance, &text);
                }
                reader.gaps.clear();
                link.close_connections();
                // On 0.18, the log of each instance has a gap.
                let lost: Vec<_> = match generation {
                    Generation::V0_18 => instances
                        .iter()
                        .map(|instance| Some(instance.id().to_string()))
                        .collect(),
                    _ => vec![None],
                };
                reader.read_until(|reader| lost.iter().all(|id| reader.gaps.contains(id)));
                assert_eq!(reader.gaps.len(), lost.len(), "{:?}", reader.gaps);
            }
            for (round, instance) in
                (0..3).flat_map(|round| instances.each_ref().map(|i| (round, i)))
            {
                let times = reader.count(instance, &format!("round {round}"));
                assert_eq!(times, 1, "{generation:?}, round {round}");
            }
        });
    });
}

#[test]
fn follow_logs_continues_with_the_instances_of_a_restarted_hub() {
    within("following", || {
        in_parallel(GENERATIONS, |generation| {
            let hub = hub_that_logs(generation);
            let [first, second] = two_instances(&hub);
            let mut reader = Reader::new(hub.client().follow_logs());
            let mut ending = Reader::new(hub.client().follow_logs_of([first.id(), second.id()]));
            first.send_event("log", "before").unwrap();
            reader.read_until_line(&first, "before");
            ending.read_until_line(&first, "before");
            hub.restart(true);
            let sequence = hub.sequences().pop().unwrap();
            let third = ready(&hub.client().sequence(sequence).unwrap());
            third.send_event("log", "after").unwrap();
            reader.read_until_line(&third, "after");
            assert!(!reader.gaps.is_empty(), "{generation:?}");
            // The instances from before the restart have ended.
            ending.read_to_the_end();
            assert_eq!(ending.count(&first, "before"), 1, "{generation:?}");
            assert_eq!(ending.of(&third, ""), [""; 0], "{generation:?}");
        });
    });
}

#[test]
fn follow_logs_of_continues_with_the_others_when_an_instance_dies() {
    within("following", || {
        in_parallel(GENERATIONS, |generation| {
            let hub = hub_that_logs(generation);
            let [first, second] = two_instances(&hub);
            let before = hub.requests().len();
            let mut reader = Reader::new(hub.client().follow_logs_of([first.id(), second.id()]));
            first.send_event("log", "last words").unwrap();
            reader.read_until_line(&first, "last words");
            assert!(hub.crash(first.id()));
            // Wait until the client has seen the end of the instance in the list.
            let lists = |hub: &FakeHub| {
                let requests = hub.requests();
                requests
                    .iter()
                    .filter(|line| line.ends_with("/instances"))
                    .count()
            };
            let listed = lists(&hub);
            reader.read_until(|_| {
                second.send_event("log", "still here").unwrap();
                lists(&hub) >= listed + 2
            });
            assert!(hub.crash(second.id()));
            reader.read_to_the_end();
            assert!(reader.count(&second, "still here") > 0, "{generation:?}");

            let requests = hub.requests().split_off(before);
            let logs: Vec<_> = requests
                .iter()
                .filter(|line| line.ends_with("/log"))
                .collect();
            let expected = if generation == Generation::V1 { 1 } else { 2 };
            assert_eq!(logs.len(), expected, "{generation:?}: {logs:?}");
        });
    });
}

#[test]
fn follow_logs_has_opened_the_logs_when_it_returns() {
    within("following", || {
        in_parallel(GENERATIONS, |generation| {
            let hub = hub_that_logs(generation);
            let instances = two_instances(&hub);
            let ids = instances.each_ref().map(InstanceClient::id);
            let mut reader = Reader::new(hub.client().follow_logs_of(ids));
            ids.into_iter().for_each(|id| assert!(hub.crash(id)));
            reader.read_to_the_end();
            for one in &instances {
                assert_eq!(reader.count(one, "begun"), 1, "{generation:?}");
            }
            assert_eq!(reader.gaps, [], "{generation:?}");
        });
    });
}

/// On 0.18, one thread reads all logs and requests the list. Each line interrupts that request.
#[test]
fn follow_logs_finds_new_instances_while_others_log_without_a_pause() {
    within("following", || {
        let hub = hub_that_logs(Generation::V0_18);
        hub.program("stays", |process| {
            loop {
                process.log("chatter");
                process.sleep(Duration::from_millis(2))?;
            }
        });
        let host = hub.client();
        let sequence = host.send_sequence(package::sequence("stays")).unwrap();
        sequence.start(&StartOptions::new()).unwrap();
        let mut reader = Reader::new(host.follow_logs());
        hub.fault(
            Fault::delay(Duration::from_millis(100))
                .on("GET", "instances")
                .always(),
        );
        let sequence = host.send_sequence(package::sequence("events")).unwrap();
        let instance = sequence.start(&StartOptions::new()).unwrap();
        instance.send_event("log", "found").unwrap();
        reader.read_until_line(&instance, "found");
    });
}

#[test]
fn follow_logs_respects_the_deadline_and_idle_timeout_of_the_handle() {
    within("following", || {
        in_parallel(GENERATIONS, |generation| {
            let hub = hub_that_logs(generation);
            let [first, second] = two_instances(&hub);
            let host = hub.client();

            let limit = Duration::from_millis(300);
            let begin = Instant::now();
            let mut logs = host.with_deadline(limit).follow_logs().unwrap();
            let error = logs.find_map(Result::err).unwrap();
            let is_deadline = matches!(error.kind(), ErrorKind::Deadline { .. });
            assert!(is_deadline && begin.elapsed() >= limit, "{error}");
            assert!(logs.next().is_none());

            // An idle timeout is reported, and following continues.
            let host = host.with_idle_timeout(Duration::from_millis(100));
            let mut reader = Reader::new(host.follow_logs_of([first.id(), second.id()]));
            let error = reader.logs.find_map(Result::err).unwrap();
            assert!(matches!(error.kind(), ErrorKind::Idle { .. }), "{error}");
            second.send_event("log", "awake").unwrap();
            let mut items = reader.logs.by_ref().filter_map(Result::ok);
            let awake = items.any(|item| {
                matches!(item, Followed::Item(item) if item.line.msg == "awake"
                    && item.instance == *second.id())
            });
            assert!(awake, "{generation:?}");
        });
    });
}

#[test]
fn follow_logs_of_an_unknown_instance_is_not_found() {
    within("following", || {
        in_parallel(GENERATIONS, |generation| {
            let hub = hub_that_logs(generation);
            let [first, second] = two_instances(&hub);
            let host = hub.client();
            let error = host.follow_logs_of([first.id().as_str(), "no-such-instance"]);
            let error = error.unwrap_err();
            assert!(error.is_not_found(), "{error}");
            assert!(error.to_string().contains("no-such-instance"), "{error}");

            // Hubs of 0.18 forget an instance when it ends.
            assert!(hub.crash(second.id()));
            second.wait_ended().unwrap();
            let ended = host.follow_logs_of([second.id()]);
            match generation {
                Generation::V0_18 => assert!(ended.unwrap_err().is_not_found()),
                _ => Reader::new(ended).read_to_the_end(),
            }

            let before = hub.requests().len();
            let error = host.follow_logs_of(["a/b"]).unwrap_err();
            let is_segment = |error: &RequestError| error.to_string().contains("instance id");
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::Request(error) if is_segment(error)),
                "{error}"
            );
            // An empty list of ids ends at once.
            assert!(host.follow_logs_of([""; 0]).unwrap().next().is_none());
            assert_eq!(hub.requests().len(), before, "{:?}", hub.requests());
        });
    });
}
