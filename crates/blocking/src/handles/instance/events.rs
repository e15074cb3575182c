//! What an instance emits, and what is sent to it.

use std::time::{Duration, Instant};

use scramjet_client_core::flow;
use scramjet_client_core::{
    Event, EventLines, EventName, Operation, ReadEvents, RequestError, SendEvent,
};
use serde::Serialize;

use crate::body::items::{EventStream, Items};
use crate::client::Client;
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::streams::follow::Follow;

/// How long the head of a stream of events is waited for. The hub listens from then on.
const HEAD_LIMIT: Duration = Duration::from_secs(1);

impl InstanceClient {
    /// Waits for the next event of this name, for as long as it takes: the same as
    /// [`wait_next_event`](Self::wait_next_event), by the name that it has in the TypeScript client.
    ///
    /// An event that fired before does not count. For one that may have fired already, such as `ready`
    /// after a start, use [`last_event`](Self::last_event).
    ///
    /// # Errors
    /// See [`wait_next_event`](Self::wait_next_event).
    #[doc(alias = "getNextEvent")]
    pub fn next_event<N>(&self, name: N) -> Result<Event, Error>
    where
        N: TryInto<EventName>,
        RequestError: From<N::Error>,
    {
        self.wait_next_event(name)
    }

    /// Waits for an event of this name, which may have fired at any time since the start: the same as
    /// [`wait_event`](Self::wait_event), by the name that it has in the TypeScript client.
    ///
    /// # Errors
    /// See [`wait_event`](Self::wait_event).
    #[doc(alias = "getEvent")]
    pub fn last_event<N>(&self, name: N) -> Result<Event, Error>
    where
        N: TryInto<EventName>,
        RequestError: From<N::Error>,
    {
        self.wait_event(name)
    }

    /// `GET /instance/:id/events/:name`: every event of this name from now on. Returns when the hub
    /// has answered, so that an event that is provoked afterwards is not missed; or after a second,
    /// because a proxy may keep the head of the answer back until there is an event.
    ///
    /// It does not end with the instance. 1.x gives data that is `null`, `false`, `0`, `""` or missing as `{}`.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) if the instance is gone.
    #[doc(alias = "getEventStream")]
    pub fn event_stream<N>(&self, name: N) -> Result<EventStream, Error>
    where
        N: TryInto<EventName>,
        RequestError: From<N::Error>,
    {
        let name = name.try_into().map_err(RequestError::from)?;
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

    /// `GET /instance/:id/events/:name`, for as long as the instance lives, also over a lost connection. See [`Follow`]. Events
    /// that are emitted during a gap are not seen.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where the instance is gone.
    pub fn follow_events<N>(&self, name: N) -> Result<Follow<EventLines>, Error>
    where
        N: TryInto<EventName>,
        RequestError: From<N::Error>,
    {
        let name = name.try_into().map_err(RequestError::from)?;
        let client = self.host.client.fix_deadline();
        let (id, endpoint) = (self.id.clone(), client.known_endpoint()?);
        let flow = flow::Follow::events(endpoint, id, name.clone())?;
        Follow::start(
            &client,
            &ReadEvents {
                id: &self.id,
                name: &name,
            },
            flow,
        )
    }

    /// `POST /instance/:id/_event`: sends an event to the instance. Returns when the hub has queued it; whether it is heard is not told.
    ///
    /// The name is any text. The data is anything that serializes to JSON; hubs before 0.39.0 take text alone.
    ///
    /// # Errors
    /// See [`Error`]; [`is_unsupported`](Error::is_unsupported) where the hub takes text alone, before anything is sent (an
    /// unknown hub is asked for its version first, where the data is not text); [`is_not_found`](Error::is_not_found) where the
    /// instance is gone. 1.x accepts an event for an instance that ended a short while ago.
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
