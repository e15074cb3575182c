//! Waiting for events.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::call::{Call, CallError, Came, Outbox, Part, Whole, flow};
use super::outage::{Outage, OutageTolerance};
use super::status::{Finding, StatusCheck};
use super::{ExchangeId, FlowError, Input, Outcome};
use crate::{
    Ended, Endpoint, Event, EventBody, EventLines, EventName, InstanceId, LastEvent, Operation,
    ReadEvents, RequestError,
};

/// When the instance is asked for its state for the first time: most events come sooner.
const FIRST_TICK: Duration = Duration::from_millis(100);

/// How long the second of two ways may take after the first, on which the same thing travels.
const ECHO: Duration = Duration::from_millis(500);

/// How long the last events of an instance are asked for if the network fails.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How long to wait for the head of a stream before the last event is asked for beside it. A proxy
/// may keep the head back until the first event.
const HEAD_LIMIT: Duration = Duration::from_secs(1);

/// The events that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Since {
    /// Those since the start of the instance.
    Start,
    /// Those that are emitted from now on.
    Now,
}

flow! {
    /// Waits for the first of several events of an instance, and ends when the instance does.
    ///
    /// Hubs before 0.38.0 tell the last event with its data: `GET instance/:id/event/:name` is
    /// enough. Newer ones lose the data of some events on that way, and the events that fired before
    /// on the other, `GET instance/:id/events/:name`: both are asked, and the one with the data wins.
    WaitForEvent(EventWait) -> Event
}

impl WaitForEvent {
    /// Waits for one of these events.
    ///
    /// # Errors
    /// There is no name, or the version of the hub is not known.
    pub fn new(
        endpoint: Endpoint,
        id: InstanceId,
        names: Vec<EventName>,
        since: Since,
        patience: OutageTolerance,
    ) -> Result<Self, RequestError> {
        let wait = EventWait::new(&endpoint, id, names, since, patience, Duration::ZERO)?;
        Ok(Self(Whole::new(endpoint, wait)))
    }
}

/// The part of a flow that waits for an event.
#[derive(Debug)]
pub(super) struct EventWait {
    since: Since,
    keeps_data: bool,
    listeners: Vec<Listener>,
    status: StatusCheck,
    outage: Outage,
    /// An event without its data, which may come with it until this time.
    bare: Option<(Event, Duration)>,
    ended: Option<LastWords>,
    /// A refusal that may be due to the end of the instance.
    refused: Option<(ExchangeId, CallError)>,
    outcome: Outcome<Event>,
}

/// The instance has ended; what it emitted before may still come.
#[derive(Debug)]
struct LastWords {
    ended: Ended,
    until: Duration,
    /// The end of that, however often it has to be asked for again.
    latest: Duration,
}

/// The ways to one event.
#[derive(Debug)]
struct Listener {
    name: EventName,
    ask: Way<EventBody>,
    stream: Way<EventLines>,
}

/// A request that waits for an event.
#[derive(Debug)]
enum Way<D> {
    /// It is not needed.
    Unused,
    /// It is to be sent at this time.
    At(Duration),
    Open(Call<D>),
}

impl<D> Way<D> {
    fn due(&self, now: Duration) -> bool {
        matches!(self, Self::At(time) if *time <= now)
    }

    fn time(&self) -> Option<Duration> {
        match self {
            Self::At(time) => Some(*time),
            Self::Unused | Self::Open(_) => None,
        }
    }

    /// Closes its connection and opens another one at this time.
    fn reopen(&mut self, outbox: &mut Outbox, at: Duration) {
        if let Self::Open(call) = self {
            outbox.close(call);
            *self = Self::At(at);
        }
    }
}

impl EventWait {
    /// Begins at `now`.
    pub(super) fn new(
        endpoint: &Endpoint,
        id: InstanceId,
        names: Vec<EventName>,
        since: Since,
        patience: OutageTolerance,
        now: Duration,
    ) -> Result<Self, RequestError> {
        if names.is_empty() {
            return Err(RequestError::option(
                "names",
                "at least one event name is required",
            ));
        }
        let keeps_data = endpoint
            .known_dialect(LastEvent::NAME)?
            .supports_empty_event_data();
        let asks = since == Since::Start;
        let listener = |name| Listener {
            name,
            ask: match (asks, keeps_data) {
                (false, _) => Way::Unused,
                (true, true) => Way::At(now),
                (true, false) => Way::At(now + HEAD_LIMIT),
            },
            stream: if asks && keeps_data {
                Way::Unused
            } else {
                Way::At(now)
            },
        };
        Ok(Self {
            since,
            keeps_data,
            listeners: names.into_iter().map(listener).collect(),
            status: StatusCheck::at(now + FIRST_TICK, id, FIRST_TICK),
            outage: Outage::new(patience),
            bare: None,
            ended: None,
            refused: None,
            outcome: None,
        })
    }

    /// Sends what is due.
    fn send(&mut self, outbox: &mut Outbox, now: Duration) -> Result<(), RequestError> {
        let id = self.status.id().clone();
        for listener in &mut self.listeners {
            let (id, name) = (&id, &listener.name);
            if listener.stream.due(now) {
                listener.stream = Way::Open(outbox.send(&ReadEvents { id, name }, None)?);
            }
            if listener.ask.due(now) {
                listener.ask = Way::Open(outbox.send(&LastEvent { id, name }, None)?);
            }
        }
        match self.ended {
            Some(_) => Ok(()),
            None => self.status.step(outbox, now),
        }
    }

    /// Closes all connections.
    pub(super) fn close(&mut self, outbox: &mut Outbox) {
        self.reopen_all(outbox, Duration::MAX);
        self.status.abort(outbox);
    }

    /// An event has come. Its data is `damaged` if the same event may come with better data.
    fn heard(&mut self, now: Duration, event: Event, streamed: bool, damaged: bool) {
        let has_stream = self.since == Since::Now || !self.keeps_data;
        match &self.bare {
            // The same event on both ways; or another one, which comes too late.
            Some((bare, _)) if !streamed || bare.name != event.name => {}
            _ if self.keeps_data => self.outcome = Some(Ok(event)),
            _ if streamed => self.outcome = Some(Ok(without_empty_data(event))),
            _ if damaged && has_stream => self.bare = Some((event, now + ECHO)),
            _ => self.outcome = Some(Ok(event)),
        }
    }

    /// A way to an event has come to nothing.
    fn lost(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        id: ExchangeId,
        error: CallError,
    ) -> Option<Duration> {
        if let Some(last) = &mut self.ended {
            let is_missing = error.has_status(404);
            let by_hub = error.api().is_some_and(|refusal| refusal.is_from_hub());
            if is_missing && (by_hub || last.ended.info.is_none()) {
                // The hub does not know the instance any more.
                return None;
            }
            if !is_missing && !error.may_succeed_later() {
                return None;
            }
            let again = now + FIRST_TICK;
            last.until = last.until.max(again + ECHO).min(last.latest);
            return Some(again);
        }
        if error.api().is_some_and(|refusal| refusal.is_not_found()) {
            // The state of the instance tells what it means, and not the one of a while ago.
            self.refused = Some((id, error));
            self.status.abort(outbox);
            self.status.ask_now(now);
            return Some(Duration::MAX);
        }
        let delay = if error.may_succeed_later() {
            self.outage.goes_on(now)
        } else {
            None
        };
        if delay.is_none() {
            self.outcome = Some(Err(error.of(id)));
        }
        delay.map(|delay| now + delay)
    }

    fn found(&mut self, outbox: &mut Outbox, now: Duration, finding: Finding) {
        match finding {
            Finding::Ended(ended) => self.ask_for_last_words(outbox, now, ended),
            Finding::Alive(_) => {
                self.outage.is_over();
                match self.refused.take() {
                    Some((id, error)) if error.api().is_some_and(|api| api.is_from_hub()) => {
                        self.outcome = Some(Err(error.of(id)));
                    }
                    // A gateway's: the way is tried again.
                    Some(_) => self.reopen_refused(now),
                    None => {}
                }
            }
            // The event would not be readable either.
            Finding::Unknown(id, error) if error.is_encoded() => {
                self.outcome = Some(Err(error.of(id)));
            }
            // Its connections may be dead without a word. What else is wrong shows in the others.
            Finding::Unknown(id, error) => {
                // Before the hub has answered, the other connections tell if it is there.
                if error.may_succeed_later() && self.outage.is_established() {
                    match self.outage.goes_on(now) {
                        Some(delay) => self.reopen_all(outbox, now + delay),
                        None => self.outcome = Some(Err(error.of(id))),
                    }
                }
                if self.refused.take().is_some() {
                    self.reopen_refused(now);
                }
            }
        }
    }

    /// A hub that still lists the instance tells its last events, too. They are asked for again,
    /// because the connections may be dead on which they are awaited.
    fn ask_for_last_words(&mut self, outbox: &mut Outbox, now: Duration, ended: Ended) {
        if ended.info.is_some() && self.since == Since::Start {
            for listener in &mut self.listeners {
                listener.ask.reopen(outbox, now);
                listener.ask = Way::At(now);
            }
        }
        self.refused = None;
        self.ended = Some(LastWords {
            ended,
            until: now + ECHO,
            latest: now + LAST_WORDS,
        });
    }

    fn reopen_refused(&mut self, now: Duration) {
        let at = now + FIRST_TICK;
        for listener in &mut self.listeners {
            if listener.ask.time() == Some(Duration::MAX) {
                listener.ask = Way::At(at);
            }
            if listener.stream.time() == Some(Duration::MAX) {
                listener.stream = Way::At(at);
            }
        }
    }

    fn reopen_all(&mut self, outbox: &mut Outbox, at: Duration) {
        for listener in &mut self.listeners {
            listener.ask.reopen(outbox, at);
            listener.stream.reopen(outbox, at);
        }
    }

    /// The response to a question about the last event.
    fn answered(&mut self, outbox: &mut Outbox, now: Duration, index: usize, input: &Input<'_>) {
        let Some(listener) = self.listeners.get_mut(index) else {
            return;
        };
        let Way::Open(call) = &mut listener.ask else {
            return;
        };
        let (id, name) = (call.id, listener.name.to_string());
        let Some(result) = call.value(input) else {
            return;
        };
        let event = match result {
            Ok(event) => Ok((event.data.is_null(), event)),
            Err(error) if self.keeps_data => Err(error),
            Err(error) => match error.api().and_then(|api| Event::in_refusal(&name, api)) {
                Some(event) => Ok((true, event)),
                None => Err(error),
            },
        };
        let next = match event {
            Ok((damaged, event)) => {
                self.outage.is_over();
                self.heard(now, event, false, damaged);
                None
            }
            Err(error) => self.lost(outbox, now, id, error),
        };
        if let Some(listener) = self.listeners.get_mut(index) {
            listener.ask = next.map_or(Way::Unused, Way::At);
        }
    }

    /// Something of a stream of events.
    fn streamed(&mut self, outbox: &mut Outbox, now: Duration, index: usize, input: &Input<'_>) {
        let Some(listener) = self.listeners.get_mut(index) else {
            return;
        };
        let Way::Open(call) = &mut listener.stream else {
            return;
        };
        let id = call.id;
        for came in call.handle(input) {
            match came {
                Came::Accepted => {
                    self.outage.is_over();
                    let listener = self.listeners.get_mut(index);
                    if let Some(Listener {
                        ask: Way::At(at), ..
                    }) = listener
                    {
                        *at = (*at).min(now);
                    }
                }
                Came::Item(event) => self.heard(now, event, true, false),
                Came::Broken(error) => self.outcome = Some(Err(FlowError::Reply(id, error))),
                // It has no end: the connection was closed in good order, by a proxy for example.
                Came::End => {
                    self.reopen_stream(outbox, now, index, id, CallError::cut_off());
                }
                Came::Error(error) => self.reopen_stream(outbox, now, index, id, error),
            }
        }
    }

    fn reopen_stream(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        index: usize,
        id: ExchangeId,
        error: CallError,
    ) {
        let next = self.lost(outbox, now, id, error);
        if let Some(listener) = self.listeners.get_mut(index) {
            listener.stream = next.map_or(Way::Unused, Way::At);
            // What fires before the stream is open again is told as the last event.
            if let (Some(at), Way::Unused, Since::Start) = (next, &listener.ask, self.since) {
                listener.ask = Way::At(at);
            }
        }
    }
}

impl Part for EventWait {
    type Value = Event;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Event> {
        let is_over = |until: Option<Duration>| until.is_some_and(|until| until <= now);
        let bare_is_over = is_over(self.bare.as_ref().map(|(_, until)| *until));
        let ended_is_over = is_over(self.ended.as_ref().map(|last| last.until));
        if ended_is_over || bare_is_over {
            if let Some((event, _)) = self.bare.take() {
                return Some(Ok(event));
            }
            let last = self.ended.take();
            return last.map(|last| Err(FlowError::Ended(last.ended.into())));
        }
        if self.outcome.is_some() {
            return self.outcome.take();
        }
        if let Err(error) = self.send(outbox, now) {
            return Some(Err(error.into()));
        }
        None
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        if self.outcome.is_some() {
            return;
        }
        if let Some(finding) = self.status.handle(outbox, now, input) {
            return self.found(outbox, now, finding);
        }
        for index in 0..self.listeners.len() {
            self.answered(outbox, now, index, input);
            self.streamed(outbox, now, index, input);
        }
    }

    fn wakes(&self) -> Option<Duration> {
        let ways = self.listeners.iter();
        let ways = ways.flat_map(|listener| [listener.ask.time(), listener.stream.time()]);
        let bare = self.bare.as_ref().map(|(_, until)| *until);
        let last = self.ended.as_ref().map(|last| last.until);
        let status = self.status.wakes().filter(|_| self.ended.is_none());
        let times = ways.chain([status, bare, last]).flatten();
        times.filter(|time| *time != Duration::MAX).min()
    }

    fn give_up(&mut self, outbox: &mut Outbox, _: Duration) {
        self.close(outbox);
        self.outcome.get_or_insert(Err(FlowError::GivenUp));
    }
}

/// 1.x streams write `{}` for no data, `null`, `false`, `0` and `""`.
fn without_empty_data(event: Event) -> Event {
    let is_empty = event.data.as_object().is_some_and(|data| data.is_empty());
    if is_empty {
        Event::new(&event.name, serde_json::Value::Null)
    } else {
        event
    }
}
