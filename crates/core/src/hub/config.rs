use alloc::string::String;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::operation::Inline;
use crate::{Adapter, Extra, Json, Operation, Path, Version};

/// `GET /config`: the public part of the hub's configuration. Since 0.19.2.
#[derive(Clone, Copy, Debug)]
pub struct GetConfig;

impl Operation for GetConfig {
    const NAME: &'static str = "get hub configuration";
    const METHOD: Method = Method::GET;
    const SINCE: Version = Version::new(0, 19, 2);
    type Payload = Inline;
    type Decoder = Json<HubConfig>;

    fn path(&self) -> Path {
        Path::new("config")
    }
}

/// The public part of a hub's configuration.
///
/// What a hub calls public may hold secrets all the same: 1.x does not filter `platform`, with its API key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HubConfig {
    /// Where the hub listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<ConfiguredHost>,
    /// What runs its instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_adapter: Option<Adapter>,
    /// The least severe level that is logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<String>,
    /// All further members: `instanceRequirements`, `timings`, `cpmUrl`, `docker`, ...
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where a hub listens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConfiguredHost {
    /// The base path of the API, usually `/api/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_base: Option<String>,
    /// The name or address that it listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The port, as the hub has it: a number, or text where it was set on the command line. See [`port`](Self::port).
    #[serde(default, rename = "port", skip_serializing_if = "Option::is_none")]
    pub port_as_set: Option<Value>,
    /// The hub's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// All further members.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ConfiguredHost {
    /// The port.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self.port_as_set.as_ref()? {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64()?.try_into().ok(),
        }
    }
}
