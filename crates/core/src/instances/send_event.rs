use core::fmt;

use http::{HeaderMap, Method};
use serde::Serialize;
use serde_json::Value;

use super::instance_path;
use crate::operation::{Inline, inline_json};
use crate::{Dialect, Discard, InstanceId, Operation, Path, RequestError, headers};

/// `POST /instance/:id/_event`: sends an event to an instance. The answer says that it was queued, not that it was heard.
///
/// Hubs before 0.39.0 take text alone as the data.
#[derive(Clone, Copy)]
pub struct SendEvent<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// The event's name: any text.
    pub name: &'a str,
    /// What comes with it.
    pub data: &'a Value,
}

/// Without the data, which may be a secret.
impl fmt::Debug for SendEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendEvent")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Operation for SendEvent<'_> {
    const NAME: &'static str = "send event";
    const METHOD: Method = Method::POST;
    type Payload = Inline;
    type Decoder = Discard;

    fn path(&self) -> Path {
        instance_path(self.id).literal("_event")
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers::json(headers);
        Ok(())
    }

    fn needs_dialect(&self) -> bool {
        !self.data.is_string()
    }

    fn payload(&self, dialect: Dialect) -> Result<Inline, RequestError> {
        if !self.data.is_string() {
            dialect.require(
                "send event with other data than text",
                Dialect::ANY_EVENT_DATA,
            )?;
        }
        let event = Body {
            event_name: self.name,
            message: self.data,
        };
        inline_json("data", &(EVENT, event))
    }
}

/// The message code of an event, between hub and instance.
const EVENT: u16 = 5001;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    event_name: &'a str,
    message: &'a Value,
}
