use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::operation::get;
use crate::{Extra, Json, Version};

get! {
    /// `GET /status`: returns the state of the hub's connection to a Manager.
    ///
    /// Response: [`HubStatus`] as JSON. Since hub 0.28.0.
    pub struct GetStatus;
    NAME = "get hub status";
    SINCE = Version::new(0, 28, 0);
    PATH = "status";
    Decoder = Json<HubStatus>;
}

/// The status of a hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HubStatus {
    /// The connection to a Manager.
    #[serde(default)]
    pub cpm: ManagerLink,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The connection of a hub to a Manager. All members are missing if the hub has no Manager.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ManagerLink {
    /// `true` if the connection is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// The Manager's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpm_id: Option<String>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::{assert_request, assert_round_trip};

    #[test]
    fn get_status_has_no_body() {
        assert_request(&GetStatus, "GET /status");
    }

    #[test]
    fn hub_status_keeps_unknown_members() {
        assert_round_trip::<HubStatus>(json!({
            "cpm": { "connected": true, "cpmId": "c", "later": 1 }, "later": 1,
        }));
    }
}
