//! Waiting for what an instance does, and not for ever where it cannot do it any more.

use std::time::Duration;

use scramjet_client_core::flow::{Since, WaitForEnd, WaitForEvent};
use scramjet_client_core::{
    Dialect, Ended, Event, EventName, GetInstance, InstanceId, LastEvent, ReadEvents, ReplyError,
    RequestError,
};
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::handles::instance::InstanceClient;
use crate::transport::error::Phase;

/// Added to a timeout on hubs that do not tell of such events.
const HIDDEN: &str = "if the event was emitted earlier without data, this hub does not report it; \
                      emit it with a string";

impl InstanceClient {
    /// Waits for an event, which may have fired at any time since the start. `GET /instance/:id/event/:name`, and on 1.x
    /// `GET /instance/:id/events/:name` beside it.
    ///
    /// Ends with [`ErrorKind::Ended`] when the instance ends or is gone: it is asked for its state ever less often, in the end every 2
    /// seconds. Otherwise it waits as long as it takes, or as the handle's limits allow. Uses a thread of its own, on 1.x two.
    ///
    /// On 1.x an event that has fired *before* this was called is heard only if its data was not `null`, `false`, `0`, `""` or missing.
    /// Of one that fires afterwards, that data comes as `null`, and so does `{}`. Emit a text with an event that is to be waited for.
    ///
    /// # Errors
    /// See [`Error`].
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
    pub fn wait_event<N>(&self, name: N) -> Result<Event, Error>
    where
        N: TryInto<EventName>,
        RequestError: From<N::Error>,
    {
        self.wait_any([name])
    }

    /// Waits for an event like [`wait_event`](Self::wait_event), and reads its data as a value of a
    /// type.
    ///
    /// # Errors
    /// See [`wait_event`](Self::wait_event); [`ErrorKind::Reply`] if the data is not what the type
    /// needs.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// let port = instance.wait_event_as::<u16>("listening")?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn wait_event_as<T: DeserializeOwned>(
        &self,
        name: impl TryInto<EventName, Error: Into<RequestError>>,
    ) -> Result<T, Error> {
        let name = name.try_into().map_err(Into::into)?;
        let event = self.wait_for(Vec::from([name.clone()]), Since::Start)?;
        event.data_as().map_err(|error| {
            let operation = LastEvent {
                id: &self.id,
                name: &name,
            };
            self.host.client.describe(&operation).failed(error)
        })
    }

    /// Waits for the first of several events, each like [`wait_event`](Self::wait_event). Which it is says [`Event::name`]; of several that have
    /// fired already, it is any.
    ///
    /// # Errors
    /// See [`Error`].
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
    pub fn wait_any<N>(&self, names: impl IntoIterator<Item = N>) -> Result<Event, Error>
    where
        N: TryInto<EventName>,
        RequestError: From<N::Error>,
    {
        self.wait(names, Since::Start)
    }

    /// Waits for an event that fires from now on. Otherwise like [`wait_event`](Self::wait_event), on `GET /instance/:id/events/:name` alone.
    ///
    /// For an event that is provoked by the caller, [`event_stream`](Self::event_stream) is the right thing: it returns when the hub listens.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn wait_next_event<N>(&self, name: N) -> Result<Event, Error>
    where
        N: TryInto<EventName>,
        RequestError: From<N::Error>,
    {
        self.wait_next_any([name])
    }

    /// Waits for the first of several events that fire from now on. See [`wait_next_event`](Self::wait_next_event).
    ///
    /// # Errors
    /// See [`Error`].
    pub fn wait_next_any<N>(&self, names: impl IntoIterator<Item = N>) -> Result<Event, Error>
    where
        N: TryInto<EventName>,
        RequestError: From<N::Error>,
    {
        self.wait(names, Since::Now)
    }

    /// Waits until the instance has ended, and tells how, as far as the hub does. `GET /instance/:id`,
    /// ever less often, in the end every 2 seconds.
    ///
    /// A sequence that has completed is kept by its hub for 10 more seconds. An instance that the hub
    /// does not know any more has ended; a `404` of a gateway in front of the hub does not count.
    ///
    /// # Errors
    /// See [`Error`]. Outages of up to a minute, or within the limits of the handle if it has some,
    /// are waited for.
    pub fn wait_ended(&self) -> Result<Ended, Error> {
        let client = self.host.client.fix_deadline();
        let about = client.describe(&GetInstance { id: &self.id });
        let endpoint = client.endpoint().clone();
        let flow = WaitForEnd::new(endpoint, self.id.clone(), client.outage_tolerance());
        let ended = client.drive(about, flow)?;
        client.notice_end(&self.id);
        Ok(ended)
    }

    fn wait<N>(&self, names: impl IntoIterator<Item = N>, since: Since) -> Result<Event, Error>
    where
        N: TryInto<EventName>,
        RequestError: From<N::Error>,
    {
        let names = names.into_iter().map(TryInto::try_into);
        let names = names
            .collect::<Result<Vec<EventName>, _>>()
            .map_err(RequestError::from)?;
        self.wait_for(names, since)
    }

    fn wait_for(&self, names: Vec<EventName>, since: Since) -> Result<Event, Error> {
        let client = self.host.client.fix_deadline();
        let id = &self.id;
        let about = names.first().map(|name| match since {
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
        let about = about.unwrap_or_else(|| client.describe(&GetInstance { id }));
        let hides = |dialect: Dialect| !dialect.supports_empty_event_data();
        let event = client.drive(about, flow).map_err(|error| {
            let hidden = since == Since::Start && client.endpoint().dialect().is_some_and(hides);
            match hidden && error.is_timeout() {
                true => error.hinting(HIDDEN),
                false => error,
            }
        })?;
        client.known_inputs().note_listening(id);
        Ok(event)
    }
}

/// How the instance has ended; nothing if it has not.
pub(crate) fn ended(client: &Client, id: &InstanceId) -> Result<Option<Ended>, Error> {
    let ended = match client.call(&GetInstance { id }) {
        Ok(info) => Ended::of(info).ok(),
        Err(error) if error.is_hubs_not_found() => Some(Ended::gone(id)),
        Err(error) => return Err(error),
    };
    if ended.is_some() {
        client.notice_end(id);
    }
    Ok(ended)
}

/// The time that the hub has to tell why a stream was lost.
const LOSS_LIMIT: Duration = Duration::from_secs(2);

/// Finds the reason if a stream of an instance was lost: the instance has ended, or the hub is gone. Otherwise the error stays as it is.
pub(crate) fn explain_loss(client: &Client, id: &InstanceId, error: Error) -> Error {
    let is_lost = match error.kind() {
        ErrorKind::Transport(error) => error.phase >= Phase::Send,
        ErrorKind::Reply(error) => matches!(error, ReplyError::Truncated { .. }),
        _ => false,
    };
    if !is_lost {
        return error;
    }
    match ended(&client.tightened(Some(LOSS_LIMIT)), id) {
        Ok(Some(ended)) => error.with_kind(ErrorKind::Ended(Box::new(ended))),
        Err(gone) if matches!(gone.kind(), ErrorKind::Transport(_)) => gone,
        _ => error,
    }
}
