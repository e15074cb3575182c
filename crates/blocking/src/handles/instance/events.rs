//! Events that an instance emits, and events sent to it.

use std::time::{Duration, Instant};

use scramjet_client_core::{
    Event, EventLines, EventName, Operation, ReadEvents, RequestError, SendEvent, flow,
};
use serde::Serialize;

use crate::body::items::{EventStream, Items};
use crate::client::Client;
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::handles::into_id::IntoId;
use crate::streams::follow::Follow;

/// Upper bound for the wait for the head of an event stream. When the head arrives, the hub is
/// listening for events.
const HEAD_LIMIT: Duration = Duration::from_secs(1);

/// Events from and to an instance.
impl InstanceClient {
    /// Waits for the next event with this name. The same as
    /// [`wait_next_event`](Self::wait_next_event), under the name of the TypeScript client.
    ///
    /// Does not return an event that was emitted before the call. For an event that may have been
    /// emitted already, such as `ready` after a start, use [`wait_event`](Self::wait_event).
    ///
    /// # Errors
    /// Like [`wait_next_event`](Self::wait_next_event).
    #[doc(alias = "getNextEvent")]
    pub fn next_event(&self, name: impl IntoId<EventName>) -> Result<Event, Error> {
        self.wait_next_event(name)
    }

    /// Waits for an event that may have been emitted at any time since the start. The same as
    /// [`wait_event`](Self::wait_event), under the name of the TypeScript client.
    ///
    /// # Errors
    /// Like [`wait_event`](Self::wait_event).
    #[doc(alias = "getEvent")]
    pub fn last_event(&self, name: impl IntoId<EventName>) -> Result<Event, Error> {
        self.wait_event(name)
    }

    /// Opens a stream of all events with this name from now on (`GET /instance/:id/events/:name`).
    ///
    /// Returns when the hub has responded, so you cannot miss an event that you cause afterwards. A
    /// proxy may withhold the head of the response until the first event; the call then returns
    /// after a second.
    ///
    /// The stream does not end with the instance; [`follow_events`](Self::follow_events) does. On
    /// 1.x, the data `null`, `false`, `0`, `""` and missing data arrive as `{}`.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the instance is gone.
    #[doc(alias = "getEventStream")]
    pub fn event_stream(&self, name: impl IntoId<EventName>) -> Result<EventStream, Error> {
        let name = name.into_id()?;
        let client = self.host.client.fix_deadline();
        let (id, dialect) = (self.id.clone(), client.dialect()?);
        let operation = ReadEvents {
            id: &self.id,
            name: &name,
        };
        let (decoder, call) = (operation.decoder(dialect), client.describe(&operation));
        let open = move |client: &Client| {
            let events = client.items(&ReadEvents {
                id: &id,
                name: &name,
            });
            events.map(Items::into_body)
        };
        let mut stream = client.open_on_thread(call, open)?;
        stream.await_head(Some(Instant::now() + HEAD_LIMIT))?;
        Ok(stream.items(decoder))
    }

    /// Follows all events with this name until the instance ends
    /// (`GET /instance/:id/events/:name`).
    ///
    /// Reconnects if the connection is lost, see [`Follow`]. Events emitted during a gap are lost.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the instance is gone.
    pub fn follow_events(&self, name: impl IntoId<EventName>) -> Result<Follow<EventLines>, Error> {
        let name = name.into_id()?;
        let client = self.host.client.fix_deadline();
        let (id, endpoint) = (self.id.clone(), client.known_endpoint()?);
        let flow = flow::Follow::events(endpoint, id, name.clone())?;
        let operation = ReadEvents {
            id: &self.id,
            name: &name,
        };
        Follow::start(&client, &operation, flow)
    }

    /// Sends an event to the instance (`POST /instance/:id/_event`).
    ///
    /// Returns when the hub has queued the event. The hub does not report whether the sequence
    /// receives it. Hubs of 1.x also accept an event for an instance that ended within about the
    /// last three minutes.
    ///
    /// The name may be any text, and the data any value that serializes to JSON. Hubs before 0.39.0
    /// accept only strings as data. If the version of the hub is unknown and the data is not a
    /// string, the client requests the version first.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// instance.send_event("set-level", "debug")?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`RequestError::Option`] if the data does not serialize to JSON.
    /// - [`is_unsupported`](Error::is_unsupported) if the hub accepts only strings and the data is
    ///   something else. The event was not sent then.
    /// - [`is_not_found`](Error::is_not_found) if the instance is gone.
    #[doc(alias = "sendEvent")]
    pub fn send_event(&self, name: &str, data: impl Serialize) -> Result<(), Error> {
        let data = serde_json::to_value(data)
            .map_err(|error| RequestError::option("data", &error.to_string()))?;
        self.host.call(&SendEvent {
            id: &self.id,
            name,
            data: &data,
        })
    }
}
