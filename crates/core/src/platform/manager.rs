use alloc::string::String;
use alloc::vec::Vec;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::headers::json;
use crate::operation::{Inline, inline_json};
use crate::{
    Dialect, Discard, Extra, HubId, Json, ManagerId, Operation, Path, RequestError, SequenceInfo,
};

/// `GET /list`: the hubs of a Manager.
#[derive(Clone, Copy, Debug)]
pub struct ListHubs;

impl Operation for ListHubs {
    const NAME: &'static str = "list hubs";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<Vec<HubInfo>>;

    fn path(&self) -> Path {
        Path::new("list")
    }
}

/// A hub as its Manager describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HubInfo {
    /// Its id.
    pub id: HubId,
    /// Whether it is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<bool>,
    /// Whether it is run by its owner, and not by the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_hosted: Option<bool>,
    /// Whether it is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_connection_active: Option<bool>,
    /// What its owner says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// All further members: `info` with its times, `tags`, `disconnectReason`.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `GET /config`: the configuration of a Manager.
#[derive(Clone, Copy, Debug)]
pub struct GetManagerConfig;

impl Operation for GetManagerConfig {
    const NAME: &'static str = "get manager configuration";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<ManagerConfig>;

    fn path(&self) -> Path {
        Path::new("config")
    }
}

/// The configuration of a Manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManagerConfig {
    /// Its members: `id`, `apiBase`, `sthController`, ... May hold secrets, such as those of its store (`s3`).
    #[serde(default)]
    pub config: Extra,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `GET /all_sequences`: the sequences of all hubs of a Manager, and of its store.
#[derive(Clone, Copy, Debug)]
pub struct ListAllSequences;

impl Operation for ListAllSequences {
    const NAME: &'static str = "list all sequences";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<Vec<SequenceInfo>>;

    fn path(&self) -> Path {
        Path::new("all_sequences")
    }
}

/// `GET /topics`: the topics of a Manager.
#[derive(Clone, Copy, Debug)]
pub struct ListManagerTopics;

impl Operation for ListManagerTopics {
    const NAME: &'static str = "list topics of manager";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<Vec<ManagerTopic>>;

    fn path(&self) -> Path {
        Path::new("topics")
    }
}

/// A topic as a Manager describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ManagerTopic {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The content type of its data.
    #[serde(default)]
    pub content_type: String,
    /// All further members: `actors`, who reads and writes it.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `POST /disconnect`: disconnects hubs from a Manager, by id, by access key, or some of them.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DisconnectHubs {
    /// This hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Those that came with this access key. A secret: it is not shown in `Debug` output.
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
    /// This hub.
    #[must_use]
    pub fn id(id: impl Into<String>) -> Self {
        Self {
            id: Some(id.into()),
            ..Self::default()
        }
    }

    /// Those that came with this access key.
    #[must_use]
    pub fn access_key(key: impl Into<String>) -> Self {
        Self {
            access_key: Some(key.into()),
            ..Self::default()
        }
    }

    /// At most so many.
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

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        json(headers);
        Ok(())
    }

    fn payload(&self, _: Dialect) -> Result<Inline, RequestError> {
        inline_json("payload", self)
    }
}

/// What a Manager disconnected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Disconnected {
    /// Whether it did: `OK`, or what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op_status: Option<String>,
    /// The Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager_id: Option<ManagerId>,
    /// The hubs.
    #[serde(default)]
    pub disconnected: Vec<DisconnectedHub>,
    /// All further members, for example `error`.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A hub that was disconnected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DisconnectedHub {
    /// The hub.
    pub sth_id: HubId,
    /// Why: a word, or its number.
    #[serde(default)]
    pub reason: Value,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `DELETE /sth/:hub`: removes a hub from its Manager.
#[derive(Clone, Copy, Debug)]
pub struct DeleteHub<'a> {
    /// The hub.
    pub id: &'a HubId,
    /// Whether also while it is connected.
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
        json(headers);
        headers.insert(
            HeaderName::from_static("x-force"),
            HeaderValue::from_static(if self.force { "true" } else { "false" }),
        );
        Ok(())
    }
}
