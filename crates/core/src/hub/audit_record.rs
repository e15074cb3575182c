use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Extra;
use crate::known_text::known_text;

/// One record of the audit log ([`ReadAudit`](crate::ReadAudit)): a request to the hub, an event on
/// it, or a heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AuditRecord {
    /// The progress of the request.
    pub op_state: AuditState,
    /// The kind of the record.
    ///
    /// * Request: 10000 to a sequence, 11000 to an instance, 12000 to a topic; plus 100 for POST,
    ///   200 for GET, 300 for PUT, 400 for DELETE; plus the number of the operation: 7 input, 14
    ///   `_stop`, 15 `_kill`, 17 start, ...
    /// * Heartbeat: 13010 of the hub, 13012 of an instance.
    /// * Event: 0 sequence created or instance started, 1 sequence deleted or instance stopped, 2
    ///   instance ended, 3 instance terminated, 4 instance connected.
    pub op_code: i64,
    /// The id of the request. All records of one request have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The sender of the request, or `system` if it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requestor_id: Option<String>,
    /// The id of the sequence, instance or topic. Empty in the heartbeat of the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,
    /// The number of bytes received so far, including heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rx: Option<u64>,
    /// The number of bytes sent so far, including heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx: Option<u64>,
    /// The time in milliseconds since the Unix epoch. Hubs call it `receivedAt`.
    #[serde(
        default,
        rename = "receivedAt",
        skip_serializing_if = "Option::is_none"
    )]
    pub time_ms: Option<u64>,
    /// The limits of an instance: `{"memory":512}`, in MB, or `{"memory":null}` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Value>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl AuditRecord {
    /// Returns `true` for a heartbeat. Hubs write one every few seconds, but only while a client
    /// reads the audit log.
    #[must_use]
    pub fn is_heartbeat(&self) -> bool {
        matches!(self.op_code, 13_010 | 13_012)
    }

    /// Returns the time since the Unix epoch. Add it to `SystemTime::UNIX_EPOCH`.
    #[must_use]
    pub fn since_unix_epoch(&self) -> Option<Duration> {
        self.time_ms.map(Duration::from_millis)
    }
}

/// The progress of a request in the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum AuditState {
    /// The request began.
    Start,
    /// The request continues. Also the state of heartbeats.
    Active,
    /// The hub has responded.
    End,
    /// The request failed.
    Error,
    /// The record is an event, not a request. Hubs write an empty text.
    Happened,
    /// Any other state, as the hub wrote it.
    Other(String),
}

known_text! {
    AuditState, "the state":
    Start = "START",
    Active = "ACTIVE",
    End = "END",
    Error = "ERROR",
    Happened = "",
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::assert_round_trip;

    #[test]
    fn audit_record_keeps_unknown_members() {
        let limits = json!({ "memory": 512, "later": 1 });
        assert_round_trip::<AuditRecord>(json!({
            "opState": "PAUSED", "opCode": 10117, "requestId": "r", "requestorId": "system",
            "objectId": "s", "rx": 1, "tx": 2, "receivedAt": 3, "limits": limits, "later": 1,
        }));
    }

    #[test]
    fn audit_state_keeps_unknown_values_as_text() {
        for text in ["START", "ACTIVE", "END", "ERROR", "", "PAUSED"] {
            let state = AuditState::from(String::from(text));
            let is_unknown = matches!(state, AuditState::Other(_));
            assert_eq!((state.as_str(), is_unknown), (text, text == "PAUSED"));
        }
    }
}
