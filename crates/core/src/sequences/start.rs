use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sequence_path;
use crate::operation::{Inline, inline_json};
use crate::{
    Dialect, Extra, InstanceId, InstanceStatus, Json, Operation, Path, RequestError, SequenceId,
    Version,
};

/// `POST /sequence/:id/start`: starts an instance of a sequence.
///
/// Request: [`StartOptions`] as JSON. Response: [`Started`] as JSON, when the process of the
/// instance has connected to the hub.
///
/// A success does not mean that the sequence runs. If the sequence throws while it loads, a hub of
/// 0.18 still responds with a success, and the instance ends at once. A hub of 1.x does the same or
/// responds with 400, depending on the timing: see
/// [`RunnerExit::in_refusal`](crate::RunnerExit::in_refusal).
///
/// Quirk (0.18.7): the hub never responds if the `main` of the package does not exist, or if the
/// package has two `engines`.
#[derive(Clone, Copy, Debug)]
pub struct StartSequence<'a> {
    /// The sequence.
    pub id: &'a SequenceId,
    /// Options for starting it.
    pub options: &'a StartOptions,
}

impl Operation for StartSequence<'_> {
    const NAME: &'static str = "start sequence";
    const METHOD: Method = Method::POST;
    type Payload = Inline;
    type Decoder = Json<Started>;

    fn path(&self) -> Path {
        sequence_path(self.id).literal("start")
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

/// Options that older hubs silently ignore, and the first version that supports each.
///
/// For `limits`, the version is an assumption; hubs up to 0.18.7 ignore it.
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

/// Options for starting a sequence.
///
/// The request contains only the options that were set; by default it is `{}`.
///
/// The methods do not return errors, so that one expression can set all options. With an invalid
/// value, for example an `appConfig` that is not a JSON object, the start fails before anything is
/// sent.
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

/// Shows only the names of the options, because the values may be secrets.
impl fmt::Debug for StartOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.members.keys().collect();
        f.debug_tuple("StartOptions").field(&names).finish()
    }
}

impl StartOptions {
    /// Creates empty options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `appConfig`, the configuration of the sequence.
    ///
    /// It has to serialize to a JSON object. `None` removes it.
    #[must_use]
    pub fn app_config(self, config: impl Serialize) -> Self {
        self.set("appConfig", config, |value| match value {
            Value::Object(_) => Ok(()),
            _ => Err("a sequence's configuration must be a JSON object".into()),
        })
    }

    /// Appends one value to `args`, the arguments of the sequence's function.
    #[must_use]
    pub fn arg(self, arg: impl Serialize) -> Self {
        self.args([arg])
    }

    /// Appends several values to `args`, the arguments of the sequence's function.
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

    /// Returns the id from [`instance_id`](Self::instance_id), if it was set.
    #[must_use]
    pub fn chosen_id(&self) -> Option<&str> {
        self.members.get("instanceId").and_then(Value::as_str)
    }

    /// Sets `instanceId`, the id of the new instance. Since hub 0.31.4.
    ///
    /// It has to have exactly 36 characters, like a UUID.
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

    /// Sets `inputTopic`, the topic that the instance reads as its input. Since hub 0.20.0.
    ///
    /// Works only if the sequence declares a content type for its input.
    #[must_use]
    pub fn input_topic(self, topic: impl Into<String>) -> Self {
        self.set("inputTopic", topic.into(), not_empty)
    }

    /// Sets `outputTopic`, the topic that also receives the instance's output. Since hub 0.20.0.
    ///
    /// Works only if the sequence declares a content type for its output.
    #[must_use]
    pub fn output_topic(self, topic: impl Into<String>) -> Self {
        self.set("outputTopic", topic.into(), not_empty)
    }

    /// Sets `limits`, the resources that the instance may use.
    #[must_use]
    pub fn limits(self, limits: InstanceLimits) -> Self {
        self.set("limits", limits, |_| Ok(()))
    }

    /// Sets any other member of the request, spelled as the hub expects it.
    ///
    /// The request contains it for every hub. Hubs ignore members that they do not know.
    #[must_use]
    pub fn member(self, name: &str, value: impl Serialize) -> Self {
        self.set(name, value, |_| Ok(()))
    }

    /// Returns the request body.
    ///
    /// # Errors
    /// [`RequestError::Option`] if the value of an option is invalid.
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

    /// Records a problem, which [`to_body`](Self::to_body) returns. Only the first one is kept.
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

/// The resources that an instance may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InstanceLimits {
    /// The memory limit in megabytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// `true` if the instance may use the graphics processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<bool>,
}

impl InstanceLimits {
    /// Creates empty limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the memory limit in megabytes.
    #[must_use]
    pub fn memory(self, megabytes: u64) -> Self {
        Self {
            memory: Some(megabytes),
            ..self
        }
    }

    /// Allows or forbids the graphics processor.
    #[must_use]
    pub fn gpu(self, allowed: bool) -> Self {
        Self {
            gpu: Some(allowed),
            ..self
        }
    }
}

impl Started {
    /// Creates the result for an instance that exists although the response to its start was lost.
    pub(crate) fn found(id: InstanceId) -> Self {
        Self {
            id,
            status: None,
            extra: Extra::new(),
        }
    }
}

/// The response to the start of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Started {
    /// The id of the instance.
    pub id: InstanceId,
    /// The state of the instance, if the hub sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<InstanceStatus>,
    /// All other members, for example `message`.
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::{
        assert_request, assert_request_to, assert_round_trip, hub_of, hub_with_token, id,
    };

    fn start<'a>(id: &'a SequenceId, options: &'a StartOptions) -> StartSequence<'a> {
        StartSequence { id, options }
    }

    #[test]
    fn start_sequence_sends_an_object_without_options() {
        let expected = "
            POST /sequence/s/start
            content-type: application/json

            {}
            ";
        let absent = StartOptions::new().app_config(None::<u8>);
        for options in [StartOptions::new(), absent] {
            assert_request(&start(&id("s"), &options), expected);
        }
    }

    #[test]
    fn start_sequence_sends_app_config_and_args() {
        let options = StartOptions::new().app_config(json!({ "a": 1 })).arg(1);
        assert_request(
            &start(&id("s"), &options),
            r#"
            POST /sequence/s/start
            content-type: application/json

            {"appConfig":{"a":1},"args":[1]}
            "#,
        );
        assert_request_to(
            &hub_with_token(),
            &start(&id("s"), &options),
            r#"
            POST /sequence/s/start
            authorization: Sensitive
            content-type: application/json

            {"appConfig":{"a":1},"args":[1]}
            "#,
        );
    }

    #[test]
    fn start_sequence_sends_every_option() {
        let options = StartOptions::new()
            .app_config(json!({ "greeting": "zażółć", "nested": { "list": [1, null] } }))
            .args(["x", "y"])
            .arg(json!({ "o": 2 }))
            .arg(None::<u8>)
            .instance_id("11111111-2222-4333-8444-555555555555")
            .input_topic("cities")
            .output_topic("weather")
            .limits(InstanceLimits::new().memory(512).gpu(true))
            .member("system", json!({ "x": 1 }));
        let body = [
            r#"{"appConfig":{"greeting":"zażółć","nested":{"list":[1,null]}},"#,
            r#""args":["x","y",{"o":2},null],"inputTopic":"cities","#,
            r#""instanceId":"11111111-2222-4333-8444-555555555555","#,
            r#""limits":{"gpu":true,"memory":512},"outputTopic":"weather","system":{"x":1}}"#,
        ];
        let expected = "
            POST /sequence/s/start
            content-type: application/json

            BODY
            ";
        assert_request(
            &start(&id("s"), &options),
            &expected.replace("BODY", &body.concat()),
        );
    }

    #[test]
    fn start_sequence_sends_unknown_members_to_old_hubs() {
        let options = StartOptions::new()
            .app_config(json!({}))
            .args([1, 2])
            .member("unknown", true);
        assert_request_to(
            &hub_of("0.18.7"),
            &start(&id("s"), &options),
            r#"
            POST /sequence/s/start
            content-type: application/json

            {"appConfig":{},"args":[1,2],"unknown":true}
            "#,
        );
    }

    #[test]
    fn started_keeps_unknown_members() {
        assert_round_trip::<Started>(json!({ "id": "i", "status": "frozen", "later": 1 }));
    }
}
