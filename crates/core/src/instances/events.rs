use alloc::string::{String, ToString};

use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::instance_path;
use crate::operation::Inline;
use crate::{
    ApiError, Decode, Dialect, EventName, InstanceId, Json, JsonLines, Operation, Path, ReplyError,
    SingleItem, Step,
};

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
        instance_path(self.id)
            .literal("once")
            .value(EventName::WHAT, self.name.as_str())
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
        instance_path(self.id)
            .literal("event")
            .value(EventName::WHAT, self.name.as_str())
    }

    fn needs_dialect(&self) -> bool {
        true
    }

    fn decoder(&self, dialect: Dialect) -> EventBody {
        EventBody::new(self.name, dialect)
    }
}

/// `GET /instance/:id/events/:name`: every event of this name from now on. Never ends, not even with the instance.
///
/// quirk (1.x): an event whose data is `null`, `false`, `0`, `""` or missing comes as `{}`.
#[derive(Clone, Copy, Debug)]
pub struct ReadEvents<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// The event.
    pub name: &'a EventName,
}

impl Operation for ReadEvents<'_> {
    const NAME: &'static str = "read events";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = EventLines;

    fn path(&self) -> Path {
        instance_path(self.id)
            .literal("events")
            .value(EventName::WHAT, self.name.as_str())
    }

    fn needs_dialect(&self) -> bool {
        true
    }

    fn decoder(&self, dialect: Dialect) -> EventLines {
        EventLines {
            lines: JsonLines::default(),
            frame: Frame::new(self.name, dialect),
        }
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

impl Event {
    /// An event with this data.
    #[must_use]
    pub fn new(name: &str, data: Value) -> Self {
        Self {
            name: name.into(),
            data,
        }
    }

    /// Its data as a value of a type.
    ///
    /// # Errors
    /// [`ReplyError::Body`] if the data is not what the type needs.
    ///
    /// ```
    /// use scramjet_client_core::Event;
    /// use serde_json::json;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Progress {
    ///     done: u32,
    /// }
    ///
    /// let event = Event::new("progress", json!({ "done": 7 }));
    /// assert_eq!(event.data_as::<Progress>()?.done, 7);
    /// # Ok::<(), scramjet_client_core::ReplyError>(())
    /// ```
    pub fn data_as<T: DeserializeOwned>(&self) -> Result<T, ReplyError> {
        T::deserialize(&self.data)
            .map_err(|source| ReplyError::body(source, self.data.to_string().as_bytes()))
    }
}

impl Event {
    /// The event that a refusal stands for: a hub of 1.x takes a member `opStatus` of an event's data
    /// for the status of its response, and fails to write an event without data.
    #[must_use]
    pub fn in_refusal(name: &str, refusal: &ApiError) -> Option<Self> {
        if refusal.received_status == 500 && refusal.message.contains("Failed to serialize data") {
            return Some(Self::new(name, Value::Null));
        }
        // A hub's own refusal says more than the name of its status.
        let data = refusal.json().filter(|_| refusal.has_cors_header())?;
        let named = refusal.status.canonical_reason()?;
        (data.get("error")?.as_str()? == named).then(|| Self::new(name, data))
    }
}

/// How a hub writes an event: bare data, or an older hub's envelope around it. Told by its version; an event's data may look
/// just like an envelope.
#[derive(Debug, Default)]
struct Frame {
    name: String,
    in_envelope: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    event_name: String,
    #[serde(default)]
    message: Value,
}

impl Frame {
    fn new(name: &EventName, dialect: Dialect) -> Self {
        Self {
            name: name.to_string(),
            in_envelope: dialect.events_in_envelopes(),
        }
    }

    fn open(&self, step: Step<Value>) -> Result<Step<Event>, ReplyError> {
        let data = match step {
            Step::Item(data) => data,
            Step::NeedData => return Ok(Step::NeedData),
            Step::End => return Ok(Step::End),
        };
        if !self.in_envelope {
            return Ok(Step::Item(Event {
                name: self.name.clone(),
                data,
            }));
        }
        let text = data.to_string();
        match serde_json::from_value::<Envelope>(data) {
            Ok(envelope) => Ok(Step::Item(Event {
                name: envelope.event_name,
                data: envelope.message,
            })),
            Err(source) => Err(ReplyError::body(source, text.as_bytes())),
        }
    }
}

/// One event as a body.
#[derive(Debug)]
pub struct EventBody {
    json: Json<Value>,
    frame: Frame,
}

impl EventBody {
    fn new(name: &EventName, dialect: Dialect) -> Self {
        Self {
            frame: Frame::new(name, dialect),
            ..Self::default()
        }
    }
}

impl Default for EventBody {
    fn default() -> Self {
        Self {
            json: Json::whole(),
            frame: Frame::default(),
        }
    }
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
        let step = self.json.next_item()?;
        self.frame.open(step)
    }
}

impl SingleItem for EventBody {}

/// Events as lines.
#[derive(Debug, Default)]
pub struct EventLines {
    lines: JsonLines<Value>,
    frame: Frame,
}

impl Decode for EventLines {
    type Item = Event;

    fn feed(&mut self, bytes: &[u8]) {
        self.lines.feed(bytes);
    }

    fn end(&mut self) {
        self.lines.end();
    }

    fn next_item(&mut self) -> Result<Step<Event>, ReplyError> {
        let step = self.lines.next_item()?;
        self.frame.open(step)
    }
}
