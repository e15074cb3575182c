use std::fmt;
use std::sync::Arc;

use scramjet_client_core::{
    Acknowledged, Event, EventName, GetInstance, GetInstanceHealth, InstanceHealth, InstanceId, InstanceInfo, KillInstance, KillOptions,
    LastEvent, NextEvent, OutputStream, ReadEvents, ReadStream, RequestError, SendEvent, SendInput, SendStdin, SetMonitoringRate, Started,
    StopInstance, StopOptions,
};

use serde::Serialize;

use crate::{ByteStream, Error, EventStream, HostClient, Input};

/// An instance on a hub: a sequence that runs, its streams and its events.
///
/// A cheap handle, like [`HostClient`]. Dropping it does nothing to the instance.
#[derive(Clone)]
pub struct InstanceClient {
    host: HostClient,
    id: InstanceId,
    started: Option<Arc<Started>>,
}

/// What was sent to an instance, and taken by the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// How many bytes.
    pub bytes: u64,
}

impl InstanceClient {
    /// The instance of this id on a hub. Asks nothing: whether there is such an instance shows when it is used.
    ///
    /// # Errors
    /// The id is empty, or one that a hub cannot find in a path.
    #[doc(alias = "from")]
    pub fn new<I>(id: I, host: &HostClient) -> Result<Self, Error>
    where
        I: TryInto<InstanceId>,
        RequestError: From<I::Error>,
    {
        let id = id.try_into().map_err(RequestError::from)?;
        Ok(Self { host: host.clone(), id, started: None })
    }

    pub(crate) fn started_as(started: Started, host: &HostClient) -> Self {
        Self { host: host.clone(), id: started.id.clone(), started: Some(Arc::new(started)) }
    }

    /// The instance's id.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        &self.id
    }

    /// The hub that it is on.
    #[must_use]
    pub fn host(&self) -> &HostClient {
        &self.host
    }

    /// The hub's whole reply to the start, where this handle comes from one.
    #[must_use]
    pub fn started(&self) -> Option<&Started> {
        self.started.as_deref()
    }

    /// `GET /instance/:id`: what the hub knows of the instance.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where it is gone: on 0.18 as soon as it ended, on 1.x some minutes later.
    #[doc(alias = "getInfo")]
    pub fn info(&self) -> Result<InstanceInfo, Error> {
        self.host.call(&GetInstance { id: &self.id })
    }

    /// `GET /instance/:id/health`: its last sign of life. Waits for the first one.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where the instance is gone.
    #[doc(alias = "getHealth")]
    pub fn health(&self) -> Result<InstanceHealth, Error> {
        self.host.call(&GetInstanceHealth { id: &self.id })
    }

    /// `POST /instance/:id/_stop`: asks the instance to stop, and has it killed when the timeout is over. Waits for as long as
    /// the timeout: the hub answers only then, even if the instance has long ended.
    ///
    /// Asks an unknown hub for its version first: the request differs between versions.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where the instance is gone.
    pub fn stop(&self, options: &StopOptions) -> Result<Acknowledged, Error> {
        self.host.call(&StopInstance { id: &self.id, options })
    }

    /// `POST /instance/:id/_kill`: ends the instance. Returns at once; the process may take some seconds to go.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where the instance is gone. 1.x refuses with 400 (`Instance not
    /// running`) where it has ended, and in the moment after its start.
    pub fn kill(&self, options: &KillOptions) -> Result<Acknowledged, Error> {
        self.host.call(&KillInstance { id: &self.id, options })
    }

    /// `GET /instance/:id/once/:name`: waits for the next event of this name, for as long as it takes.
    ///
    /// It waits for ever for an event that fired before, or where the instance ends meanwhile. For an event that may have
    /// fired already, such as `ready` after a start, use [`event`](Self::event).
    ///
    /// 1.x hubs lose numbers, booleans, `""` and `{}` on the way (they come as `null`), and an object with a member
    /// `opStatus` is taken for the status of the answer. Emit strings, arrays or objects.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getNextEvent")]
    pub fn next_event<N>(&self, name: N) -> Result<Event, Error>
    where
        N: TryInto<EventName>,
        RequestError: From<N::Error>,
    {
        let name = name.try_into().map_err(RequestError::from)?;
        self.host.call(&NextEvent { id: &self.id, name: &name })
    }

    /// `GET /instance/:id/event/:name`: the last event of this name; waits for the first, for as long as it takes.
    ///
    /// It waits for ever where the instance ends meanwhile. On 1.x an event with nothing, `null`, `false`, `0` or `""` as
    /// its data does not count; and see [`next_event`](Self::next_event) for data that 1.x loses.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getEvent")]
    pub fn event<N>(&self, name: N) -> Result<Event, Error>
    where
        N: TryInto<EventName>,
        RequestError: From<N::Error>,
    {
        let name = name.try_into().map_err(RequestError::from)?;
        self.host.call(&LastEvent { id: &self.id, name: &name })
    }

    /// `GET /instance/:id/events/:name`: every event of this name from now on. Returns when the hub has answered, so that an
    /// event that is provoked afterwards is not missed.
    ///
    /// It does not end with the instance. 1.x gives data that is `null`, `false`, `0`, `""` or missing as `{}`.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where the instance is gone.
    #[doc(alias = "getEventStream")]
    pub fn event_stream<N>(&self, name: N) -> Result<EventStream, Error>
    where
        N: TryInto<EventName>,
        RequestError: From<N::Error>,
    {
        let name = name.try_into().map_err(RequestError::from)?;
        self.host.client().items(&ReadEvents { id: &self.id, name: &name }).map(EventStream::new)
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
        let data = serde_json::to_value(data).map_err(|error| RequestError::option("data", &error.to_string()))?;
        self.host.call(&SendEvent { id: &self.id, name, data: &data })
    }

    /// `POST /instance/:id/_monitoring_rate`: how many times in a second the instance reports its health. Once, where nothing was said.
    ///
    /// # Errors
    /// See [`Error`]; a rate of zero, which instances take for a thousand, is refused before it is sent.
    pub fn set_monitoring_rate(&self, per_second: u32) -> Result<(), Error> {
        self.host.call(&SetMonitoringRate { id: &self.id, rate: per_second })
    }

    /// `POST /instance/:id/input`: sends data to the sequence's input, and ends the input after it unless told otherwise.
    ///
    /// Returns when all of it was written *and* the hub has taken it, so that a program may end right afterwards. Blocks
    /// while the sequence does not read. To an input that has already ended, it may wait for ever.
    ///
    /// # Errors
    /// See [`Error`]; refused where the sequence takes its input from a topic.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, Input};
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// instance.send_input(Input::text("one\n").end(false))?;
    /// instance.send_input("two\n")?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[doc(alias = "sendInput")]
    pub fn send_input(&self, data: impl Into<Input>) -> Result<Sent, Error> {
        let Input { upload, content_type, end } = data.into();
        let ((), bytes) = self.host.send(&SendInput { id: &self.id, content_type, end }, upload)?;
        Ok(Sent { bytes })
    }

    /// `POST /instance/:id/stdin`: sends data to the standard input of the instance's process, and ends it unless told
    /// otherwise. Waits like [`send_input`](Self::send_input); the data's content type does not matter here.
    ///
    /// On hubs of 0.18, data that comes before the process has read the data before it is put in front of that: send it in one
    /// piece, or wait for an answer to each.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "sendStdin")]
    pub fn send_stdin(&self, data: impl Into<Input>) -> Result<Sent, Error> {
        let Input { upload, end, .. } = data.into();
        let ((), bytes) = self.host.send(&SendStdin { id: &self.id, end }, upload)?;
        Ok(Sent { bytes })
    }

    /// `GET /instance/:id/{stdout,stderr,output,log}`: one of the instance's streams. Returns when the hub has answered; the
    /// bytes come as they are written.
    ///
    /// The first reader also gets what was written before. A reader that does not keep up holds back all others, and in the
    /// end the instance: read what you open, or drop it.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where the instance is gone.
    #[doc(alias = "getStream")]
    pub fn stream(&self, stream: OutputStream) -> Result<ByteStream, Error> {
        self.host.open(&ReadStream { id: &self.id, stream })
    }

    /// `GET /instance/:id/output`: what the sequence returns. See [`stream`](Self::stream).
    ///
    /// # Errors
    /// See [`Error`].
    pub fn output(&self) -> Result<ByteStream, Error> {
        self.stream(OutputStream::Output)
    }

    /// `GET /instance/:id/stdout`: what its process prints. See [`stream`](Self::stream).
    ///
    /// # Errors
    /// See [`Error`].
    pub fn stdout(&self) -> Result<ByteStream, Error> {
        self.stream(OutputStream::Stdout)
    }

    /// `GET /instance/:id/stderr`: what its process prints to standard error. See [`stream`](Self::stream).
    ///
    /// # Errors
    /// See [`Error`].
    pub fn stderr(&self) -> Result<ByteStream, Error> {
        self.stream(OutputStream::Stderr)
    }

    /// `GET /instance/:id/log`: what it logs, in JSON lines. On 1.x it never ends. See [`stream`](Self::stream).
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getLogStream")]
    pub fn log(&self) -> Result<ByteStream, Error> {
        self.stream(OutputStream::Log)
    }
}

impl fmt::Debug for InstanceClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceClient").field("id", &self.id).field("host", &self.host.base_url()).finish()
    }
}
