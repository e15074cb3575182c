//! Calls that wait for an instance, and end when it ends.

use std::time::Duration;

#[cfg(doc)]
use scramjet_client_core::RequestError;
use scramjet_client_core::flow::{Since, WaitForEnd, WaitForEvent};
use scramjet_client_core::{
    Dialect, Ended, Event, EventName, GetInstance, InstanceId, LastEvent, ReadEvents, ReplyError,
};
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::client::flow_driver::SharedDriver;
use crate::error::{Error, ErrorKind};
use crate::handles::instance::InstanceClient;
use crate::handles::into_id::IntoId;
use crate::transport::error::Phase;

/// Hint for a timeout on hubs that do not report earlier events without data.
const MISSED_EVENT: &str = "if the event was emitted earlier without data, this hub does not \
                            report it; emit it with a string";

/// Calls that wait for an event or for the end of an instance.
impl InstanceClient {
    /// Waits for an event that may have been emitted at any time since the start of the instance.
    ///
    /// Sends `GET /instance/:id/event/:name`, and on 1.x also `GET /instance/:id/events/:name`.
    ///
    /// Fails with [`ErrorKind::Ended`] if the instance ends: the client polls its status at growing
    /// intervals, up to 2 seconds. Otherwise waits as long as the limits of the handle allow. The
    /// default transport needs no other threads for that. With another one, the wait uses one
    /// thread, and two on 1.x.
    ///
    /// On 1.x, an event that was emitted *before* this call is found only if its data is not
    /// `null`, `false`, `0`, `""` or missing. If the event is emitted later, such data and `{}`
    /// arrive as `null`. So a sequence should emit a non-empty string with an event that a client
    /// waits for.
    ///
    /// # Errors
    /// [`ErrorKind::Ended`] if the instance ended without the event, or is gone.
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # use scramjet_client_blocking::{HostClient, StartOptions};
    /// # let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("x")?;
    /// let instance = sequence.start(&StartOptions::new())?;
    /// let ready = instance.with_deadline(Duration::from_secs(10)).wait_event("ready")?;
    /// println!("ready: {}", ready.data);
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn wait_event(&self, name: impl IntoId<EventName>) -> Result<Event, Error> {
        self.wait_any([name])
    }

    /// Waits for an event like [`wait_event`](Self::wait_event), and deserializes its data.
    ///
    /// # Errors
    /// [`ErrorKind::Reply`] if the data does not match the type. Otherwise like
    /// [`wait_event`](Self::wait_event).
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// let port = instance.wait_event_as::<u16>("listening")?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn wait_event_as<T: DeserializeOwned>(
        &self,
        name: impl IntoId<EventName>,
    ) -> Result<T, Error> {
        let name = name.into_id()?;
        let event = self.wait_for(Vec::from([name.clone()]), Since::Start)?;
        event.data_as().map_err(|error| {
            let operation = LastEvent {
                id: &self.id,
                name: &name,
            };
            self.host.client.describe(&operation).failed(error)
        })
    }

    /// Waits for the first of several events, each like [`wait_event`](Self::wait_event).
    ///
    /// [`Event::name`] is the name of the event. If several were emitted before the call, returns
    /// one of them, not necessarily the first.
    ///
    /// # Errors
    /// - [`RequestError::Option`] if there is no name.
    /// - Otherwise like [`wait_event`](Self::wait_event).
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// let event = instance.wait_any(["ready", "error"])?;
    /// if event.name == "error" {
    ///     println!("it failed: {}", event.data);
    /// }
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn wait_any<N: IntoId<EventName>>(
        &self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Event, Error> {
        self.wait(names, Since::Start)
    }

    /// Waits for an event that is emitted from now on (`GET /instance/:id/events/:name`).
    ///
    /// Otherwise works like [`wait_event`](Self::wait_event).
    ///
    /// For an event that your own request causes, use [`event_stream`](Self::event_stream), which
    /// returns as soon as the hub listens for events.
    ///
    /// # Errors
    /// [`ErrorKind::Ended`] if the instance ended without the event, or is gone.
    pub fn wait_next_event(&self, name: impl IntoId<EventName>) -> Result<Event, Error> {
        self.wait_next_any([name])
    }

    /// Waits for the first of several events that are emitted from now on.
    ///
    /// See [`wait_next_event`](Self::wait_next_event).
    ///
    /// # Errors
    /// - [`RequestError::Option`] if there is no name.
    /// - Otherwise like [`wait_next_event`](Self::wait_next_event).
    pub fn wait_next_any<N: IntoId<EventName>>(
        &self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Event, Error> {
        self.wait(names, Since::Now)
    }

    /// Waits until the instance has ended, and returns how it ended (`GET /instance/:id`,
    /// repeatedly).
    ///
    /// The client polls at growing intervals, up to 2 seconds. Hubs before 0.27.0 do not report how
    /// an instance ended.
    ///
    /// After a sequence has completed, the hub keeps its instance running for 10 more seconds. If
    /// the hub does not know the instance, it counts as ended. A 404 from a gateway in front of the
    /// hub does not.
    ///
    /// # Errors
    /// The call tolerates lost connections, except in these cases:
    ///
    /// - The hub is unreachable for more than a minute, and the handle has neither a deadline nor a
    ///   cancel token. With one of these, the call waits until it takes effect.
    /// - The hub has not responded to this call before, and the retry policy of the handle allows
    ///   no further attempt.
    /// - The handle has no retries.
    pub fn wait_ended(&self) -> Result<Ended, Error> {
        let client = self.host.client.fix_deadline();
        let call = client.describe(&GetInstance { id: &self.id });
        let endpoint = client.endpoint().clone();
        let flow = WaitForEnd::new(endpoint, self.id.clone(), client.outage_tolerance());
        let ended = client.drive(call, flow)?;
        client.notice_end(&self.id);
        Ok(ended)
    }

    fn wait<N: IntoId<EventName>>(
        &self,
        names: impl IntoIterator<Item = N>,
        since: Since,
    ) -> Result<Event, Error> {
        let names = names.into_iter().map(IntoId::into_id);
        self.wait_for(names.collect::<Result<_, _>>()?, since)
    }

    fn wait_for(&self, names: Vec<EventName>, since: Since) -> Result<Event, Error> {
        let client = self.host.client.fix_deadline();
        let driver = self.event_driver(&client, names, since)?;
        let hides = |dialect: Dialect| !dialect.keeps_event_data();
        let event = client.run_driver(driver).map_err(|error| {
            let hidden = since == Since::Start && client.endpoint().dialect().is_some_and(hides);
            match hidden && error.is_timeout() {
                true => error.hinting(MISSED_EVENT),
                false => error,
            }
        })?;
        client.known_inputs().note_listening(&self.id);
        Ok(event)
    }

    // Not inlined, so that a thread that waits occupies less of its stack.
    #[inline(never)]
    fn event_driver(
        &self,
        client: &Client,
        names: Vec<EventName>,
        since: Since,
    ) -> Result<SharedDriver<WaitForEvent, Event>, Error> {
        let id = &self.id;
        let call = names.first().map(|name| match since {
            Since::Start => client.describe(&LastEvent { id, name }),
            Since::Now => client.describe(&ReadEvents { id, name }),
        });
        let endpoint = if names.is_empty() {
            client.endpoint().clone()
        } else {
            client.known_endpoint()?
        };
        let flow = WaitForEvent::new(
            endpoint,
            id.clone(),
            names,
            since,
            client.outage_tolerance(),
        )?;
        let call = call.unwrap_or_else(|| client.describe(&GetInstance { id }));
        client.driver(call, flow)
    }
}

/// Returns how the instance ended; `None` if it has not ended.
pub(crate) fn ended(client: &Client, id: &InstanceId) -> Result<Option<Ended>, Error> {
    let ended = match client.call(&GetInstance { id }) {
        Ok(info) => Ended::of(info).ok(),
        Err(error) if error.is_not_found_by_hub() => Some(Ended::gone(id)),
        Err(error) => return Err(error),
    };
    if ended.is_some() {
        client.notice_end(id);
    }
    Ok(ended)
}

/// Upper bound for the status request after the connection of a stream was lost.
const STATUS_LIMIT: Duration = Duration::from_secs(2);

/// Replaces the error of a lost connection by its cause, if the instance has ended or the hub is
/// unreachable.
pub(crate) fn explain_loss(client: &Client, id: &InstanceId, error: Error) -> Error {
    let is_lost = match error.kind() {
        ErrorKind::Transport(error) => error.phase >= Phase::Send,
        ErrorKind::Reply(error) => matches!(error, ReplyError::Truncated { .. }),
        _ => false,
    };
    if !is_lost {
        return error;
    }
    match ended(&client.tightened(Some(STATUS_LIMIT)), id) {
        Ok(Some(ended)) => error.with_kind(ErrorKind::Ended(Box::new(ended))),
        Err(gone) if matches!(gone.kind(), ErrorKind::Transport(_)) => gone,
        _ => error,
    }
}
