//! Starts instances and waits until they are ready.

use std::time::Duration;

use scramjet_client_core::flow::{self, StartUntilReady};
use scramjet_client_core::{
    Event, EventName, RequestError, RetryPolicy, StartOptions, StartSequence,
};

use crate::call::context::CallContext;
use crate::client::Client;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::handles::instance::InstanceClient;
use crate::handles::sequence::SequenceClient;
use crate::support::random::random;

/// The events that mean that an instance is ready, and those that mean that it has failed.
///
/// With `Readiness::event("ready")`, an instance is ready when its sequence calls
/// `this.emit("ready", …)`. Emit a non-empty string with the event, because hubs of 1.x may lose an
/// event without data, see [`InstanceClient::wait_event`].
///
/// Used by [`SequenceClient::start_and_wait`], [`SequenceClient::start_with_retry`] and
/// [`PoolOptions::readiness`](crate::PoolOptions::readiness).
///
/// ```
/// use std::time::Duration;
/// use scramjet_client_blocking::Readiness;
///
/// let readiness = Readiness::event("ready").fails_on("error").timeout(Duration::from_secs(30));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Readiness {
    ready: Vec<String>,
    failed: Vec<String>,
    timeout: Option<Duration>,
}

/// An instance that is ready. Returned by [`SequenceClient::start_and_wait`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ready {
    /// Handle of the instance.
    pub instance: InstanceClient,
    /// Event that made the instance ready.
    pub event: Event,
}

impl Readiness {
    /// Creates a `Readiness` with one event: an instance is ready when it emits `name`. There is no
    /// timeout by default.
    pub fn event(name: impl Into<String>) -> Self {
        Self {
            ready: vec![name.into()],
            failed: Vec::new(),
            timeout: None,
        }
    }

    /// Adds another event that makes an instance ready.
    pub fn or(mut self, name: impl Into<String>) -> Self {
        self.ready.push(name.into());
        self
    }

    /// Adds an event that means that the instance has failed. The start then fails with
    /// [`ErrorKind::Failed`], and the client kills the instance.
    pub fn fails_on(mut self, name: impl Into<String>) -> Self {
        self.failed.push(name.into());
        self
    }

    /// Sets the upper bound for the time from the start of an instance until it is ready. By
    /// default, only the limits of the handle apply.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// Converts the readiness for a flow. Fails if a name of an event is invalid.
    fn to_flow(&self) -> Result<flow::Readiness, RequestError> {
        let named = |names: &[String]| -> Result<Vec<EventName>, RequestError> {
            names.iter().map(EventName::try_from).collect()
        };
        Ok(flow::Readiness {
            ready: named(&self.ready)?,
            failed: named(&self.failed)?,
            timeout: self.timeout,
        })
    }
}

impl SequenceClient {
    /// Starts an instance as soon as the hub has room for it (`POST /sequence/:id/start`). Retries
    /// while the hub is overloaded (status 419). The delay is the `Retry-After` of the response, or
    /// a second without this header.
    ///
    /// Waits without a limit unless the handle has one. If a limit is reached before the hub has
    /// responded to a start, the call returns within a second. The hub continues the start, so the
    /// client waits for the response in the background and kills the instance. This uses two
    /// threads and a connection for up to 20 seconds.
    ///
    /// # Errors
    /// The first error other than an overload, or a limit that was reached. If the hub was
    /// overloaded before, the error is [`ErrorKind::Attempts`]: it contains the last overload
    /// error, and then the error that ended the wait.
    pub fn start_when_available(&self, options: &StartOptions) -> Result<InstanceClient, Error> {
        Ok(self
            .start_until_ready(options, |flow| Ok(flow.when_available()))?
            .0)
    }

    /// Starts an instance (`POST /sequence/:id/start`) and waits until it is ready. To start
    /// several one after another, call this in a loop.
    ///
    /// Waits for the events like [`InstanceClient::wait_any`], which does not miss early events.
    /// [`Readiness::timeout`] and the limits of the handle apply. There is no limit by default. If
    /// the instance does not get ready, the client kills it. After a limit of the handle was
    /// reached, it does so in the background, see
    /// [`start_when_available`](Self::start_when_available).
    ///
    /// # Errors
    /// - [`ErrorKind::Failed`] if the instance emitted an event of [`Readiness::fails_on`].
    /// - [`ErrorKind::Ended`] if the instance has ended.
    /// - If the instance was not ready in time, [`is_timeout`](Error::is_timeout) returns `true`.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, Readiness, StartOptions};
    /// # let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("x")?;
    /// let readiness = Readiness::event("ready").fails_on("error");
    /// for shard in 0..4 {
    ///     let ready = sequence.start_and_wait(&StartOptions::new().arg(shard), &readiness)?;
    ///     println!("{} is ready", ready.instance.id());
    /// }
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn start_and_wait(
        &self,
        options: &StartOptions,
        readiness: &Readiness,
    ) -> Result<Ready, Error> {
        self.start_ready(options, readiness, |flow| flow)
    }

    /// Starts an instance and waits until it is ready, like
    /// [`start_and_wait`](Self::start_and_wait), with retries. The policy sets the number of
    /// attempts and the delays between them.
    ///
    /// If an instance does not get ready, the client kills it before the next attempt. Permanent
    /// errors are not retried, for example a package that cannot be started
    /// ([`ErrorCode::InvalidConfig`](crate::ErrorCode::InvalidConfig)).
    ///
    /// Never leaves a second instance running. On hubs since 0.31.4, the client chooses the id of
    /// the instance. If the response to a start is lost, it looks for an instance with this id, for
    /// up to 20 seconds, and may then take 10 seconds to kill it. On older hubs, such a start is
    /// not retried.
    ///
    /// # Errors
    /// Like [`start_and_wait`](Self::start_and_wait). After several attempts,
    /// [`ErrorKind::Attempts`], which contains the error of each.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use scramjet_client_blocking::{HostClient, Readiness, RetryPolicy, StartOptions};
    /// # let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("x")?;
    /// let policy = RetryPolicy::exponential(Duration::from_millis(500)).max_attempts(5);
    /// let readiness = Readiness::event("ready").timeout(Duration::from_secs(20));
    /// let ready = sequence.start_with_retry(&StartOptions::new(), &readiness, &policy)?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn start_with_retry(
        &self,
        options: &StartOptions,
        readiness: &Readiness,
        policy: &RetryPolicy,
    ) -> Result<Ready, Error> {
        self.start_ready(options, readiness, |flow| flow.retrying(*policy))
    }

    /// Starts an instance. Kills it if a limit of the handle is reached before the hub has
    /// responded, see [`start_when_available`](Self::start_when_available).
    pub(crate) fn start_owned(&self, options: &StartOptions) -> Result<InstanceClient, Error> {
        Ok(self.start_until_ready(options, Ok)?.0)
    }

    fn start_ready(
        &self,
        options: &StartOptions,
        readiness: &Readiness,
        configure: impl FnOnce(StartUntilReady) -> StartUntilReady,
    ) -> Result<Ready, Error> {
        let readiness = readiness.to_flow()?;
        let until_ready = |flow: StartUntilReady| Ok(configure(flow.until(readiness)));
        match self.start_until_ready(options, until_ready)? {
            (instance, Some(event)) => Ok(Ready { instance, event }),
            // Unreachable: a flow that waits for readiness returns an event.
            (instance, None) => Ok(Ready {
                event: Event::new("", ().into()),
                instance,
            }),
        }
    }

    fn start_until_ready(
        &self,
        options: &StartOptions,
        configure: impl FnOnce(StartUntilReady) -> Result<StartUntilReady, Error>,
    ) -> Result<(InstanceClient, Option<Event>), Error> {
        let (client, call, flow) = self.start_flow(options)?;
        self.drive_start(&client, call, configure(flow)?)
    }

    /// Returns the flow of a start, and the client and the context to drive it with.
    fn start_flow(
        &self,
        options: &StartOptions,
    ) -> Result<(Client, CallContext, StartUntilReady), Error> {
        let client = self.host.client.fix_deadline();
        let call = client.describe(&StartSequence {
            id: self.id(),
            options,
        });
        let endpoint = client.known_endpoint()?;
        let (id, seed) = (self.id().clone(), (random(), random()));
        let flow = StartUntilReady::new(endpoint, id, options.clone(), seed)?;
        let flow = flow.outage_tolerance(client.outage_tolerance());
        Ok((client, call, flow))
    }

    fn drive_start(
        &self,
        client: &Client,
        call: CallContext,
        flow: StartUntilReady,
    ) -> Result<(InstanceClient, Option<Event>), Error> {
        let ready = client.drive(call, flow)?;
        let instance = InstanceClient::started_as(ready.started, &self.host);
        if ready.event.is_some() {
            client.known_inputs().note_listening(instance.id());
        }
        Ok((instance, ready.event))
    }

    /// Fixes the deadline of this handle, so that several requests share it.
    pub(crate) fn fix_deadline(&self) -> Self {
        let mut this = self.clone();
        this.host.client = this.host.client.fix_deadline();
        this
    }
}
