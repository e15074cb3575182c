use core::fmt;

use http::Method;
use serde::Serialize;
use serde_json::Value;

use super::instance_path;
use crate::operation::{Inline, inline_json};
use crate::{Dialect, Discard, InstanceId, Operation, Path, RequestError};

/// `POST /instance/:id/_event`: sends an event to an instance.
///
/// Request: name and data as JSON. Response: ignored; a success means that the hub has queued the
/// event, not that the instance has received it.
///
/// Hubs before 0.39.0 support only strings as data. Other data is an error
/// ([`RequestError::Unsupported`]) for them.
#[derive(Clone, Copy)]
pub struct SendEvent<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// The name of the event: any text.
    pub name: &'a str,
    /// The data of the event.
    pub data: &'a Value,
}

/// Hides the data, which may contain secrets.
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

/// The code of the message between hub and instance.
const EVENT: u16 = 5001;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    event_name: &'a str,
    message: &'a Value,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::{assert_request, assert_request_to, hub_of, id};

    #[test]
    fn send_event_sends_text_to_old_hubs() {
        let (id, name, data) = (&id("i"), "EV", &json!("msg"));
        assert_request_to(
            &hub_of("0.18.7"),
            &SendEvent { id, name, data },
            r#"
            POST /instance/i/_event
            content-type: application/json

            [5001,{"eventName":"EV","message":"msg"}]
            "#,
        );
    }

    #[test]
    fn send_event_sends_any_json() {
        let (id, name, data) = (&id("i"), "EV", &json!({ "a": [1, null] }));
        assert_request(
            &SendEvent { id, name, data },
            r#"
            POST /instance/i/_event
            content-type: application/json

            [5001,{"eventName":"EV","message":{"a":[1,null]}}]
            "#,
        );
        let data = &Value::Null;
        assert_request(
            &SendEvent { id, name, data },
            r#"
            POST /instance/i/_event
            content-type: application/json

            [5001,{"eventName":"EV","message":null}]
            "#,
        );
    }
}
