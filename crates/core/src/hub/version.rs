use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::operation::{get, shared_decoder};
use crate::{Dialect, Extra, Json};

get! {
    /// `GET /version`: returns the version of the hub.
    ///
    /// Response: [`HubVersion`] as JSON. Managers, MultiManagers and the Middleware support it too.
    pub struct GetVersion;
    NAME = "get version";
    PATH = "version";
    Decoder = Json<HubVersion>;
    shared_decoder! {}
}

/// The version of a hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HubVersion {
    /// The version number, for example `1.0.1`.
    pub version: String,
    /// The name of the service, `@scramjet/host`. Since 0.20.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The version of the API, `v1`. Since 0.20.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The build: a commit hash or `source`. Since 0.20.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl HubVersion {
    /// Returns the dialect of this version, or [`Dialect::LATEST`] if the version cannot be parsed.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        let version = self.version.parse();
        version.map_or(Dialect::LATEST, Dialect::of)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::{assert_request, assert_round_trip};

    #[test]
    fn get_version_has_no_body() {
        assert_request(&GetVersion, "GET /version");
    }

    #[test]
    fn hub_version_keeps_unknown_members() {
        assert_round_trip::<HubVersion>(json!({
            "version": "9.9.9", "service": "s", "apiVersion": "v9", "build": "b", "later": 1,
        }));
    }
}
