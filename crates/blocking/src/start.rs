//! Starting instances until they run.

mod handover;

use std::time::{Duration, Instant};

use scramjet_client_core::{
    Event, EventName, InstanceId, RequestError, RetryPolicy, RunnerExit, StartOptions,
    StartSequence,
};

use crate::exchange::random;
use crate::{Error, ErrorKind, InstanceClient, Phase, SequenceClient, kill};

/// How long to wait between two attempts to start on a hub that is full and does not say for how long.
const FULL: Duration = Duration::from_secs(1);

/// The shortest wait, whatever the hub says: it may say zero.
const SHORTEST: Duration = Duration::from_millis(200);

/// By what an instance tells that it is ready, and by what that it has failed.
///
/// ```
/// use std::time::Duration;
/// use scramjet_client_blocking::Readiness;
///
/// let readiness = Readiness::event("ready").fails_on("error").within(Duration::from_secs(30));
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
    pub fn within(self, time: Duration) -> Self {
        Self {
            within: Some(time),
            ..self
        }
    }

    fn names(&self) -> Result<Vec<EventName>, RequestError> {
        self.ready
            .iter()
            .chain(&self.failed)
            .map(|name| EventName::try_from(name.as_str()))
            .collect()
    }
}

impl SequenceClient {
    /// Starts an instance as soon as the hub has room for it: tries again as long as it is overloaded (419), after the time that the hub
    /// names or a second, within the handle's limits.
    ///
    /// # Errors
    /// See [`Error`]; any other refusal than the one is final. After an attempt on the full hub [`ErrorKind::Attempts`], with the last of
    /// those first, and then what ended the waiting.
    pub fn start_when_free(&self, options: &StartOptions) -> Result<InstanceClient, Error> {
        let this = self.begin();
        let operation = StartSequence {
            id: this.id(),
            options,
        };
        let mut full = None;
        loop {
            let error = match this.start_owned(options) {
                Ok(instance) => return Ok(self.own(instance)),
                Err(error) => error,
            };
            let last = if error.is_overloaded() {
                let pause = error
                    .api()
                    .and_then(|refusal| refusal.retry_after)
                    .map_or(FULL, Duration::from_secs);
                full = Some(error);
                this.host
                    .client
                    .pause(&operation, pause.max(SHORTEST))
                    .err()
            } else {
                Some(error)
            };
            if let Some(last) = last {
                return Err(this
                    .host
                    .client
                    .describe(&operation)
                    .of_attempts(full.into_iter().chain([last]).collect()));
            }
        }
    }

    /// Starts an instance and waits until it is ready, see [`InstanceClient::wait_any`]. One that fails to get ready is killed.
    ///
    /// Instances that are to be started one after another are a loop over this.
    ///
    /// # Errors
    /// See [`Error`]: [`ErrorKind::Failed`] where the instance says so, [`ErrorKind::Ended`] where it has ended, a timeout where it took
    /// too long.
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
        let names = readiness.names()?;
        let this = self.begin();
        let instance = this.start_owned(options)?;
        let ready = this
            .ready(instance, names, readiness)
            .map_err(|unready| unready.error)?;
        Ok(Ready {
            instance: self.own(ready.instance),
            ..ready
        })
    }

    /// Starts an instance until one is ready, see [`start_and_wait`](Self::start_and_wait): as often and at such intervals as the policy says.
    ///
    /// Tries again only what may succeed then: not what the hub refuses for good, such as a package that cannot be started
    /// ([`ErrorCode::InvalidConfig`](crate::ErrorCode::InvalidConfig)). Never starts twice without knowing: where an answer was lost, the next
    /// attempt has the same instance id on a hub that takes one (since 0.31.4; the version is asked for where it is not known), so that a
    /// start that had worked is found; on an older hub it is not tried again. An instance that did not get ready is killed before.
    ///
    /// # Errors
    /// See [`Error`]; of several attempts [`ErrorKind::Attempts`], which holds the error of each.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use scramjet_client_blocking::{HostClient, Readiness, RetryPolicy, StartOptions};
    /// # let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("x")?;
    /// let policy = RetryPolicy::exponential(Duration::from_millis(500)).attempts(5);
    /// let readiness = Readiness::event("ready").within(Duration::from_secs(20));
    /// let ready = sequence.start_with_retry(&StartOptions::new(), &readiness, &policy)?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn start_with_retry(
        &self,
        options: &StartOptions,
        readiness: &Readiness,
        policy: &RetryPolicy,
    ) -> Result<Ready, Error> {
        let names = readiness.names()?;
        let this = self.begin();
        let operation = StartSequence {
            id: this.id(),
            options,
        };
        let client = &this.host.client;
        let began = Instant::now();
        let once = this.once();
        let mut starting = Starting::new(&once, options);
        let mut errors = Vec::new();
        for attempt in 1.. {
            let result = starting
                .start()
                .map_err(Unready::from)
                .and_then(|instance| this.ready(instance, names.clone(), readiness));
            let Unready { error, not_killed } = match result {
                Ok(ready) => {
                    return Ok(Ready {
                        instance: self.own(ready.instance),
                        ..ready
                    });
                }
                Err(unready) => unready,
            };
            let again = starting.may_be_repeated(&error);
            errors.push(error);
            if let Some(not_killed) = not_killed {
                // It may run still: another would be a second one.
                errors.push(not_killed);
                break;
            }
            if let Err(stopped) = client.limits_of(&operation) {
                // It may have ended the attempt itself, which then says so.
                let known = errors
                    .last()
                    .is_some_and(|error| error.is_timeout() || error.is_cancelled());
                errors.extend(Some(stopped).filter(|_| !known));
                break;
            }
            let Some(delay) = policy
                .delay(attempt, began.elapsed(), random())
                .filter(|_| again)
            else {
                break;
            };
            if let Err(stopped) = client.pause(&operation, delay) {
                errors.push(stopped);
                break;
            }
        }
        starting.give_up();
        Err(client.describe(&operation).of_attempts(errors))
    }

    /// An instance that was started in the course of a call, with the limits of this handle: those of that call end with it.
    fn own(&self, mut instance: InstanceClient) -> InstanceClient {
        instance.host.client.options = self.host.client.options.clone();
        instance
    }

    /// This handle, for calls that are one to the caller.
    pub(crate) fn begin(&self) -> Self {
        let mut this = self.clone();
        this.host.client = this.host.client.begin();
        this
    }

    /// This handle, for requests that are repeated by the caller's policy alone.
    fn once(&self) -> Self {
        let mut this = self.clone();
        this.host.client = this.host.client.once();
        this
    }

    /// Waits until the instance is ready, and kills it where it fails to be.
    fn ready(
        &self,
        instance: InstanceClient,
        names: Vec<EventName>,
        readiness: &Readiness,
    ) -> Result<Ready, Unready> {
        let mut waiting = instance.clone();
        waiting.host.client = waiting.host.client.within(readiness.within);
        let error = match waiting.wait_any(names) {
            Ok(event) if readiness.ready.contains(&event.name) => {
                return Ok(Ready { instance, event });
            }
            Ok(event) => {
                let options = &StartOptions::new();
                self.host
                    .client
                    .describe(&StartSequence {
                        id: self.id(),
                        options,
                    })
                    .failed(ErrorKind::Failed(Box::new(event)))
            }
            Err(error) => error,
        };
        let killed = if error.ended().is_none() {
            kill::give_up(&self.host.client, instance.id())
        } else {
            Ok(())
        };
        Err(Unready {
            error,
            not_killed: killed.err(),
        })
    }
}

/// Why an instance is not ready, and why it could not be killed, where that is so.
struct Unready {
    error: Error,
    not_killed: Option<Error>,
}

impl From<Error> for Unready {
    fn from(error: Error) -> Self {
        Self {
            error,
            not_killed: None,
        }
    }
}

/// One start that may take several requests.
struct Starting<'a> {
    sequence: &'a SequenceClient,
    options: &'a StartOptions,
    /// The id that the instance was to have, of a request that may have worked.
    lost: Option<String>,
}

impl<'a> Starting<'a> {
    fn new(sequence: &'a SequenceClient, options: &'a StartOptions) -> Self {
        Self {
            sequence,
            options,
            lost: None,
        }
    }

    fn start(&mut self) -> Result<InstanceClient, Error> {
        let before = self.lost.take();
        let id = match (&before, self.options.chosen_id()) {
            (Some(id), _) => Some(id.clone()),
            (None, Some(chosen)) => Some(chosen.to_owned()),
            (None, None) if self.sequence.host.dialect()?.takes_instance_ids() => Some(uuid()),
            (None, None) => None,
        };
        let options = match &id {
            Some(id) => self.options.clone().instance_id(id.as_str()),
            None => self.options.clone(),
        };
        match (self.sequence.start_owned(&options), id) {
            // It is there: the request whose answer was lost had worked.
            (Err(error), Some(id)) if error.is_conflict() && before.is_some() => {
                self.sequence.instance(id.as_str())
            }
            (Err(error), id) => {
                self.lost = id.filter(|_| before.is_some() || may_have_worked(&error));
                Err(error)
            }
            (Ok(instance), _) => Ok(instance),
        }
    }

    /// What may have been started without being heard of is killed, if it has an id that nobody else has chosen.
    fn give_up(self) {
        if let (Some(Ok(id)), None) = (
            self.lost.as_deref().map(InstanceId::try_from),
            self.options.chosen_id(),
        ) {
            let _ = kill::give_up(&self.sequence.host.client, &id);
        }
    }

    fn may_be_repeated(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::Failed(_) => true,
            ErrorKind::Ended(ended) => !matches!(
                ended.exit,
                Some(RunnerExit::InvalidConfig | RunnerExit::InvalidEntrypoint)
            ),
            _ if may_have_worked(error) && error.operation() == Some("start sequence") => {
                self.lost.is_some()
            }
            ErrorKind::Transport { .. } | ErrorKind::Deadline { .. } | ErrorKind::Idle { .. } => {
                true
            }
            ErrorKind::Reply(_) => error
                .api()
                .is_some_and(|refusal| refusal.is_overloaded() || refusal.is_transient()),
            _ => false,
        }
    }
}

/// Whether the hub may have done what it was asked to, without the answer being heard.
fn may_have_worked(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Transport { phase, .. }
        | ErrorKind::Deadline { phase, .. }
        | ErrorKind::Idle { phase, .. } => *phase >= Phase::Send,
        ErrorKind::Reply(_) => error.api().is_none(),
        _ => false,
    }
}

/// A random UUID (version 4).
fn uuid() -> String {
    let (high, low) = (random(), random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | low >> 48 & 0x3fff,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_are_such_as_hubs_take_and_all_different() {
        let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| uuid()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let parts: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(
                (id.len(), parts.as_slice()),
                (36, &[8, 4, 4, 4, 12][..]),
                "{id}"
            );
            assert!(
                id.get(14..15) == Some("4")
                    && id.get(19..20).is_some_and(|digit| "89ab".contains(digit)),
                "{id}"
            );
        }
    }
}
