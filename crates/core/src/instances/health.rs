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

/// The last sign of life of an instance. It does not grow stale: an instance that hangs, or has ended, keeps the last one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InstanceHealth {
    /// What the instance said of itself.
    pub healthy: bool,
    /// The id of its process on the hub's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<u64>,
    /// All further members; the Docker adapter adds `cpuTotalUsage`, `memoryUsage`, `networkRx` and others.
    #[serde(flatten)]
    pub extra: Extra,
}
