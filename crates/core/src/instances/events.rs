use alloc::string::{String, ToString};

use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::instance_path;
use crate::operation::Inline;
use crate::{
    ApiError, Decode, Dialect, EventName, InstanceId, Json, JsonLines, Operation, Path, ReplyError,
    SingleItem, Step, json,
};

/// `GET /instance/:id/once/:name`: waits for the next event with this name.
///
/// Response: one [`Event`]. The hub sends nothing before the event, not even the response head. It
/// does not respond at all if the event fired only before the request, or if the instance ends
/// without it.
#[derive(Clone, Copy, Debug)]
pub struct NextEvent<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// The event.
    pub name: &'a EventName,
}

/// `GET /instance/:id/event/:name`: returns the last event with this name, or waits for the first.
///
/// Response: one [`Event`]. Quirk (1.x): if the data of the last event is `null`, `false`, `0`,
/// `""` or missing, the hub waits for the next event.
#[derive(Clone, Copy, Debug)]
pub struct LastEvent<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// The event.
    pub name: &'a EventName,
}

fn event_path(id: &InstanceId, route: &'static str, name: &EventName) -> Path {
    let path = instance_path(id).literal(route);
    path.value(EventName::WHAT, name.as_str())
}

impl Operation for NextEvent<'_> {
    const NAME: &'static str = "next event";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = EventBody;

    fn path(&self) -> Path {
        event_path(self.id, "once", self.name)
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
        event_path(self.id, "event", self.name)
    }

    fn needs_dialect(&self) -> bool {
        true
    }

    fn decoder(&self, dialect: Dialect) -> EventBody {
        EventBody::new(self.name, dialect)
    }
}

/// `GET /instance/:id/events/:name`: streams all events with this name from now on.
///
/// Response: JSON lines, each an [`Event`]. The stream never ends, not even when the instance does.
/// Quirk (1.x): the data `null`, `false`, `0`, `""` and missing data arrive as `{}`.
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
        event_path(self.id, "events", self.name)
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

/// An event that an instance emitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// The event's name.
    pub name: String,
    /// The data of the event, `null` for none. Hubs of 1.x lose some data: in [`NextEvent`] and
    /// [`LastEvent`], numbers, booleans, `""` and `{}` arrive as `null` too.
    pub data: Value,
}

impl Event {
    /// Creates an event.
    #[must_use]
    pub fn new(name: &str, data: Value) -> Self {
        Self {
            name: name.into(),
            data,
        }
    }

    /// Deserializes the data of the event.
    ///
    /// # Errors
    /// [`ReplyError::Body`] if the data does not match the type.
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

    /// Returns the event that an error response contains, if there is one.
    ///
    /// Hubs of 1.x turn two kinds of events into error responses: those with a member `opStatus` in
    /// their data, which the hub reads as the status of the response, and those without data, which
    /// the hub cannot serialize (500).
    #[must_use]
    pub fn in_refusal(name: &str, refusal: &ApiError) -> Option<Self> {
        if refusal.received_status == 500 && refusal.message.contains("Failed to serialize data") {
            return Some(Self::new(name, Value::Null));
        }
        // A real error of the hub has another text than the name of its status.
        let data = refusal.json().filter(|_| refusal.has_cors_header())?;
        let named = refusal.status.canonical_reason()?;
        (data.get("error")?.as_str()? == named).then(|| Self::new(name, data))
    }
}

/// The format of events: the bare data, or an envelope around it (hubs before 0.38.0).
///
/// Depends on the version of the hub and not on the data, because data may look like an envelope.
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
        // Not `from_value`, which would be the only use of another deserializer in this crate.
        match json::parse::<Envelope>(&text) {
            Ok(envelope) => Ok(Step::Item(Event {
                name: envelope.event_name,
                data: envelope.message,
            })),
            Err(source) => Err(ReplyError::body(source, text.as_bytes())),
        }
    }
}

/// A decoder for one event, which is the whole body.
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

/// A decoder for a stream of events, one per line.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, assert_request_to, hub_of, id};

    #[test]
    fn next_event_is_the_same_for_every_hub() {
        let (id, name) = (&id("i"), &id("weather+city"));
        let expected = "GET /instance/i/once/weather+city";
        assert_request(&NextEvent { id, name }, expected);
        assert_request_to(&hub_of("0.18.7"), &NextEvent { id, name }, expected);
    }

    #[test]
    fn last_event_is_the_same_for_every_hub() {
        let (id, name) = (&id("i"), &id("weather+city"));
        let expected = "GET /instance/i/event/weather+city";
        assert_request(&LastEvent { id, name }, expected);
        assert_request_to(&hub_of("0.18.7"), &LastEvent { id, name }, expected);
    }

    #[test]
    fn read_events_is_the_same_for_every_hub() {
        let (id, name) = (&id("i"), &id("EV"));
        let expected = "GET /instance/i/events/EV";
        assert_request(&ReadEvents { id, name }, expected);
        assert_request_to(&hub_of("0.18.7"), &ReadEvents { id, name }, expected);
    }
}
