use alloc::string::String;
use alloc::vec::Vec;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::operation::{Inline, get, inline_json};
use crate::{
    Dialect, Discard, Extra, HubId, Json, ManagerId, Operation, Path, RequestError, SequenceInfo,
};

get! {
    /// `GET /list`: returns the hubs of a Manager.
    ///
    /// Response: a list of [`HubInfo`] as JSON.
    pub struct ListHubs;
    NAME = "list hubs";
    PATH = "list";
    Decoder = Json<Vec<HubInfo>>;
}

/// The Manager's description of a hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HubInfo {
    /// The id of the hub.
    pub id: HubId,
    /// `true` if the hub is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<bool>,
    /// `true` if its owner runs the hub, not the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_hosted: Option<bool>,
    /// `true` if the hub is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_connection_active: Option<bool>,
    /// The description from its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// All other members: `info` with its times, `tags`, `disconnectReason`.
    #[serde(flatten)]
    pub extra: Extra,
}

get! {
    /// `GET /config`: returns the configuration of a Manager.
    ///
    /// Response: [`ManagerConfig`] as JSON.
    pub struct GetManagerConfig;
    NAME = "get manager configuration";
    PATH = "config";
    Decoder = Json<ManagerConfig>;
}

/// The configuration of a Manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManagerConfig {
    /// The configuration: `id`, `apiBase`, `sthController`, ... It may contain secrets, for example
    /// those of the store (`s3`).
    #[serde(default)]
    pub config: Extra,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

get! {
    /// `GET /all_sequences`: returns the sequences of all hubs of a Manager, and of its store.
    ///
    /// Response: a list of [`SequenceInfo`] as JSON.
    pub struct ListAllSequences;
    NAME = "list all sequences";
    PATH = "all_sequences";
    Decoder = Json<Vec<SequenceInfo>>;
}

get! {
    /// `GET /topics`: returns the topics of a Manager.
    ///
    /// Response: a list of [`ManagerTopic`] as JSON.
    pub struct ListManagerTopics;
    NAME = "list topics of manager";
    PATH = "topics";
    Decoder = Json<Vec<ManagerTopic>>;
}

/// The Manager's description of a topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ManagerTopic {
    /// The name of the topic.
    #[serde(default)]
    pub name: String,
    /// The content type of the data.
    #[serde(default)]
    pub content_type: String,
    /// All other members: `actors`, the readers and writers of the topic.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `POST /disconnect`: disconnects hubs from a Manager, selected by id or access key.
///
/// Request: the members of this struct as JSON. Response: [`Disconnected`] as JSON.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DisconnectHubs {
    /// The id of a hub to disconnect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Upper bound for the number of hubs to disconnect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The access key of the hubs to disconnect. `Debug` output does not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
}

impl core::fmt::Debug for DisconnectHubs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DisconnectHubs")
            .field("id", &self.id)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl DisconnectHubs {
    /// Selects the hub with this id.
    #[must_use]
    pub fn id(id: impl Into<String>) -> Self {
        Self {
            id: Some(id.into()),
            ..Self::default()
        }
    }

    /// Selects the hubs that connected with this access key.
    #[must_use]
    pub fn access_key(key: impl Into<String>) -> Self {
        Self {
            access_key: Some(key.into()),
            ..Self::default()
        }
    }

    /// Sets the upper bound for the number of hubs.
    #[must_use]
    pub fn limit(self, limit: u64) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }
}

impl Operation for DisconnectHubs {
    const NAME: &'static str = "disconnect hubs";
    const METHOD: Method = Method::POST;
    type Payload = Inline;
    type Decoder = Json<Disconnected>;

    fn path(&self) -> Path {
        Path::new("disconnect")
    }

    fn payload(&self, _: Dialect) -> Result<Inline, RequestError> {
        inline_json("payload", self)
    }
}

/// The response to a request to disconnect hubs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Disconnected {
    /// `OK`, or the kind of failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op_status: Option<String>,
    /// The id of the Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager_id: Option<ManagerId>,
    /// The disconnected hubs.
    #[serde(default)]
    pub disconnected: Vec<DisconnectedHub>,
    /// All other members, for example `error`.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A hub that a Manager has disconnected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DisconnectedHub {
    /// The id of the hub.
    pub sth_id: HubId,
    /// The reason: its name or its number.
    #[serde(default)]
    pub reason: Value,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `DELETE /sth/:hub`: removes a hub from its Manager.
///
/// Request: `force` in the header `x-force`. Response: ignored.
#[derive(Clone, Copy, Debug)]
pub struct DeleteHub<'a> {
    /// The hub.
    pub id: &'a HubId,
    /// If `true`, removes the hub even while it is connected.
    pub force: bool,
}

impl Operation for DeleteHub<'_> {
    const NAME: &'static str = "delete hub";
    const METHOD: Method = Method::DELETE;
    type Payload = Inline;
    type Decoder = Discard;

    fn path(&self) -> Path {
        Path::new("sth").value(HubId::WHAT, self.id.as_str())
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers.insert(
            HeaderName::from_static("x-force"),
            HeaderValue::from_static(if self.force { "true" } else { "false" }),
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::{assert_request, assert_round_trip, id};

    #[test]
    fn list_hubs_has_no_body() {
        assert_request(&ListHubs, "GET /list");
    }

    #[test]
    fn get_manager_config_has_no_body() {
        assert_request(&GetManagerConfig, "GET /config");
    }

    #[test]
    fn list_all_sequences_has_no_body() {
        assert_request(&ListAllSequences, "GET /all_sequences");
    }

    #[test]
    fn list_manager_topics_has_no_body() {
        assert_request(&ListManagerTopics, "GET /topics");
    }

    #[test]
    fn disconnect_hubs_sends_only_what_was_set() {
        assert_request(
            &DisconnectHubs::default(),
            "
            POST /disconnect
            content-type: application/json

            {}
            ",
        );
        let mut every = DisconnectHubs::id("H").limit(1);
        every.access_key = Some("K".into());
        assert_request(
            &every,
            r#"
            POST /disconnect
            content-type: application/json

            {"id":"H","limit":1,"accessKey":"K"}
            "#,
        );
    }

    #[test]
    fn delete_hub_sends_force_as_a_header() {
        let id = &id("HUB");
        assert_request(
            &DeleteHub { id, force: false },
            "
            DELETE /sth/HUB
            content-type: application/json
            x-force: false
            ",
        );
        assert_request(
            &DeleteHub { id, force: true },
            "
            DELETE /sth/HUB
            content-type: application/json
            x-force: true
            ",
        );
    }

    #[test]
    fn types_of_managers_keep_unknown_members() {
        assert_round_trip::<HubInfo>(json!({
            "id": "h", "healthy": true, "selfHosted": true, "isConnectionActive": true,
            "description": "d", "later": 1,
        }));
        assert_round_trip::<ManagerConfig>(json!({ "config": { "later": 1 }, "later": 1 }));
        assert_round_trip::<ManagerTopic>(json!({ "name": "t", "contentType": "c", "later": 1 }));
        let hub = json!({ "sthId": "h", "reason": 6, "later": 1 });
        assert_round_trip::<Disconnected>(json!({
            "opStatus": "OK", "managerId": "m", "disconnected": [hub], "later": 1,
        }));
    }
}
