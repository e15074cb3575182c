use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{
    Extra, InstanceId, InstanceStatus, Json, RunnerExit, SequenceId, SequenceInfo, Timestamp, json,
};

/// The hub's description of an instance.
///
/// An instance has ended if [`ended`](Self::ended) or [`terminated`](Self::terminated) is set. Do
/// not use its status for that: a stop request changes the status of an ended instance back. Hubs
/// before 0.27.0 forget an instance when it ends.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InstanceInfo {
    /// The id of the instance.
    pub id: InstanceId,
    /// The sequence of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<SequenceRef>,
    /// The state of the instance. 0.18.7 does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<InstanceStatus>,
    /// The configuration from the start request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_config: Option<Value>,
    /// The arguments from the start request. 0.18.7 calls them `sequenceArgs`. If the start request
    /// had another value than an array, for example a string, that value is the only item.
    #[serde(
        default,
        alias = "sequenceArgs",
        deserialize_with = "arguments",
        skip_serializing_if = "Option::is_none"
    )]
    pub args: Option<Vec<Value>>,
    /// The time of its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// The time of its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// The time of its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Exit code and reason of its end. Since 0.27.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminated: Option<Terminated>,
    /// All other members: `ports`, and the topics in `provides` and `requires`.
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

/// Hides the configuration and the arguments, which may contain secrets.
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

/// The sequence of an instance. Newer hubs send its description, older ones only its id.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SequenceRef {
    /// The id of the sequence.
    Id(SequenceId),
    /// The description of the sequence.
    Info(Box<SequenceInfo>),
}

/// Unlike a derived implementation, this one needs no buffer. A buffer would double the generated
/// code.
impl<'de> Deserialize<'de> for SequenceRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SequenceRefVisitor)
    }
}

struct SequenceRefVisitor;

impl<'de> Visitor<'de> for SequenceRefVisitor {
    type Value = SequenceRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id or the description of a sequence")
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<SequenceRef, E> {
        SequenceId::deserialize(id.into_deserializer()).map(SequenceRef::Id)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SequenceRef, A::Error> {
        let info = SequenceInfo::deserialize(MapAccessDeserializer::new(map))?;
        Ok(SequenceRef::Info(info.into()))
    }
}

impl SequenceRef {
    /// Returns the id of the sequence.
    #[must_use]
    pub fn id(&self) -> &SequenceId {
        match self {
            Self::Id(id) => id,
            Self::Info(info) => &info.id,
        }
    }
}

/// The end of an instance: exit code and reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Terminated {
    /// The exit code of the runner: 137 killed, 138 stopped. Quirk (1.x): `-1` for a normal end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exitcode: Option<i64>,
    /// The reason, for example `Instance stopped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Terminated {
    /// Returns the meaning of the exit code.
    #[must_use]
    pub fn exit(&self) -> Option<RunnerExit> {
        self.exitcode.map(RunnerExit::from)
    }
}

/// The response to a request to stop or kill an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum StopReply {
    /// The info of the instance. Since 0.28.2.
    Info(Box<InstanceInfo>),
    /// Any other successful response: `{"opStatus":"OK"}`, or `null` for an empty body.
    Bare(Value),
}

impl StopReply {
    /// Returns a decoder that parses the text once for each variant, if necessary. The derived
    /// implementation of `Deserialize` needs a buffer, which would double the generated code.
    #[inline(never)]
    pub(crate) fn decoder() -> Json<Self> {
        Json::parsed_by(|text| {
            json::parse_cut::<InstanceInfo>(text)
                .map(|info| Self::Info(info.into()))
                .or_else(|_| json::parse_cut(text).map(Self::Bare))
        })
    }

    /// Returns the info of the instance, if the hub sent it.
    #[must_use]
    pub fn info(&self) -> Option<&InstanceInfo> {
        match self {
            Self::Info(info) => Some(info),
            Self::Bare(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::assert_round_trip;

    fn instance() -> Value {
        let config = json!({ "name": "n", "version": "1", "engines": {}, "later": 1 });
        let sequence = json!({ "id": "s", "config": config, "instances": ["i"], "later": {} });
        let time = "2026-11-23T19:31:57.434Z";
        json!({
            "id": "i", "sequence": sequence, "status": "frozen", "appConfig": { "a": 1 },
            "args": [null], "created": time, "started": time, "ended": time,
            "terminated": { "exitcode": 77, "reason": "r", "later": 1 }, "provides": "",
            "later": 1,
        })
    }

    #[test]
    fn instance_info_keeps_unknown_members() {
        assert_round_trip::<InstanceInfo>(instance());
        assert_round_trip::<InstanceInfo>(json!({ "id": "i", "sequence": "s", "later": 1 }));
    }

    #[test]
    fn stop_reply_keeps_unknown_members() {
        assert_round_trip::<StopReply>(instance());
        assert_round_trip::<StopReply>(json!({ "opStatus": "OK", "later": 1 }));
        assert_round_trip::<StopReply>(Value::Null);
    }

    #[test]
    fn terminated_exit_returns_the_meaning_of_the_exit_code() {
        let exit = |end| serde_json::from_value::<Terminated>(end).map(|end| end.exit());
        let killed = exit(json!({ "exitcode": 137, "reason": "r" }));
        assert_eq!(killed.ok(), Some(Some(RunnerExit::Killed)));
        assert_eq!(exit(json!({ "reason": "r" })).ok(), Some(None));
    }
}
