use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::headers::json;
use crate::operation::{Inline, inline_json};
use crate::{
    Dialect, Extra, InstanceId, InstanceStatus, Json, Operation, Path, RequestError, SequenceId,
    Version,
};

/// `POST /sequence/:id/start`: starts an instance of a sequence. The hub answers when the instance's process has connected to it.
///
/// The answer says little: a sequence that throws while it loads is also answered with success, and its instance ends at once.
/// quirk (0.18.7): a `main` that does not exist, and two `engines`, are never answered.
#[derive(Clone, Copy, Debug)]
pub struct StartSequence<'a> {
    /// The sequence.
    pub id: &'a SequenceId,
    /// How to start it.
    pub options: &'a StartOptions,
}

impl Operation for StartSequence<'_> {
    const NAME: &'static str = "start sequence";
    const METHOD: Method = Method::POST;
    type Payload = Inline;
    type Decoder = Json<Started>;

    fn path(&self) -> Path {
        Path::new("sequence")
            .value(SequenceId::WHAT, self.id.as_str())
            .literal("start")
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        json(headers);
        Ok(())
    }

    fn needs_dialect(&self) -> bool {
        LATER_OPTIONS
            .iter()
            .any(|(name, ..)| self.options.members.contains_key(*name))
    }

    fn payload(&self, dialect: Dialect) -> Result<Inline, RequestError> {
        for (name, what, since) in LATER_OPTIONS {
            if self.options.members.contains_key(name) {
                dialect.require(what, since)?;
            }
        }
        self.options.to_body()
    }
}

/// Options that older hubs ignore without a word, and since when they do not. (Hubs up to 0.18.7 surely ignore `limits`.)
const LATER_OPTIONS: [(&str, &str, Version); 4] = [
    (
        "instanceId",
        "start sequence with instanceId",
        Dialect::INSTANCE_IDS,
    ),
    (
        "inputTopic",
        "start sequence with inputTopic",
        Version::new(0, 20, 0),
    ),
    (
        "outputTopic",
        "start sequence with outputTopic",
        Version::new(0, 20, 0),
    ),
    (
        "limits",
        "start sequence with limits",
        Version::new(0, 20, 0),
    ),
];

/// How to start a sequence. What is not said is not sent: the default is `{}`.
///
/// A value that cannot be sent (an `appConfig` that is not a JSON object, say) is reported when the sequence is started,
/// before anything is sent, so that options can be written in one expression.
///
/// ```
/// use scramjet_client_core::StartOptions;
/// use serde_json::json;
///
/// let options = StartOptions::new().app_config(json!({ "greeting": "Hello" })).arg("!").arg(3);
/// assert_eq!(options.to_body()?, br#"{"appConfig":{"greeting":"Hello"},"args":["!",3]}"#);
/// # Ok::<(), scramjet_client_core::RequestError>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct StartOptions {
    members: Extra,
    problem: Option<(String, String)>,
}

/// Only the names of what was set: the values may be secrets.
impl fmt::Debug for StartOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.members.keys().collect();
        f.debug_tuple("StartOptions").field(&names).finish()
    }
}

impl StartOptions {
    /// No options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `appConfig`: what the sequence finds as its configuration. A JSON object, or anything that serializes to one; `None` is nothing.
    #[must_use]
    pub fn app_config(self, config: impl Serialize) -> Self {
        self.set("appConfig", config, |value| match value {
            Value::Object(_) => Ok(()),
            _ => Err("a sequence's configuration must be a JSON object".into()),
        })
    }

    /// Appends to `args`, the arguments of the sequence's function: any JSON value.
    #[must_use]
    pub fn arg(self, arg: impl Serialize) -> Self {
        self.args([arg])
    }

    /// Appends to `args`, the arguments of the sequence's function: any JSON values.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item: Serialize>) -> Self {
        let mut all = match self.members.remove("args") {
            Some(Value::Array(all)) => all,
            None => Vec::new(),
            Some(_) => {
                self.refuse(
                    "args",
                    "it is already set to a value that is not a list".into(),
                );
                Vec::new()
            }
        };
        for arg in args {
            match serde_json::to_value(arg) {
                Ok(value) => all.push(value),
                Err(error) => self.refuse("args", error.to_string()),
            }
        }
        self.members.insert("args".into(), Value::Array(all));
        self
    }

    /// The id of the instance to be, where one was chosen.
    #[must_use]
    pub fn chosen_id(&self) -> Option<&str> {
        self.members.get("instanceId").and_then(Value::as_str)
    }

    /// `instanceId`: the id of the instance to be, exactly 36 characters, for example a UUID. Since 0.31.4.
    #[must_use]
    pub fn instance_id(self, id: impl Into<String>) -> Self {
        self.set("instanceId", id.into(), |value| {
            let id = value.as_str().unwrap_or_default();
            if id.len() != InstanceId::CHOSEN_LEN {
                return Err(format!(
                    "it has {} characters; hubs accept exactly {}",
                    id.chars().count(),
                    InstanceId::CHOSEN_LEN
                ));
            }
            InstanceId::new(id)
                .map(drop)
                .map_err(|error| error.to_string())
        })
    }

    /// `inputTopic`: the topic that the instance's input comes from. Since 0.20.0, and effective only where the sequence
    /// itself declares a content type for its input.
    #[must_use]
    pub fn input_topic(self, topic: impl Into<String>) -> Self {
        self.set("inputTopic", topic.into(), not_empty)
    }

    /// `outputTopic`: the topic that the instance's output goes to as well. Since 0.20.0, and effective only where the
    /// sequence itself declares a content type for its output.
    #[must_use]
    pub fn output_topic(self, topic: impl Into<String>) -> Self {
        self.set("outputTopic", topic.into(), not_empty)
    }

    /// `limits`: what the instance may use.
    #[must_use]
    pub fn limits(self, limits: InstanceLimits) -> Self {
        self.set("limits", limits, |_| Ok(()))
    }

    /// Any other member of the start payload, as the hub spells it. It is sent to every hub: one that does not know it ignores it.
    #[must_use]
    pub fn member(self, name: &str, value: impl Serialize) -> Self {
        self.set(name, value, |_| Ok(()))
    }

    /// The request body.
    ///
    /// # Errors
    /// [`RequestError::Option`]: an option's value cannot be sent.
    pub fn to_body(&self) -> Result<Vec<u8>, RequestError> {
        if let Some((option, problem)) = &self.problem {
            return Err(RequestError::option(option, problem));
        }
        inline_json("payload", &self.members)
    }

    fn set(
        mut self,
        name: &str,
        value: impl Serialize,
        check: impl FnOnce(&Value) -> Result<(), String>,
    ) -> Self {
        match serde_json::to_value(value) {
            Ok(Value::Null) if name == "appConfig" => {
                self.members.remove(name);
            }
            Ok(value) => match check(&value) {
                Ok(()) => {
                    self.members.insert(name.into(), value);
                }
                Err(problem) => self.refuse(name, problem),
            },
            Err(error) => self.refuse(name, error.to_string()),
        }
        self
    }

    /// The first problem is the one that is reported.
    fn refuse(&mut self, name: &str, problem: String) {
        self.problem.get_or_insert_with(|| (name.into(), problem));
    }
}

fn not_empty(value: &Value) -> Result<(), String> {
    if value.as_str() == Some("") {
        Err("it is empty".into())
    } else {
        Ok(())
    }
}

/// What an instance may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InstanceLimits {
    /// Memory, in megabytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Whether it may use the graphics processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<bool>,
}

impl InstanceLimits {
    /// No limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Memory, in megabytes.
    #[must_use]
    pub fn memory(self, megabytes: u64) -> Self {
        Self {
            memory: Some(megabytes),
            ..self
        }
    }

    /// Whether it may use the graphics processor.
    #[must_use]
    pub fn gpu(self, allowed: bool) -> Self {
        Self {
            gpu: Some(allowed),
            ..self
        }
    }
}

impl Started {
    /// An instance that was found, and whose start was not answered.
    pub(crate) fn found(id: InstanceId) -> Self {
        Self {
            id,
            status: None,
            extra: Extra::new(),
        }
    }
}

/// What the hub says about a started instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Started {
    /// The instance's id.
    pub id: InstanceId,
    /// The instance's status, where the hub sends one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<InstanceStatus>,
    /// All further members, for example `message`.
    #[serde(flatten)]
    pub extra: Extra,
}
