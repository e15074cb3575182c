//! Waiting for events.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::exchange::{ExchangeEvent, OpenExchange};
use super::exchange_error::ExchangeError;
use super::outage::{OutageTolerance, OutageTracker};
use super::outbox::Outbox;
use super::status::{StatusCheck, StatusResult};
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{ExchangeId, FlowError, Input, Outcome};
use crate::{
    Ended, Endpoint, Event, EventBody, EventLines, EventName, InstanceId, LastEvent, Operation,
    ReadEvents, RequestError,
};

/// When the instance is asked for its state for the first time: most events come sooner.
const POLL_DELAY: Duration = Duration::from_millis(100);

/// How long the second of two ways may take after the first, on which the same thing travels.
const GRACE_PERIOD: Duration = Duration::from_millis(500);

/// How long the last events of an instance are asked for if the network fails.
const MAX_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// How long to wait for the head of a stream before the last event is asked for beside it. A proxy
/// may keep the head back until the first event.
const HEAD_TIMEOUT: Duration = Duration::from_secs(1);

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
        Ok(Self(RootFlow::new(endpoint, wait)))
    }
}

/// The part of a flow that waits for an event.
#[derive(Debug)]
pub(super) struct EventWait {
    since: Since,
    keeps_data: bool,
    listeners: Vec<Listener>,
    status: StatusCheck,
    outage: OutageTracker,
    /// An event without its data, which may come with it until this time.
    bare_event: Option<(Event, Duration)>,
    ended: Option<GracePeriod>,
    /// A refusal that may be due to the end of the instance.
    not_found: Option<(ExchangeId, ExchangeError)>,
    outcome: Outcome<Event>,
}

/// The instance has ended; what it emitted before may still come.
#[derive(Debug)]
struct GracePeriod {
    ended: Ended,
    until: Duration,
    /// The end of that, however often it has to be asked for again.
    deadline: Duration,
}

/// The ways to one event.
#[derive(Debug)]
struct Listener {
    name: EventName,
    last_event: Request<EventBody>,
    stream: Request<EventLines>,
}

/// A request that waits for an event.
#[derive(Debug)]
enum Request<D> {
    /// It is not needed.
    Unused,
    /// It is to be sent at this time.
    ScheduledAt(Duration),
    Open(OpenExchange<D>),
}

impl<D> Request<D> {
    fn is_due(&self, now: Duration) -> bool {
        matches!(self, Self::ScheduledAt(time) if *time <= now)
    }

    fn scheduled_at(&self) -> Option<Duration> {
        match self {
            Self::ScheduledAt(time) => Some(*time),
            Self::Unused | Self::Open(_) => None,
        }
    }

    /// Closes its connection and opens another one at this time.
    fn reopen(&mut self, outbox: &mut Outbox, at: Duration) {
        if let Self::Open(exchange) = self {
            outbox.abort(exchange);
            *self = Self::ScheduledAt(at);
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
                "there is none, and nothing would ever come",
            ));
        }
        let keeps_data = endpoint
            .known_dialect(LastEvent::NAME)?
            .supports_empty_event_data();
        let asks = since == Since::Start;
        let listener = |name| Listener {
            name,
            last_event: match (asks, keeps_data) {
                (false, _) => Request::Unused,
                (true, true) => Request::ScheduledAt(now),
                (true, false) => Request::ScheduledAt(now + HEAD_TIMEOUT),
            },
            stream: if asks && keeps_data {
                Request::Unused
            } else {
                Request::ScheduledAt(now)
            },
        };
        Ok(Self {
            since,
            keeps_data,
            listeners: names.into_iter().map(listener).collect(),
            status: StatusCheck::new(now + POLL_DELAY, id, POLL_DELAY),
            outage: OutageTracker::new(patience),
            bare_event: None,
            ended: None,
            not_found: None,
            outcome: None,
        })
    }

    /// Sends what is due.
    fn send(&mut self, outbox: &mut Outbox, now: Duration) -> Result<(), RequestError> {
        let id = self.status.id().clone();
        for listener in &mut self.listeners {
            let (id, name) = (&id, &listener.name);
            if listener.stream.is_due(now) {
                listener.stream = Request::Open(outbox.send(&ReadEvents { id, name }, None)?);
            }
            if listener.last_event.is_due(now) {
                listener.last_event = Request::Open(outbox.send(&LastEvent { id, name }, None)?);
            }
        }
        match self.ended {
            Some(_) => Ok(()),
            None => self.status.step(outbox, now),
        }
    }

    /// Closes all connections.
    pub(super) fn abort(&mut self, outbox: &mut Outbox) {
        self.reopen_all(outbox, Duration::MAX);
        self.status.abort(outbox);
    }

    /// An event has come. Its data is `damaged` if the same event may come with better data.
    fn on_event(&mut self, now: Duration, event: Event, streamed: bool, damaged: bool) {
        let has_stream = self.since == Since::Now || !self.keeps_data;
        match &self.bare_event {
            // The same event on both ways; or another one, which comes too late.
            Some((bare, _)) if !streamed || bare.name != event.name => {}
            _ if self.keeps_data => self.outcome = Some(Ok(event)),
            _ if streamed => self.outcome = Some(Ok(without_empty_data(event))),
            _ if damaged && has_stream => self.bare_event = Some((event, now + GRACE_PERIOD)),
            _ => self.outcome = Some(Ok(event)),
        }
    }

    /// A way to an event has come to nothing.
    fn on_error(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        id: ExchangeId,
        error: ExchangeError,
    ) -> Option<Duration> {
        if let Some(last) = &mut self.ended {
            let is_missing = error.has_status(404);
            let by_hub = error.api().is_some_and(|refusal| refusal.is_from_hub());
            if is_missing && (by_hub || last.ended.info.is_none()) {
                // The hub does not know the instance any more.
                return None;
            }
            if !is_missing && !error.is_transient() {
                return None;
            }
            let again = now + POLL_DELAY;
            last.until = last.until.max(again + GRACE_PERIOD).min(last.deadline);
            return Some(again);
        }
        if error.api().is_some_and(|refusal| refusal.is_not_found()) {
            // The state of the instance tells what it means, and not the one of a while ago.
            self.not_found = Some((id, error));
            self.status.abort(outbox);
            self.status.schedule(now);
            return Some(Duration::MAX);
        }
        let delay = if error.is_transient() {
            self.outage.request_failed(now)
        } else {
            None
        };
        if delay.is_none() {
            self.outcome = Some(Err(error.into_flow_error(id)));
        }
        delay.map(|delay| now + delay)
    }

    fn on_status(&mut self, outbox: &mut Outbox, now: Duration, finding: StatusResult) {
        match finding {
            StatusResult::Ended(ended) => self.start_grace_period(outbox, now, ended),
            StatusResult::Alive(_) => {
                self.outage.request_answered();
                match self.not_found.take() {
                    Some((id, error)) if error.api().is_some_and(|api| api.is_from_hub()) => {
                        self.outcome = Some(Err(error.into_flow_error(id)));
                    }
                    // A gateway's: the way is tried again.
                    Some(_) => self.reopen_not_found(now),
                    None => {}
                }
            }
            // The event would not be readable either.
            StatusResult::Unknown(id, error) if error.is_encoded() => {
                self.outcome = Some(Err(error.into_flow_error(id)));
            }
            // Its connections may be dead without a word. What else is wrong shows in the others.
            StatusResult::Unknown(id, error) => {
                // Before the hub has answered, the other connections tell if it is there.
                if error.is_transient() && self.outage.hub_has_answered() {
                    match self.outage.request_failed(now) {
                        Some(delay) => self.reopen_all(outbox, now + delay),
                        None => self.outcome = Some(Err(error.into_flow_error(id))),
                    }
                }
                if self.not_found.take().is_some() {
                    self.reopen_not_found(now);
                }
            }
        }
    }

    /// A hub that still lists the instance tells its last events, too. They are asked for again,
    /// because the connections may be dead on which they are awaited.
    fn start_grace_period(&mut self, outbox: &mut Outbox, now: Duration, ended: Ended) {
        if ended.info.is_some() && self.since == Since::Start {
            for listener in &mut self.listeners {
                listener.last_event.reopen(outbox, now);
                listener.last_event = Request::ScheduledAt(now);
            }
        }
        self.not_found = None;
        self.ended = Some(GracePeriod {
            ended,
            until: now + GRACE_PERIOD,
            deadline: now + MAX_GRACE_PERIOD,
        });
    }

    fn reopen_not_found(&mut self, now: Duration) {
        let at = now + POLL_DELAY;
        for listener in &mut self.listeners {
            if listener.last_event.scheduled_at() == Some(Duration::MAX) {
                listener.last_event = Request::ScheduledAt(at);
            }
            if listener.stream.scheduled_at() == Some(Duration::MAX) {
                listener.stream = Request::ScheduledAt(at);
            }
        }
    }

    fn reopen_all(&mut self, outbox: &mut Outbox, at: Duration) {
        for listener in &mut self.listeners {
            listener.last_event.reopen(outbox, at);
            listener.stream.reopen(outbox, at);
        }
    }

    /// The response to a question about the last event.
    fn handle_last_event(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        index: usize,
        input: &Input<'_>,
    ) {
        let Some(listener) = self.listeners.get_mut(index) else {
            return;
        };
        let Request::Open(exchange) = &mut listener.last_event else {
            return;
        };
        let (id, name) = (exchange.id, listener.name.to_string());
        let Some(result) = exchange.value(input) else {
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
                self.outage.request_answered();
                self.on_event(now, event, false, damaged);
                None
            }
            Err(error) => self.on_error(outbox, now, id, error),
        };
        if let Some(listener) = self.listeners.get_mut(index) {
            listener.last_event = next.map_or(Request::Unused, Request::ScheduledAt);
        }
    }

    /// Something of a stream of events.
    fn handle_stream(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        index: usize,
        input: &Input<'_>,
    ) {
        let Some(listener) = self.listeners.get_mut(index) else {
            return;
        };
        let Request::Open(exchange) = &mut listener.stream else {
            return;
        };
        let id = exchange.id;
        for came in exchange.handle(input) {
            match came {
                ExchangeEvent::Success => {
                    self.outage.request_answered();
                    let listener = self.listeners.get_mut(index);
                    if let Some(Listener {
                        last_event: Request::ScheduledAt(at),
                        ..
                    }) = listener
                    {
                        *at = (*at).min(now);
                    }
                }
                ExchangeEvent::Item(event) => self.on_event(now, event, true, false),
                ExchangeEvent::BadItem(error) => {
                    self.outcome = Some(Err(FlowError::Reply(id, error)))
                }
                // It has no end: the connection was closed in good order, by a proxy for example.
                ExchangeEvent::End => {
                    self.reopen_stream(outbox, now, index, id, ExchangeError::connection_lost());
                }
                ExchangeEvent::Error(error) => self.reopen_stream(outbox, now, index, id, error),
            }
        }
    }

    fn reopen_stream(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        index: usize,
        id: ExchangeId,
        error: ExchangeError,
    ) {
        let next = self.on_error(outbox, now, id, error);
        if let Some(listener) = self.listeners.get_mut(index) {
            listener.stream = next.map_or(Request::Unused, Request::ScheduledAt);
            // What fires before the stream is open again is told as the last event.
            if let (Some(at), Request::Unused, Since::Start) =
                (next, &listener.last_event, self.since)
            {
                listener.last_event = Request::ScheduledAt(at);
            }
        }
    }
}

impl SubFlow for EventWait {
    type Output = Event;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Event> {
        let is_over = |until: Option<Duration>| until.is_some_and(|until| until <= now);
        let bare_is_over = is_over(self.bare_event.as_ref().map(|(_, until)| *until));
        let ended_is_over = is_over(self.ended.as_ref().map(|last| last.until));
        if ended_is_over || bare_is_over {
            if let Some((event, _)) = self.bare_event.take() {
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
            return self.on_status(outbox, now, finding);
        }
        for index in 0..self.listeners.len() {
            self.handle_last_event(outbox, now, index, input);
            self.handle_stream(outbox, now, index, input);
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        let ways = self.listeners.iter();
        let ways = ways.flat_map(|listener| {
            [
                listener.last_event.scheduled_at(),
                listener.stream.scheduled_at(),
            ]
        });
        let bare = self.bare_event.as_ref().map(|(_, until)| *until);
        let last = self.ended.as_ref().map(|last| last.until);
        let status = self.status.next_wake().filter(|_| self.ended.is_none());
        let times = ways.chain([status, bare, last]).flatten();
        times.filter(|time| *time != Duration::MAX).min()
    }

    fn cancel(&mut self, outbox: &mut Outbox, _: Duration) {
        self.abort(outbox);
        self.outcome.get_or_insert(Err(FlowError::Cancelled));
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
