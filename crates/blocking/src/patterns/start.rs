//! Starting instances until they run.

use std::time::Duration;

use scramjet_client_core::flow::{self, StartUntilReady};
use scramjet_client_core::{
    Event, EventName, RequestError, RetryPolicy, StartOptions, StartSequence,
};

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::handles::instance::InstanceClient;
use crate::handles::sequence::SequenceClient;
use crate::support::random::random;

/// By what an instance tells that it is ready, and by what that it has failed.
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
    within: Option<Duration>,
}

/// An instance that is ready.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ready {
    /// The instance.
    pub instance: InstanceClient,
    /// The event by which it told so.
    pub event: Event,
}

impl Readiness {
    /// It is ready when it has emitted this event.
    pub fn event(name: impl Into<String>) -> Self {
        Self {
            ready: vec![name.into()],
            failed: Vec::new(),
            within: None,
        }
    }

    /// This event will do as well.
    pub fn or(mut self, name: impl Into<String>) -> Self {
        self.ready.push(name.into());
        self
    }

    /// It has failed when it has emitted this event.
    pub fn fails_on(mut self, name: impl Into<String>) -> Self {
        self.failed.push(name.into());
        self
    }

    /// How long it may take from the start on. Otherwise only the handle's limits hold.
    pub fn timeout(self, time: Duration) -> Self {
        Self {
            within: Some(time),
            ..self
        }
    }

    /// The events by their names.
    fn to_flow(&self) -> Result<flow::Readiness, RequestError> {
        let named = |names: &[String]| -> Result<Vec<EventName>, RequestError> {
            names.iter().map(EventName::try_from).collect()
        };
        Ok(flow::Readiness {
            ready: named(&self.ready)?,
            failed: named(&self.failed)?,
            timeout: self.within,
        })
    }
}

impl SequenceClient {
    /// Starts an instance as soon as the hub has room for it: tries again as long as the hub is
    /// overloaded (419), after the time that the hub names or a second, within the handle's limits.
    ///
    /// If the limits are reached before the hub has answered, the call returns within a second. The
    /// answer is awaited in the background, because the hub goes on with the start: an instance that
    /// comes up is killed. Two threads and a connection are in use for it, for up to 20 seconds.
    ///
    /// # Errors
    /// See [`Error`]; any other refusal is final. After an attempt on the full hub
    /// [`ErrorKind::Attempts`], with the last of those first, and then what ended the waiting.
    pub fn start_when_available(&self, options: &StartOptions) -> Result<InstanceClient, Error> {
        Ok(self
            .start_until_ready(options, |flow| Ok(flow.when_available()))?
            .0)
    }

    /// Starts an instance and waits until it is ready, see [`InstanceClient::wait_any`]. An instance
    /// that fails to get ready is killed. If the limits of the handle are reached, it is killed in the
    /// background, see [`start_when_available`](Self::start_when_available).
    ///
    /// To start instances one after another, call this in a loop.
    ///
    /// # Errors
    /// See [`Error`]: [`ErrorKind::Failed`] if the instance says so, [`ErrorKind::Ended`] if it has
    /// ended, a timeout if it took too long.
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

    /// Starts an instance until one is ready, see [`start_and_wait`](Self::start_and_wait): as often
    /// and at such intervals as the policy says.
    ///
    /// Tries again only what may succeed then: not what the hub refuses for good, such as a package
    /// that cannot be started ([`ErrorCode::InvalidConfig`](crate::ErrorCode::InvalidConfig)). Never
    /// starts twice without knowing: on a hub that takes instance ids (since 0.31.4), an instance
    /// whose start was not answered is looked for by its id, for up to 30 seconds; on an older hub
    /// such a start is not repeated. An instance that did not get ready is killed before the next
    /// attempt.
    ///
    /// # Errors
    /// See [`Error`]; of several attempts [`ErrorKind::Attempts`], which holds the error of each.
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

    /// Starts an instance that is killed if the handle's limits are reached before the answer has
    /// come, see [`start_when_available`](Self::start_when_available).
    pub(crate) fn start_owned(&self, options: &StartOptions) -> Result<InstanceClient, Error> {
        Ok(self.start_until_ready(options, Ok)?.0)
    }

    fn start_ready(
        &self,
        options: &StartOptions,
        readiness: &Readiness,
        set: impl FnOnce(StartUntilReady) -> StartUntilReady,
    ) -> Result<Ready, Error> {
        let readiness = readiness.to_flow()?;
        let until_ready = |flow: StartUntilReady| Ok(set(flow.until(readiness)));
        match self.start_until_ready(options, until_ready)? {
            (instance, Some(event)) => Ok(Ready { instance, event }),
            // A flow that waits for readiness ends with an event.
            (instance, None) => Ok(Ready {
                event: Event::new("", ().into()),
                instance,
            }),
        }
    }

    fn start_until_ready(
        &self,
        options: &StartOptions,
        set: impl FnOnce(StartUntilReady) -> Result<StartUntilReady, Error>,
    ) -> Result<(InstanceClient, Option<Event>), Error> {
        let client = self.host.client.fix_deadline();
        let about = client.describe(&StartSequence {
            id: self.id(),
            options,
        });
        let endpoint = client.known_endpoint()?;
        let (id, seed) = (self.id().clone(), (random(), random()));
        let flow = StartUntilReady::new(endpoint, id, options.clone(), seed)?;
        let flow = set(flow.outage_tolerance(client.outage_tolerance()))?;
        let ready = client.drive(about, flow)?;
        let instance = InstanceClient::started_as(ready.started, &self.host);
        if ready.event.is_some() {
            client.known_inputs().note_listening(instance.id());
        }
        Ok((instance, ready.event))
    }

    /// This handle, for calls that are one to the caller.
    pub(crate) fn fix_deadline(&self) -> Self {
        let mut this = self.clone();
        this.host.client = this.host.client.fix_deadline();
        this
    }
}
