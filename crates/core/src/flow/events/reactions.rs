//! The reactions of an [`EventWait`] to events, errors and the status of the instance.

use alloc::string::ToString;
use core::time::Duration;

use super::request::{EventRequest, Listener};
use super::{EventWait, GRACE_PERIOD, GracePeriod, MAX_GRACE_PERIOD, ON_HOLD, POLL_DELAY, Since};
use crate::flow::exchange::ExchangeEvent;
use crate::flow::exchange_error::ExchangeError;
use crate::flow::outbox::Outbox;
use crate::flow::status::StatusResult;
use crate::flow::{FlowError, Input};
use crate::{Ended, Event};

impl EventWait {
    /// Handles an event. `damaged` means that the stream may deliver the same event with its data.
    fn on_event(&mut self, now: Duration, event: Event, streamed: bool, damaged: bool) {
        let has_stream = self.since == Since::Now || !self.keeps_data;
        match &self.bare_event {
            // A duplicate, or another event that came after the first one.
            Some((bare, _)) if !streamed || bare.name != event.name => {}
            _ if self.keeps_data => self.outcome = Some(Ok(event)),
            _ if streamed => self.outcome = Some(Ok(without_empty_data(event))),
            _ if damaged && has_stream => self.bare_event = Some((event, now + GRACE_PERIOD)),
            _ => self.outcome = Some(Ok(event)),
        }
    }

    /// Handles the failure of a request. Returns the time at which to repeat it.
    fn on_error(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        error: ExchangeError,
    ) -> Option<Duration> {
        if let Some(period) = &mut self.grace_period {
            let not_found = error.has_status(404);
            let from_hub = error.api().is_some_and(|refusal| refusal.is_from_hub());
            if not_found && (from_hub || period.ended.info.is_none()) {
                // The hub has removed the instance.
                return None;
            }
            if !not_found && !error.is_transient() {
                return None;
            }
            let again = now + POLL_DELAY;
            period.until = period.until.max(again + GRACE_PERIOD).min(period.deadline);
            return Some(again);
        }
        if error.api().is_some_and(|refusal| refusal.is_not_found()) {
            // A new status request shows if the instance has ended. An older one may be outdated.
            self.not_found = Some(error);
            self.status.abort(outbox);
            self.status.schedule(now);
            return Some(ON_HOLD);
        }
        let transient = error.is_transient();
        let delay = transient.then(|| self.outage.request_failed(now)).flatten();
        if delay.is_none() {
            self.outcome = Some(Err(error.into()));
        }
        delay.map(|delay| now + delay)
    }

    pub(super) fn on_status(&mut self, outbox: &mut Outbox, now: Duration, status: StatusResult) {
        match status {
            StatusResult::Ended(ended) => self.start_grace_period(outbox, now, ended),
            StatusResult::Alive(_) => {
                self.outage.request_answered();
                // Their connections may be dead.
                if core::mem::take(&mut self.may_be_unreachable) {
                    for listener in &mut self.listeners {
                        listener.last_event.reopen_unanswered(outbox, now);
                        listener.stream.reopen_unanswered(outbox, now);
                    }
                }
                match self.not_found.take() {
                    Some(error) if error.api().is_some_and(|api| api.is_from_hub()) => {
                        self.outcome = Some(Err(error.into()));
                    }
                    // A gateway sent the `404`.
                    Some(_) => self.reopen_not_found(now),
                    None => {}
                }
            }
            // A proxy that compresses the status would compress the event, too.
            StatusResult::Unknown(error) if error.is_encoded() => {
                self.outcome = Some(Err(error.into()));
            }
            // The open connections may be dead, too, so they are opened again. Permanent errors are
            // ignored here: the other requests fail with them as well.
            StatusResult::Unknown(error) => {
                // Until the hub has answered once, the other requests show if it is reachable.
                if error.is_transient() && !self.outage.hub_has_answered() {
                    self.may_be_unreachable = true;
                } else if error.is_transient() {
                    match self.outage.request_failed(now) {
                        Some(delay) => self.reopen_all(outbox, now + delay),
                        None => self.outcome = Some(Err(error.into())),
                    }
                }
                if self.not_found.take().is_some() {
                    self.reopen_not_found(now);
                }
            }
        }
    }

    /// Waits a little longer for the last events of an instance that has ended.
    ///
    /// As long as the hub lists the instance, it also returns its last events. They are requested
    /// once more, because the open connections may be dead.
    fn start_grace_period(&mut self, outbox: &mut Outbox, now: Duration, ended: Ended) {
        if ended.info.is_some() && self.since == Since::Start {
            for listener in &mut self.listeners {
                listener.last_event.reopen(outbox, now);
                listener.last_event = EventRequest::ScheduledAt(now);
            }
        }
        self.not_found = None;
        self.grace_period = Some(GracePeriod {
            ended,
            until: now + GRACE_PERIOD,
            deadline: now + MAX_GRACE_PERIOD,
        });
    }

    /// Schedules the requests that wait for the status after a `404`.
    fn reopen_not_found(&mut self, now: Duration) {
        let at = now + POLL_DELAY;
        for listener in &mut self.listeners {
            if listener.last_event.scheduled_at() == Some(ON_HOLD) {
                listener.last_event = EventRequest::ScheduledAt(at);
            }
            if listener.stream.scheduled_at() == Some(ON_HOLD) {
                listener.stream = EventRequest::ScheduledAt(at);
            }
        }
    }

    pub(super) fn reopen_all(&mut self, outbox: &mut Outbox, at: Duration) {
        for listener in &mut self.listeners {
            listener.last_event.reopen(outbox, at);
            listener.stream.reopen(outbox, at);
        }
    }

    /// Handles an input of the request for the last event.
    pub(super) fn handle_last_event(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        index: usize,
        input: &Input<'_>,
    ) {
        let Some(listener) = self.listeners.get_mut(index) else {
            return;
        };
        let EventRequest::Open(exchange) = &mut listener.last_event else {
            return;
        };
        let name = listener.name.to_string();
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
            Err(error) => self.on_error(outbox, now, error),
        };
        if let Some(listener) = self.listeners.get_mut(index) {
            listener.last_event = next.map_or(EventRequest::Unused, EventRequest::ScheduledAt);
        }
    }

    /// Handles an input of the event stream.
    pub(super) fn handle_stream(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        index: usize,
        input: &Input<'_>,
    ) {
        let Some(listener) = self.listeners.get_mut(index) else {
            return;
        };
        let EventRequest::Open(exchange) = &mut listener.stream else {
            return;
        };
        let id = exchange.id;
        for event in exchange.handle(input) {
            match event {
                ExchangeEvent::Success => {
                    self.outage.request_answered();
                    let listener = self.listeners.get_mut(index);
                    if let Some(Listener {
                        last_event: EventRequest::ScheduledAt(at),
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
                // The hub never ends the stream, so something else closed it, such as a proxy.
                ExchangeEvent::End => {
                    self.reopen_stream(outbox, now, index, ExchangeError::connection_lost(id));
                }
                ExchangeEvent::Error(error) => self.reopen_stream(outbox, now, index, error),
            }
        }
    }

    fn reopen_stream(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        index: usize,
        error: ExchangeError,
    ) {
        let next = self.on_error(outbox, now, error);
        if let Some(listener) = self.listeners.get_mut(index) {
            listener.stream = next.map_or(EventRequest::Unused, EventRequest::ScheduledAt);
            // The last event covers what is emitted before the stream is open again.
            if let (Some(at), EventRequest::Unused, Since::Start) =
                (next, &listener.last_event, self.since)
            {
                listener.last_event = EventRequest::ScheduledAt(at);
            }
        }
    }
}

/// Replaces `{}` by `null`. Streams of 1.x write `{}` for missing data, `null`, `false`, `0` and
/// `""`.
fn without_empty_data(event: Event) -> Event {
    let is_empty = event.data.as_object().is_some_and(|data| data.is_empty());
    if is_empty {
        Event::new(&event.name, serde_json::Value::Null)
    } else {
        event
    }
}
