//! Waiting for what an instance does, and not for ever where it cannot do it any more.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_core::{
    Dialect, Event, EventName, GetInstance, InstanceId, LastEvent, ReadEvents, RequestError,
};
use serde_json::Value;

use crate::call::Call;
use crate::client::Client;
use crate::{CancelToken, Ended, Error, ErrorKind, InstanceClient, TransportError};

/// How long to wait before an instance is asked for the first time whether it still lives, and how long at most between two times.
const FIRST_TICK: Duration = Duration::from_millis(100);
const LONGEST_TICK: Duration = Duration::from_secs(2);

/// How long what was sent before something else may take to be heard after it.
const ECHO: Duration = Duration::from_millis(500);

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

    /// Waits until the instance has ended, and tells how, as far as the hub does. `GET /instance/:id`, ever less often, in the end
    /// every 2 seconds.
    ///
    /// A sequence that has come to its end is kept by its hub for 10 more seconds.
    ///
    /// # Errors
    /// See [`Error`]. That the instance is gone is none: it has ended.
    pub fn wait_ended(&self) -> Result<Ended, Error> {
        let client = self.host.client.begin();
        let mut tick = FIRST_TICK / 4;
        loop {
            if let Some(ended) = ended(&client, &self.id)? {
                return Ok(ended);
            }
            client.pause(&GetInstance { id: &self.id }, tick)?;
            tick = (tick * 2).min(LONGEST_TICK);
        }
    }

    fn wait<N>(&self, names: impl IntoIterator<Item = N>, since: Since) -> Result<Event, Error>
    where
        N: TryInto<EventName>,
        RequestError: From<N::Error>,
    {
        let names = names
            .into_iter()
            .map(TryInto::try_into)
            .collect::<Result<Vec<EventName>, _>>()
            .map_err(RequestError::from)?;
        let Some(first) = names.first().cloned() else {
            return Err(RequestError::option(
                "names",
                "there is none, and nothing would ever come",
            )
            .into());
        };
        let mut client = self.host.client.begin();
        let dialect = client.dialect()?;
        let listening = Listening(client.options.cancel.take().unwrap_or_default().child());
        client.options.cancel = Some(listening.0.clone());

        let (tell, told) = channel();
        let checks = listening.0.child();
        for name in names {
            let ear = Ear {
                client: client.clone(),
                id: self.id.clone(),
                name,
                dialect,
                tell: tell.clone(),
                checks: checks.clone(),
            };
            ear.listen(since)?;
        }
        Waiting {
            client,
            id: &self.id,
            first,
            dialect,
            told,
            checks,
        }
        .run()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Since {
    Start,
    Now,
}

/// Ends all listening when it is dropped.
struct Listening(CancelToken);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// How the instance has ended; nothing where it has not.
pub(crate) fn ended(client: &Client, id: &InstanceId) -> Result<Option<Ended>, Error> {
    match client.call(&GetInstance { id }) {
        Ok(info) => Ok(Ended::of(info)),
        Err(error) if error.is_not_found() => Ok(Some(Ended::gone(id))),
        Err(error) => Err(error),
    }
}

/// Listens for one event, on threads of its own.
#[derive(Clone)]
struct Ear {
    client: Client,
    id: InstanceId,
    name: EventName,
    dialect: Dialect,
    tell: Sender<Heard>,
    /// Ends a question about the instance's state when there is something better to do.
    checks: CancelToken,
}

/// What an ear has heard.
struct Heard {
    name: EventName,
    /// From the stream of events, and not by asking for the last one.
    streamed: bool,
    result: Result<Event, Error>,
}

impl Ear {
    fn listen(self, since: Since) -> Result<(), Error> {
        match since {
            Since::Start if self.dialect.keeps_event_data() => self.spawn(Self::ask),
            // Where the last event may come without its data, the stream has it, and is opened before.
            _ => self.spawn(move |ear| {
                match ear.client.items(&ReadEvents {
                    id: &ear.id,
                    name: &ear.name,
                }) {
                    Err(error) => ear.tell(true, Err(error)),
                    Ok(mut stream) => {
                        if since == Since::Start {
                            if let Err(error) = ear.clone().spawn(Self::ask) {
                                return ear.tell(false, Err(error));
                            }
                        }
                        let event = stream.next().unwrap_or_else(|| Err(stream.cut_off()));
                        ear.tell(true, event);
                    }
                }
            }),
        }
    }

    fn ask(self) {
        let last = self.client.call(&LastEvent {
            id: &self.id,
            name: &self.name,
        });
        self.tell(false, last);
    }

    fn spawn(self, listen: impl FnOnce(Self) + Send + 'static) -> Result<(), Error> {
        let call = Call::unbuilt::<LastEvent<'_>>();
        let thread = thread::Builder::new()
            .name("scramjet-event".into())
            .spawn(move || listen(self));
        thread
            .map(drop)
            .map_err(|error| call.unanswered(TransportError::connect(error).into()))
    }

    fn tell(&self, streamed: bool, result: Result<Event, Error>) {
        // Nobody is there any more where something else came first.
        let _ = self.tell.send(Heard {
            name: self.name.clone(),
            streamed,
            result,
        });
        self.checks.cancel();
    }
}

struct Waiting<'a> {
    client: Client,
    id: &'a InstanceId,
    first: EventName,
    dialect: Dialect,
    told: Receiver<Heard>,
    checks: CancelToken,
}

impl Waiting<'_> {
    fn run(self) -> Result<Event, Error> {
        let mut checking = self.client.clone();
        checking.options.cancel = Some(self.checks.clone());
        // An instance that is not up yet is not answered for. It may be up the next time.
        checking.options.idle = Some(
            checking
                .options
                .idle
                .unwrap_or(LONGEST_TICK)
                .min(LONGEST_TICK),
        );
        let mut tick = FIRST_TICK;
        loop {
            if let Ok(heard) = self.told.recv_timeout(tick) {
                return self.judge(heard);
            }
            tick = (tick * 2).min(LONGEST_TICK);
            // Where this fails, the listening does so too, or has just heard something.
            if let Ok(Some(ended)) = ended(&checking, self.id) {
                // What was emitted before the end was sent before it.
                return match self.told.recv_timeout(ECHO) {
                    Ok(heard) => self.judge(heard),
                    Err(_) => Err(self.in_vain(ended)),
                };
            }
        }
    }

    fn judge(&self, heard: Heard) -> Result<Event, Error> {
        match heard.result {
            Ok(event) if self.dialect.keeps_event_data() => Ok(event),
            Ok(event) if heard.streamed => Ok(without_data_that_means_nothing(event)),
            Ok(event) if event.data.is_null() => Ok(self.streamed(&heard.name).unwrap_or(event)),
            Ok(event) => Ok(event),
            Err(error) if error.api().is_some() => {
                let data = if heard.streamed || self.dialect.keeps_event_data() {
                    None
                } else {
                    data_taken_for_a_status(&error)
                };
                if let Some(data) = data {
                    return Ok(self
                        .streamed(&heard.name)
                        .unwrap_or_else(|| Event::new(heard.name.as_str(), data)));
                }
                match ended(&self.client, self.id)? {
                    Some(ended) => Err(self.in_vain(ended)),
                    None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// An event that was answered without its data: it is on its way in the stream as well, with its data, if it has just fired.
    fn streamed(&self, name: &EventName) -> Option<Event> {
        let until = Instant::now() + ECHO;
        loop {
            match self
                .told
                .recv_timeout(until.saturating_duration_since(Instant::now()))
                .ok()?
            {
                Heard {
                    name: heard,
                    streamed: true,
                    result: Ok(event),
                } if heard == *name => {
                    return Some(without_data_that_means_nothing(event));
                }
                // Another one came too late.
                Heard { result: Ok(_), .. } => {}
                Heard { result: Err(_), .. } => return None,
            }
        }
    }

    fn in_vain(&self, ended: Ended) -> Error {
        self.client
            .describe(&LastEvent {
                id: self.id,
                name: &self.first,
            })
            .failed(ErrorKind::Ended(ended.into()))
    }
}

/// 1.x streams write `{}` for nothing, `null`, `false`, `0` and `""`.
fn without_data_that_means_nothing(event: Event) -> Event {
    let nothing = event.data.as_object().is_some_and(|data| data.is_empty());
    if nothing {
        Event::new(&event.name, Value::Null)
    } else {
        event
    }
}

/// A refusal that is none: a 1.x hub takes a member `opStatus` in an event's data for the status of its answer, and fails to write
/// an event without data. What is left of the data.
fn data_taken_for_a_status(error: &Error) -> Option<Value> {
    let refusal = error.api()?;
    if refusal.status == 500 && refusal.message.contains("Failed to serialize data") {
        return Some(Value::Null);
    }
    // A hub's own refusal says more than the name of its status.
    let data: Value = serde_json::from_slice(&refusal.body).ok()?;
    let named = refusal.status.canonical_reason()?;
    (data.get("error")?.as_str()? == named).then_some(data)
}
