use alloc::string::String;

use http::Method;
use serde::{Deserialize, Serialize};

use super::instance_path;
use crate::operation::Inline;
use crate::{Extra, InstanceId, Json, Operation, Path};

/// `GET /instance/:id/health`: returns the last health report of an instance.
///
/// Response: [`InstanceHealth`] as JSON. The hub responds when it has received the first report,
/// about a second after the start.
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

/// The last health report of an instance. It stays the same after the instance hangs or ends.
///
/// The process adapter reports only `healthy` and `process_id`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InstanceHealth {
    /// `true` if the instance reported itself as healthy.
    pub healthy: bool,
    /// The process id on the hub's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<u64>,
    /// The id of the container. Only the Docker adapter reports this member and those below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// The used processor time in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_total_usage: Option<f64>,
    /// The used memory in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_usage: Option<f64>,
    /// The highest memory usage so far, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_max_usage: Option<f64>,
    /// The memory limit in bytes.
    #[serde(rename = "limit", default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<f64>,
    /// The number of bytes received over the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_rx: Option<f64>,
    /// The number of bytes sent over the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_tx: Option<f64>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::{assert_request, assert_round_trip, id};

    #[test]
    fn get_instance_health_has_no_body() {
        assert_request(
            &GetInstanceHealth { id: &id("i") },
            "GET /instance/i/health",
        );
    }

    #[test]
    fn instance_health_keeps_unknown_members() {
        assert_round_trip::<InstanceHealth>(json!({
            "healthy": false, "processId": 1, "later": 1,
        }));
        assert_round_trip::<InstanceHealth>(json!({
            "healthy": true, "containerId": "c", "cpuTotalUsage": 1.0, "memoryUsage": 2.0,
            "memoryMaxUsage": 3.0, "limit": 4.0, "networkRx": 5.0, "networkTx": 6.0, "later": 1,
        }));
    }
}
