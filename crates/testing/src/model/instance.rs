//! Instances, as a hub knows them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::events::Events;
use super::items::Decoder;
use super::pipe::{PipeId, ReaderId};
use super::process::{Output, Runner};
use super::utf8::Utf8;
use super::{ExchangeId, InstanceKey, javascript};

/// All instances that the hub has not forgotten, in the order of their starts.
#[derive(Default)]
pub(super) struct Instances {
    all: BTreeMap<InstanceKey, Instance>,
    next: u64,
}

impl Instances {
    pub(super) fn next_key(&mut self) -> InstanceKey {
        self.next += 1;
        InstanceKey(self.next)
    }

    pub(super) fn add(&mut self, instance: Instance) {
        self.all.insert(instance.key, instance);
    }

    pub(super) fn get(&self, key: InstanceKey) -> Option<&Instance> {
        self.all.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: InstanceKey) -> Option<&mut Instance> {
        self.all.get_mut(&key)
    }

    pub(super) fn remove(&mut self, key: InstanceKey) -> Option<Instance> {
        self.all.remove(&key)
    }

    /// Makes this the listed one of the instances with this id.
    pub(super) fn list(&mut self, key: InstanceKey, id: &str) {
        for instance in self.all.values_mut().filter(|one| one.id == id) {
            instance.listed = instance.key == key;
        }
    }

    /// Returns the instances that the hub lists.
    pub(super) fn listed(&self) -> impl Iterator<Item = &Instance> {
        self.all.values().filter(|instance| instance.listed)
    }

    pub(super) fn of_sequence<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Instance> {
        self.listed()
            .filter(move |instance| instance.sequence == id)
    }

    pub(super) fn find(&self, id: &str) -> Option<&Instance> {
        self.listed().find(|instance| instance.id == id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Instance> {
        self.all.values()
    }

    /// Returns the instances that read or write a topic.
    pub(super) fn with_topics(&self) -> Vec<InstanceKey> {
        let touches = |one: &&Instance| one.input.topic.is_some() || one.output_topic.is_some();
        self.all
            .values()
            .filter(touches)
            .map(|instance| instance.key)
            .collect()
    }

    pub(super) fn keys(&self) -> Vec<InstanceKey> {
        self.all.keys().copied().collect()
    }
}

/// An instance of a sequence.
pub(super) struct Instance {
    pub(super) key: InstanceKey,
    pub(super) id: String,
    pub(super) sequence: String,
    /// The member `sequence` of the info of 1.x.
    pub(super) sequence_info: Value,
    pub(super) app_config: Option<Value>,
    pub(super) args: Option<Value>,
    /// The names of the topics of its output and its input. The info shows them even if the
    /// sequence uses no topics.
    pub(super) provides: Option<String>,
    pub(super) requires: Option<String>,
    /// The runner has reported the topic of the input.
    pub(super) knows_input: bool,
    /// The function of the sequence has returned its output.
    pub(super) has_output: bool,
    pub(super) created: Duration,
    pub(super) started: Option<Duration>,
    pub(super) ended: Option<Duration>,
    pub(super) status: &'static str,
    pub(super) terminated: Option<(i64, &'static str)>,
    pub(super) listed: bool,
    pub(super) state: ProcessState,
    pub(super) process_end: Option<ProcessEnd>,
    /// The hub forgets it after [`Times::lingering`](super::Times::lingering).
    pub(super) remove_immediately: bool,
    /// It no longer blocks the deletion of its sequence.
    pub(super) lingered: bool,
    /// The program has called `keepAlive` since the last request to stop.
    pub(super) kept_alive: bool,
    pub(super) input: SequenceInput,
    pub(super) stdin: ReadStream,
    pub(super) output: PipeId,
    pub(super) output_topic: Option<PipeId>,
    pub(super) stdout: PipeId,
    pub(super) stderr: PipeId,
    pub(super) log: PipeId,
    pub(super) decoders: Decoders,
    pub(super) events: Events,
    /// The requests to start it that have no response yet.
    pub(super) pending_starts: Vec<ExchangeId>,
    /// The requests that wait until it has connected.
    pub(super) pending_requests: Vec<ExchangeId>,
    /// The first health report has come.
    pub(super) has_reported: bool,
    /// The requests that wait for the first health report.
    pub(super) pending_health: Vec<ExchangeId>,
    pub(super) runner: Runner,
}

/// The state of the process of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ProcessState {
    /// The process has not connected to the hub.
    Connecting,
    /// The process is connected, and loads the sequence.
    Loading,
    Running,
    /// The sequence has completed. The process stays for some seconds.
    Completed,
    /// The process has exited. The hub may not know it yet.
    Dead,
}

/// A stream that the process reads.
#[derive(Debug)]
pub(super) struct ReadStream {
    pub(super) pipe: PipeId,
    pub(super) reader: ReaderId,
}

/// The input of the sequence.
#[derive(Debug)]
pub(super) struct SequenceInput {
    pub(super) stream: ReadStream,
    /// The content type of the first request to it, or that of its topic.
    pub(super) content_type: Option<String>,
    /// The topic that is read instead of the stream.
    pub(super) topic: Option<(PipeId, ReaderId)>,
    /// The start or the sequence has named a topic for the input.
    pub(super) from_topic: bool,
    /// The time at which a request ended the input.
    pub(super) ended: Option<Duration>,
    /// A request has written to it after its end.
    pub(super) was_written_after_end: bool,
    /// The decoder of items; `None` before the first read with a known content type.
    pub(super) decoder: Option<Decoder>,
}

/// The decoders of the streams that the process writes.
#[derive(Debug, Default)]
pub(super) struct Decoders {
    output: Utf8,
    stdout: Utf8,
    stderr: Utf8,
}

impl Decoders {
    pub(super) fn of(&mut self, output: Output) -> &mut Utf8 {
        match output {
            Output::Output => &mut self.output,
            Output::Stdout => &mut self.stdout,
            Output::Stderr => &mut self.stderr,
        }
    }
}

/// The reason why a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProcessEnd {
    Completed,
    Killed,
    Stopped,
    /// Killed twice, or removed by force after it did not react.
    Forced,
    /// Exited with a code, or by a signal from outside.
    Exited,
    Uncaught,
    FailedToLoad,
    Threw,
}

/// The end of an instance in its info on 1.x, and its consequences.
pub(super) struct EndReport {
    pub(super) exit_code: i64,
    pub(super) reason: &'static str,
    pub(super) status: &'static str,
    /// The info has the time of the end.
    pub(super) has_end: bool,
    /// The streams stay open until the instance is forgotten, and all input is lost.
    pub(super) keeps_streams_open: bool,
    /// The hub forgets the instance after [`Times::lingering`](super::Times::lingering).
    pub(super) is_forgotten_soon: bool,
}

impl ProcessEnd {
    // Rules 9.2, 12
    /// Returns how 1.x reports this end.
    pub(super) fn report(self) -> EndReport {
        let (exit_code, reason, status) = match self {
            Self::Completed => (-1, "Instance completed", "completed"),
            Self::Killed => (137, "Instance killed", "completed"),
            Self::Stopped => (138, "Instance stopped", "completed"),
            Self::Forced | Self::Exited => (213, "Runner failed", "errored"),
            Self::Uncaught => (101, "Runner failed", "errored"),
            Self::FailedToLoad => (22, "Sequence failed on start", "errored"),
            Self::Threw => (23, "Sequence failed during execution", "errored"),
        };
        let at_once = matches!(self, Self::FailedToLoad | Self::Threw);
        EndReport {
            exit_code,
            reason,
            status,
            has_end: !at_once,
            keeps_streams_open: self == Self::Uncaught,
            is_forgotten_soon: at_once,
        }
    }
}

impl Instance {
    /// Returns the stream that the process reads as its input.
    pub(super) fn input_reader(&self) -> (PipeId, ReaderId) {
        self.input
            .topic
            .unwrap_or((self.input.stream.pipe, self.input.stream.reader))
    }

    /// Returns `true` if the process has exited.
    pub(super) fn is_dead(&self) -> bool {
        self.state == ProcessState::Dead
    }

    pub(super) fn keeps_streams_open(&self, is_v1: bool) -> bool {
        is_v1
            && self
                .process_end
                .is_some_and(|death| death.report().keeps_streams_open)
    }

    /// Returns `true` if it blocks the deletion of its sequence.
    pub(super) fn blocks_deletion(&self) -> bool {
        !self.lingered
    }

    pub(super) fn info_v0_18(&self, iso: impl Fn(Duration) -> String) -> Value {
        let mut info = json!({
            "created": iso(self.created),
            "id": self.id,
            "sequence": self.sequence,
        });
        if let Some(started) = self.started {
            javascript::set(&mut info, "started", iso(started));
        }
        let members = [
            ("appConfig", &self.app_config),
            ("sequenceArgs", &self.args),
        ];
        insert(&mut info, members);
        info
    }

    /// Returns `provides` and `requires` of the info.
    ///
    /// The runner reports the topic of the input, or `""`, when the sequence is loaded. It reports
    /// that of the output, or `""`, when the function has returned. The second report deletes an
    /// empty `requires`.
    fn topics_shown(&self) -> (Option<Value>, Option<Value>) {
        let shown = |topic: &Option<String>| Some(topic.as_deref().unwrap_or_default().into());
        let has_output = self.knows_input && (self.has_output || self.provides.is_some());
        let provides = has_output.then(|| shown(&self.provides)).flatten();
        let requires = self.knows_input.then(|| shown(&self.requires)).flatten();
        (
            provides,
            requires.filter(|topic| !has_output || *topic != ""),
        )
    }

    pub(super) fn info_v1(&self, iso: impl Fn(Duration) -> String) -> Value {
        let mut info = json!({
            "id": self.id,
            "sequence": self.sequence_info,
            "created": iso(self.created),
            "status": self.status,
        });
        insert(
            &mut info,
            [("appConfig", &self.app_config), ("args", &self.args)],
        );
        let (provides, requires) = self.topics_shown();
        let started = self.started.map(|time| iso(time).into());
        let ended = self.ended.map(|time| iso(time).into());
        let members = [("provides", &provides), ("requires", &requires)];
        insert(&mut info, members);
        insert(&mut info, [("started", &started), ("ended", &ended)]);
        if let Some((exit_code, reason)) = self.terminated {
            javascript::set(
                &mut info,
                "terminated",
                json!({ "exitcode": exit_code, "reason": reason }),
            );
        }
        info
    }
}

fn insert<const N: usize>(info: &mut Value, members: [(&str, &Option<Value>); N]) {
    for (name, value) in members {
        if let Some(value) = value {
            javascript::set(info, name, value.clone());
        }
    }
}
