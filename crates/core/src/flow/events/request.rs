//! The requests that wait for one event.

use core::time::Duration;

use crate::flow::exchange::OpenExchange;
use crate::flow::outbox::Outbox;
use crate::{EventBody, EventLines, EventName, InstanceId, LastEvent, ReadEvents, RequestError};

/// The requests for the last event of a name, and for the stream of events of this name.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) name: EventName,
    pub(super) last_event: EventRequest<EventBody>,
    pub(super) stream: EventRequest<EventLines>,
}

/// The state of one of these requests.
#[derive(Debug)]
pub(super) enum EventRequest<D> {
    Unused,
    /// To be sent at this time.
    ScheduledAt(Duration),
    Open(OpenExchange<D>),
}

impl<D> EventRequest<D> {
    pub(super) fn is_due(&self, now: Duration) -> bool {
        matches!(self, Self::ScheduledAt(time) if *time <= now)
    }

    pub(super) fn scheduled_at(&self) -> Option<Duration> {
        match self {
            Self::ScheduledAt(time) => Some(*time),
            Self::Unused | Self::Open(_) => None,
        }
    }

    /// Aborts the request if it is open, and schedules it again.
    pub(super) fn reopen(&mut self, outbox: &mut Outbox, at: Duration) {
        if let Self::Open(exchange) = self {
            outbox.abort(exchange);
            *self = Self::ScheduledAt(at);
        }
    }

    /// Like [`reopen`](Self::reopen), unless the hub has responded.
    pub(super) fn reopen_unanswered(&mut self, outbox: &mut Outbox, at: Duration) {
        if matches!(self, Self::Open(exchange) if exchange.awaits_head()) {
            self.reopen(outbox, at);
        }
    }
}

impl Listener {
    /// Sends the requests that are due.
    pub(super) fn send(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        id: &InstanceId,
    ) -> Result<(), RequestError> {
        let name = &self.name;
        if self.stream.is_due(now) {
            self.stream = EventRequest::Open(outbox.send(&ReadEvents { id, name }, None)?);
        }
        if self.last_event.is_due(now) {
            self.last_event = EventRequest::Open(outbox.send(&LastEvent { id, name }, None)?);
        }
        Ok(())
    }

    pub(super) fn scheduled_at(&self) -> [Option<Duration>; 2] {
        [self.last_event.scheduled_at(), self.stream.scheduled_at()]
    }
}
