use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Extra;
use crate::known_text::known_text;

/// One record of an audit ([`ReadAudit`](crate::ReadAudit)): a request to the hub, something that happened on it, or a heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AuditRecord {
    /// How far it has come.
    pub op_state: AuditState,
    /// What it is.
    ///
    /// * A request: 10000 to a sequence, 11000 to an instance, 12000 to a topic; plus 100 for POST, 200 for GET, 300 for PUT, 400 for
    ///   DELETE; plus a number for what is asked for: 7 the input, 14 `_stop`, 15 `_kill`, 17 the start, ...
    /// * A heartbeat: 13010 of the hub, 13012 of an instance.
    /// * Something that happened: 0 a sequence was created or an instance started, 1 a sequence was deleted or an instance stopped,
    ///   2 an instance ended, 3 it was terminated, 4 it connected.
    pub op_code: i64,
    /// The request. Its records have this in common.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Who asked for it; `system` where nobody is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requestor_id: Option<String>,
    /// The sequence, instance or topic that it is about. Empty in the heartbeat of the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,
    /// How many bytes came in so far, heads included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rx: Option<u64>,
    /// How many bytes went out so far, heads included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx: Option<u64>,
    /// When, in milliseconds since the beginning of 1970, UTC; hubs call it `receivedAt`.
    #[serde(
        default,
        rename = "receivedAt",
        skip_serializing_if = "Option::is_none"
    )]
    pub time_ms: Option<u64>,
    /// The limits of an instance: `{"memory":512}`, in MB, or `null` in it for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Value>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl AuditRecord {
    /// Whether it is a heartbeat. Hubs write them only while anyone reads, and every few seconds then.
    #[must_use]
    pub fn is_heartbeat(&self) -> bool {
        matches!(self.op_code, 13_010 | 13_012)
    }

    /// The time since the beginning of 1970, UTC; add it to `SystemTime::UNIX_EPOCH`.
    #[must_use]
    pub fn since_unix_epoch(&self) -> Option<Duration> {
        self.time_ms.map(Duration::from_millis)
    }
}

/// How far something has come that an audit records.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum AuditState {
    /// A request began.
    Start,
    /// A request goes on, or a heartbeat.
    Active,
    /// A request was answered.
    End,
    /// A request failed.
    Error,
    /// Something happened at once; hubs write an empty text.
    Happened,
    /// Any other, as the hub wrote it.
    Other(String),
}

known_text! {
    AuditState, "The state":
    Start = "START",
    Active = "ACTIVE",
    End = "END",
    Error = "ERROR",
    Happened = "",
}
