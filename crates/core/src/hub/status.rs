use alloc::string::String;

use http::Method;
use serde::{Deserialize, Serialize};

use crate::operation::Inline;
use crate::{Extra, Json, Operation, Path, Version};

/// `GET /status`: whether the hub is connected to a Manager. Since 0.28.0.
#[derive(Clone, Copy, Debug)]
pub struct GetStatus;

impl Operation for GetStatus {
    const NAME: &'static str = "get hub status";
    const METHOD: Method = Method::GET;
    const SINCE: Version = Version::new(0, 28, 0);
    type Payload = Inline;
    type Decoder = Json<HubStatus>;

    fn path(&self) -> Path {
        Path::new("status")
    }
}

/// What the hub is connected to.
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

/// The connection of a hub to a Manager. Nothing is said where the hub has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ManagerLink {
    /// Whether it is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// The Manager's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpm_id: Option<String>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
