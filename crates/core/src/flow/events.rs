//! Waits for events of an instance.

mod reactions;
mod request;

use alloc::vec::Vec;
use core::time::Duration;

use self::request::{EventRequest, Listener};
use super::exchange_error::ExchangeError;
use super::outage::{OutageTolerance, OutageTracker};
use super::outbox::Outbox;
use super::status::StatusCheck;
use super::sub_flow::{RootFlow, SubFlow, flow};
use super::{FlowError, Input, Outcome};
use crate::{Ended, Endpoint, Event, EventName, InstanceId, LastEvent, Operation, RequestError};

/// Time until the first status request, because most events arrive sooner. Also the delay before a
/// failed request is repeated.
const POLL_DELAY: Duration = Duration::from_millis(100);

/// Time to wait for the event on the stream if the other request delivered it without its data,
/// and for any event after the instance has ended.
const GRACE_PERIOD: Duration = Duration::from_millis(500);

/// Upper bound for the grace period after the end of the instance, if requests fail and are
/// repeated.
const MAX_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// Time to wait for the head of a stream before the last event is requested anyway. A proxy may
/// withhold the head until the first event.
const HEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// Scheduled time of a request that is on hold until a status request has a result.
const ON_HOLD: Duration = Duration::MAX;

/// The events that [`WaitForEvent`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Since {
    /// Events since the start of the instance.
    Start,
    /// Events that are emitted after the hub has opened the event stream.
    Now,
}

flow! {
    /// Waits for the first of several events of an instance.
    ///
    /// If the instance ends without one of these events, the result is [`FlowError::Ended`]. The
    /// flow notices the end by requests for the status, at most two seconds apart. It then waits
    /// half a second for late events.
    ///
    /// Hubs before 0.38.0 return the last event with its data, so `GET instance/:id/event/:name` is
    /// enough. Newer hubs lose the data of some events there. Their event stream, `GET
    /// instance/:id/events/:name`, keeps the data but misses events from before the request. So the
    /// flow sends both requests and prefers the event that has its data.
    WaitForEvent(EventWait) -> Event
}

impl WaitForEvent {
    /// Waits for one of the events `names`.
    ///
    /// # Errors
    /// - [`RequestError::Option`] if `names` is empty.
    /// - [`RequestError::DialectUnknown`] if the version of the hub is not known.
    pub fn new(
        endpoint: Endpoint,
        id: InstanceId,
        names: Vec<EventName>,
        since: Since,
        tolerance: OutageTolerance,
    ) -> Result<Self, RequestError> {
        let wait = EventWait::new(&endpoint, id, names, since, tolerance, Duration::ZERO)?;
        Ok(Self(RootFlow::new(endpoint, wait)))
    }
}

/// The sub-flow that waits for an event.
#[derive(Debug)]
pub(super) struct EventWait {
    since: Since,
    /// The hub returns the last event with its data, so no stream is needed.
    keeps_data: bool,
    listeners: Vec<Listener>,
    status: StatusCheck,
    outage: OutageTracker,
    /// A request for the status failed before the hub had responded to any request.
    may_be_unreachable: bool,
    /// An event without its data. The stream may deliver its data until this time.
    bare_event: Option<(Event, Duration)>,
    grace_period: Option<GracePeriod>,
    /// A `404`, which may mean that the instance has ended.
    not_found: Option<ExchangeError>,
    outcome: Outcome<Event>,
}

/// The time after the end of the instance, in which its last events may still arrive.
#[derive(Debug)]
struct GracePeriod {
    ended: Ended,
    until: Duration,
    /// Upper bound for `until`, which moves when a request has to be repeated.
    deadline: Duration,
}

impl EventWait {
    /// Creates a sub-flow that starts at `now`.
    pub(super) fn new(
        endpoint: &Endpoint,
        id: InstanceId,
        names: Vec<EventName>,
        since: Since,
        tolerance: OutageTolerance,
        now: Duration,
    ) -> Result<Self, RequestError> {
        if names.is_empty() {
            return Err(RequestError::option(
                "names",
                "at least one event name is required",
            ));
        }
        let keeps_data = endpoint.known_dialect(LastEvent::NAME)?.keeps_event_data();
        let from_start = since == Since::Start;
        let listener = |name| Listener {
            name,
            last_event: match (from_start, keeps_data) {
                (false, _) => EventRequest::Unused,
                (true, true) => EventRequest::ScheduledAt(now),
                (true, false) => EventRequest::ScheduledAt(now + HEAD_TIMEOUT),
            },
            stream: if from_start && keeps_data {
                EventRequest::Unused
            } else {
                EventRequest::ScheduledAt(now)
            },
        };
        Ok(Self {
            since,
            keeps_data,
            listeners: names.into_iter().map(listener).collect(),
            status: StatusCheck::new(now + POLL_DELAY, id, POLL_DELAY),
            outage: OutageTracker::new(tolerance),
            may_be_unreachable: false,
            bare_event: None,
            grace_period: None,
            not_found: None,
            outcome: None,
        })
    }

    /// Sends the requests that are due.
    fn send(&mut self, outbox: &mut Outbox, now: Duration) -> Result<(), RequestError> {
        let id = self.status.id();
        for listener in &mut self.listeners {
            listener.send(outbox, now, id)?;
        }
        match self.grace_period {
            Some(_) => Ok(()),
            None => self.status.step(outbox, now),
        }
    }

    /// Aborts all requests.
    pub(super) fn abort(&mut self, outbox: &mut Outbox) {
        self.reopen_all(outbox, ON_HOLD);
        self.status.abort(outbox);
    }
}

impl SubFlow for EventWait {
    type Output = Event;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Event> {
        let is_over = |until: Option<Duration>| until.is_some_and(|until| until <= now);
        let bare_is_over = is_over(self.bare_event.as_ref().map(|(_, until)| *until));
        let period_is_over = is_over(self.grace_period.as_ref().map(|period| period.until));
        if period_is_over || bare_is_over {
            if let Some((event, _)) = self.bare_event.take() {
                return Some(Ok(event));
            }
            let period = self.grace_period.take();
            return period.map(|period| Err(FlowError::Ended(period.ended.into())));
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
        if let Some(status) = self.status.handle(outbox, now, input) {
            return self.on_status(outbox, now, status);
        }
        for index in 0..self.listeners.len() {
            self.handle_last_event(outbox, now, index, input);
            self.handle_stream(outbox, now, index, input);
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        let requests = self.listeners.iter().flat_map(Listener::scheduled_at);
        let bare = self.bare_event.as_ref().map(|(_, until)| *until);
        let last = self.grace_period.as_ref().map(|period| period.until);
        let status = self
            .status
            .next_wake()
            .filter(|_| self.grace_period.is_none());
        let times = requests.chain([status, bare, last]).flatten();
        times.filter(|time| *time != ON_HOLD).min()
    }

    fn cancel(&mut self, outbox: &mut Outbox, _: Duration) {
        self.abort(outbox);
        self.outcome.get_or_insert(Err(FlowError::Cancelled));
    }
}
