use alloc::string::String;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::operation::get;
use crate::{Adapter, Extra, Json, Version};

get! {
    /// `GET /config`: returns the public part of the hub's configuration.
    ///
    /// Response: [`HubConfig`] as JSON. Since hub 0.19.2.
    pub struct GetConfig;
    NAME = "get hub configuration";
    SINCE = Version::new(0, 19, 2);
    PATH = "config";
    Decoder = Json<HubConfig>;
}

/// The public part of a hub's configuration.
///
/// It may still contain secrets: 1.x includes `platform` with its API key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HubConfig {
    /// The address that the hub listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<ConfiguredHost>,
    /// The adapter that runs the instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_adapter: Option<Adapter>,
    /// The least severe level that the hub logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<String>,
    /// All other members: `instanceRequirements`, `timings`, `cpmUrl`, `docker`, ...
    #[serde(flatten)]
    pub extra: Extra,
}

/// The address that a hub listens on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConfiguredHost {
    /// The base path of the API, usually `/api/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_base: Option<String>,
    /// The host name or IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The port as the hub stores it: a number, or text if it was set on the command line. See
    /// [`port`](Self::port).
    #[serde(default, rename = "port", skip_serializing_if = "Option::is_none")]
    pub port_as_set: Option<Value>,
    /// The hub's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// All other members.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ConfiguredHost {
    /// Returns the port. `None` if the hub did not send a valid one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self.port_as_set.as_ref()? {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64()?.try_into().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::{assert_request, assert_round_trip};

    #[test]
    fn get_config_has_no_body() {
        assert_request(&GetConfig, "GET /config");
    }

    #[test]
    fn hub_config_keeps_unknown_members() {
        assert_round_trip::<HubConfig>(json!({
            "host": { "apiBase": "/", "hostname": "h", "port": "8300", "id": "i", "later": 1 },
            "runtimeAdapter": "wasm", "logLevel": "trace", "later": 1,
        }));
    }
}
