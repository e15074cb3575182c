use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::operation::{Inline, get, inline_json};
use crate::{Dialect, Extra, Json, ManagerId, Operation, Path, RequestError};

get! {
    /// `GET /list`: returns the Managers of a MultiManager.
    ///
    /// Response: a list of [`ManagerInfo`] as JSON.
    pub struct ListManagers;
    NAME = "list managers";
    PATH = "list";
    Decoder = Json<Vec<ManagerInfo>>;
}

/// The MultiManager's description of a Manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManagerInfo {
    /// The id of the Manager.
    pub id: ManagerId,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

get! {
    /// `GET /info`: returns the info of a MultiManager.
    ///
    /// Response: [`MultiManagerInfo`] as JSON.
    pub struct GetMultiManagerInfo;
    NAME = "get multi manager info";
    PATH = "info";
    Decoder = Json<MultiManagerInfo>;
}

/// The info of a MultiManager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MultiManagerInfo {
    /// The id of the MultiManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The base path of its API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_base: Option<String>,
    /// The number of its Managers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managers_count: Option<u64>,
    /// All other members, for example `apiPort`.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `POST /start`: starts a Manager.
///
/// Request: its configuration as JSON. Response: [`ManagerInfo`] as JSON.
#[derive(Clone, Copy)]
pub struct StartManager<'a> {
    /// The configuration or a part of it. It has to be a JSON object.
    pub config: &'a Value,
}

/// Hides the configuration, which may contain secrets.
impl fmt::Debug for StartManager<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartManager").finish_non_exhaustive()
    }
}

impl Operation for StartManager<'_> {
    const NAME: &'static str = "start manager";
    const METHOD: Method = Method::POST;
    type Payload = Inline;
    type Decoder = Json<ManagerInfo>;

    fn path(&self) -> Path {
        Path::new("start")
    }

    fn payload(&self, _: Dialect) -> Result<Inline, RequestError> {
        if !self.config.is_object() {
            return Err(RequestError::option(
                "manager",
                "a Manager's configuration must be a JSON object",
            ));
        }
        inline_json("manager", &json!({ "manager": self.config }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, assert_round_trip};

    #[test]
    fn list_managers_has_no_body() {
        assert_request(&ListManagers, "GET /list");
    }

    #[test]
    fn get_multi_manager_info_has_no_body() {
        assert_request(&GetMultiManagerInfo, "GET /info");
    }

    #[test]
    fn start_manager_sends_the_configuration() {
        let config = &json!({ "id": "M" });
        assert_request(
            &StartManager { config },
            r#"
            POST /start
            content-type: application/json

            {"manager":{"id":"M"}}
            "#,
        );
    }

    #[test]
    fn types_of_multi_managers_keep_unknown_members() {
        assert_round_trip::<ManagerInfo>(json!({ "id": "m", "later": 1 }));
        assert_round_trip::<MultiManagerInfo>(json!({
            "id": "m", "apiBase": "/", "managersCount": 1, "later": 1,
        }));
    }
}
