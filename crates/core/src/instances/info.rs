use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{Extra, InstanceId, InstanceStatus, RunnerExit, SequenceId, SequenceInfo, Timestamp};

/// An instance as the hub describes it.
///
/// Whether it has ended is told by [`ended`](Self::ended) and [`terminated`](Self::terminated), not by its status: a hub sets the
/// status of an ended instance back when it is told to stop it. Hubs before 0.27.0 forget an instance when it ends.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InstanceInfo {
    /// The instance's id.
    pub id: InstanceId,
    /// What it is an instance of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<SequenceRef>,
    /// Where it is in its life. 0.18.7 does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<InstanceStatus>,
    /// The configuration that it was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_config: Option<Value>,
    /// The arguments that it was started with. 0.18.7 calls them `sequenceArgs`. Hubs take other
    /// values than arrays as well, such as a text; one of those is the only item here.
    #[serde(
        default,
        alias = "sequenceArgs",
        deserialize_with = "arguments",
        skip_serializing_if = "Option::is_none"
    )]
    pub args: Option<Vec<Value>>,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// How it ended. Since 0.27.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminated: Option<Terminated>,
    /// All further members: `ports`, and the topics that it `provides` and `requires`.
    #[serde(flatten)]
    pub extra: Extra,
}

fn arguments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Value>>, D::Error> {
    Value::deserialize(deserializer).map(|args| match args {
        Value::Null => None,
        Value::Array(args) => Some(args),
        other => Some(Vec::from([other])),
    })
}

/// Without the values of its configuration and arguments, which may be secrets.
impl fmt::Debug for InstanceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = || format_args!("***");
        f.debug_struct("InstanceInfo")
            .field("id", &self.id)
            .field("sequence", &self.sequence)
            .field("status", &self.status)
            .field("app_config", &self.app_config.as_ref().map(|_| hidden()))
            .field("args", &self.args.as_ref().map(|_| hidden()))
            .field("created", &self.created)
            .field("started", &self.started)
            .field("ended", &self.ended)
            .field("terminated", &self.terminated)
            .field("extra", &self.extra)
            .finish()
    }
}

/// What an instance is an instance of: newer hubs describe the sequence, older ones give its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SequenceRef {
    /// The sequence's id.
    Id(SequenceId),
    /// The sequence.
    Info(Box<SequenceInfo>),
}

impl SequenceRef {
    /// The sequence's id.
    #[must_use]
    pub fn id(&self) -> &SequenceId {
        match self {
            Self::Id(id) => id,
            Self::Info(info) => &info.id,
        }
    }
}

/// How an instance ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Terminated {
    /// The exit code of its runner. quirk (1.x): `-1` for a normal end; 137 killed, 138 stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exitcode: Option<i64>,
    /// The reason in words, for example `Instance stopped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Terminated {
    /// What the exit code means.
    #[must_use]
    pub fn exit(&self) -> Option<RunnerExit> {
        self.exitcode.map(RunnerExit::from)
    }
}

/// What a hub answers when it was told to stop or kill an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum StopReply {
    /// The instance as it is then. Since 0.28.2.
    Info(Box<InstanceInfo>),
    /// Anything else that means yes: `{"opStatus":"OK"}`, or `null` for nothing.
    Bare(Value),
}

impl StopReply {
    /// The instance as it is then, where the hub says.
    #[must_use]
    pub fn info(&self) -> Option<&InstanceInfo> {
        match self {
            Self::Info(info) => Some(info),
            Self::Bare(_) => None,
        }
    }
}
