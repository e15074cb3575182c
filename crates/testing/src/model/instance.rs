//! Instances: what a hub knows of them, and how they end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::events::Events;
use super::pipe::{PipeId, ReaderId, Utf8};
use super::process::{Mind, Output};
use super::{ExchangeId, InstanceKey};

/// All instances that anybody may still ask for, in the order of their starts.
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

    /// The instances that the hub shows.
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

    /// The instances that read or write a topic.
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

/// An instance.
pub(super) struct Instance {
    pub(super) key: InstanceKey,
    pub(super) id: String,
    pub(super) sequence: String,
    /// What the info of 1.x says of the sequence.
    pub(super) sequence_info: Value,
    pub(super) app_config: Option<Value>,
    pub(super) args: Option<Value>,
    pub(super) provides: Option<String>,
    pub(super) requires: Option<String>,
    pub(super) created: Duration,
    pub(super) started: Option<Duration>,
    pub(super) ended: Option<Duration>,
    pub(super) status: &'static str,
    pub(super) terminated: Option<(i64, &'static str)>,
    pub(super) listed: bool,
    pub(super) stage: Stage,
    pub(super) death: Option<Death>,
    /// The hub forgets it soon after its end.
    pub(super) remove_immediately: bool,
    /// The first 15 seconds after its end are over.
    pub(super) lingered: bool,
    pub(super) stop: Option<Stop>,
    pub(super) input: SequenceInput,
    pub(super) stdin: ReadStream,
    pub(super) output: PipeId,
    pub(super) output_topic: Option<PipeId>,
    pub(super) stdout: PipeId,
    pub(super) stderr: PipeId,
    pub(super) log: PipeId,
    pub(super) decoders: Decoders,
    pub(super) events: Events,
    /// The starts that wait for it, and other requests that wait until it is connected.
    pub(super) starts: Vec<ExchangeId>,
    pub(super) waiting: Vec<ExchangeId>,
    pub(super) health: Vec<ExchangeId>,
    pub(super) mind: Mind,
}

/// How far an instance has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Its process has not connected to the hub.
    Connecting,
    /// Its process is connected, and loads the sequence.
    Loading,
    Running,
    /// The sequence has completed, the process stays for some seconds.
    Completed,
    /// The process is gone, and the hub may not know it yet.
    Dead,
}

/// A stop whose timeout is not over.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) can_keep_alive: bool,
    pub(super) kept_alive: bool,
}

/// A stream that the process reads.
#[derive(Debug)]
pub(super) struct ReadStream {
    pub(super) pipe: PipeId,
    pub(super) reader: ReaderId,
    pub(super) ended: bool,
    pub(super) decoder: Utf8,
}

/// The input of the sequence.
#[derive(Debug)]
pub(super) struct SequenceInput {
    pub(super) stream: ReadStream,
    /// What the first request to it said.
    pub(super) content_type: Option<String>,
    /// The topic that it comes from instead.
    pub(super) topic: Option<(PipeId, ReaderId)>,
    /// It comes from a topic, connected or not.
    pub(super) from_topic: bool,
    /// 0.18: the error about the ended input was told once.
    pub(super) told_end: bool,
}

/// For each stream that the process writes.
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

/// The ways in which a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    Completed,
    Killed,
    Stopped,
    /// Killed twice, or removed by force after it did not react.
    Forced,
    /// By itself with a code, or by a signal from outside.
    Exited,
    Uncaught,
    FailedToLoad,
    Threw,
}

/// What a hub of 1.x makes of a death.
pub(super) struct Verdict {
    pub(super) exit_code: i64,
    pub(super) reason: &'static str,
    pub(super) status: &'static str,
    /// The info has a time of the end.
    pub(super) has_end: bool,
    /// The streams stay open until the instance is forgotten, and inputs are taken and lost.
    pub(super) leaves_streams_open: bool,
    /// The instance is forgotten soon, whatever was said.
    pub(super) is_forgotten_soon: bool,
}

impl Death {
    pub(super) fn verdict(self) -> Verdict {
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
        Verdict {
            exit_code,
            reason,
            status,
            has_end: !at_once,
            leaves_streams_open: self == Self::Uncaught,
            is_forgotten_soon: at_once,
        }
    }
}

impl Instance {
    /// Where the process reads its input from.
    pub(super) fn input_source(&self) -> (PipeId, ReaderId) {
        self.input
            .topic
            .unwrap_or((self.input.stream.pipe, self.input.stream.reader))
    }

    /// The process is gone, or will be without another word.
    pub(super) fn is_dead(&self) -> bool {
        self.stage == Stage::Dead
    }

    pub(super) fn leaves_streams_open(&self, is_v1: bool) -> bool {
        is_v1
            && self
                .death
                .is_some_and(|death| death.verdict().leaves_streams_open)
    }

    /// It keeps its sequence from being deleted.
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
            info["started"] = iso(started).into();
        }
        let members = [
            ("appConfig", &self.app_config),
            ("sequenceArgs", &self.args),
        ];
        insert(&mut info, members);
        info
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
        let text = |value: &Option<String>| value.clone().map(Value::from);
        let (provides, requires) = (text(&self.provides), text(&self.requires));
        let started = self.started.map(|time| iso(time).into());
        let ended = self.ended.map(|time| iso(time).into());
        let members = [("provides", &provides), ("requires", &requires)];
        insert(&mut info, members);
        insert(&mut info, [("started", &started), ("ended", &ended)]);
        if let Some((exit_code, reason)) = self.terminated {
            info["terminated"] = json!({ "exitcode": exit_code, "reason": reason });
        }
        info
    }
}

fn insert<const N: usize>(info: &mut Value, members: [(&str, &Option<Value>); N]) {
    for (name, value) in members {
        if let Some(value) = value {
            info[name] = value.clone();
        }
    }
}
