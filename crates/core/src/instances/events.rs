use alloc::string::{String, ToString};

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::instance_path;
use crate::operation::Inline;
use crate::{Decode, Dialect, EventName, InstanceId, Json, Operation, Path, ReplyError, Single, Step};

/// `GET /instance/:id/once/:name`: waits for the next event of this name. Nothing comes before it, not even a head.
///
/// It waits for ever for an event that fired already, and for an instance that has ended.
#[derive(Clone, Copy, Debug)]
pub struct NextEvent<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// The event.
    pub name: &'a EventName,
}

/// `GET /instance/:id/event/:name`: the last event of this name, or the first one where there was none yet.
///
/// quirk (1.x): an event whose data is `null`, `false`, `0`, `""` or missing does not count, and is waited for.
#[derive(Clone, Copy, Debug)]
pub struct LastEvent<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// The event.
    pub name: &'a EventName,
}

impl Operation for NextEvent<'_> {
    const NAME: &'static str = "next event";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = EventBody;

    fn path(&self) -> Path {
        instance_path(self.id).literal("once").value(EventName::WHAT, self.name.as_str())
    }

    fn needs_dialect(&self) -> bool {
        true
    }

    fn decoder(&self, dialect: Dialect) -> EventBody {
        EventBody::new(self.name, dialect)
    }
}

impl Operation for LastEvent<'_> {
    const NAME: &'static str = "last event";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = EventBody;

    fn path(&self) -> Path {
        instance_path(self.id).literal("event").value(EventName::WHAT, self.name.as_str())
    }

    fn needs_dialect(&self) -> bool {
        true
    }

    fn decoder(&self, dialect: Dialect) -> EventBody {
        EventBody::new(self.name, dialect)
    }
}

/// Something that an instance emitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// The event's name.
    pub name: String,
    /// What came with it; `null` for nothing. 1.x hubs lose numbers, booleans, `""` and `{}` on the way: those come as `null` as well.
    pub data: Value,
}

/// One event as a body: bare data, or an older hub's envelope around it.
#[derive(Debug, Default)]
pub struct EventBody {
    json: Json<Value>,
    name: String,
    in_envelope: bool,
}

impl EventBody {
    fn new(name: &EventName, dialect: Dialect) -> Self {
        Self { json: Json::default(), name: name.to_string(), in_envelope: dialect.events_in_envelopes() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    event_name: String,
    #[serde(default)]
    message: Value,
}

impl Decode for EventBody {
    type Item = Event;

    fn feed(&mut self, bytes: &[u8]) {
        self.json.feed(bytes);
    }

    fn end(&mut self) {
        self.json.end();
    }

    fn next_item(&mut self) -> Result<Step<Event>, ReplyError> {
        let data = match self.json.next_item()? {
            Step::Item(data) => data,
            Step::NeedData => return Ok(Step::NeedData),
            Step::End => return Ok(Step::End),
        };
        if !self.in_envelope {
            return Ok(Step::Item(Event { name: core::mem::take(&mut self.name), data }));
        }
        let text = data.to_string();
        match serde_json::from_value::<Envelope>(data) {
            Ok(envelope) => Ok(Step::Item(Event { name: envelope.event_name, data: envelope.message })),
            Err(source) => Err(ReplyError::body(source, text.as_bytes())),
        }
    }
}

impl Single for EventBody {}
