use alloc::string::String;

use http::Method;
use serde::{Deserialize, Serialize};

use super::instance_path;
use crate::operation::Inline;
use crate::{Extra, InstanceId, Json, Operation, Path};

/// `GET /instance/:id/health`: the last sign of life. Waits for the first one.
#[derive(Clone, Copy, Debug)]
pub struct GetInstanceHealth<'a> {
    /// The instance.
    pub id: &'a InstanceId,
}

impl Operation for GetInstanceHealth<'_> {
    const NAME: &'static str = "get instance health";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<InstanceHealth>;

    fn path(&self) -> Path {
        instance_path(self.id).literal("health")
    }
}

/// The last sign of life of an instance. An instance that hangs, or has ended, keeps the last one.
///
/// The process adapter tells of nothing but `healthy` and `process_id`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InstanceHealth {
    /// What the instance said of itself.
    pub healthy: bool,
    /// The id of its process on the hub's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<u64>,
    /// The id of its container. Told by the Docker adapter, as all members below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// The processor time that it has used, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_total_usage: Option<f64>,
    /// The memory that it uses, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_usage: Option<f64>,
    /// The most memory that it has used, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_max_usage: Option<f64>,
    /// The memory that it may use, in bytes.
    #[serde(rename = "limit", default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<f64>,
    /// Received over the network, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_rx: Option<f64>,
    /// Sent over the network, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_tx: Option<f64>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
