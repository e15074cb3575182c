//! The events that happen at a given time.

use std::time::Duration;

use super::exchange::ExchangeId;
use super::instance::ProcessEnd;
use super::{InstanceKey, Model};

/// The event of a timer.
#[derive(Clone, Copy, Debug)]
pub(super) enum TimerEvent {
    /// The process of the instance connects to the hub.
    Connected(InstanceKey),
    /// The sequence is loaded, and its function is called.
    Loaded(InstanceKey),
    /// The status changes from `starting` to `running`.
    Running(InstanceKey),
    /// The program is called.
    WakeProgram(InstanceKey),
    /// The timeout of a stop ends. The process may stay alive if the flag is set.
    StopTimeout(InstanceKey, ExchangeId, bool),
    /// 0.18: the hub ends the process after a stop, whatever its timeout.
    EndStoppedProcess(InstanceKey),
    /// The process exits.
    ProcessExited(InstanceKey, ProcessEnd),
    /// The hub shows the end of the process.
    EndNoticed(InstanceKey),
    /// The instance stops blocking the deletion of its sequence.
    Lingered(InstanceKey),
    /// The hub forgets the instance.
    Forgotten(InstanceKey),
    /// The process sends its first health report.
    FirstHealthReport(InstanceKey),
    /// The body of a request has taken too long.
    RequestTimeout(ExchangeId),
    /// The hub writes a record about each instance to the audit.
    AuditHeartbeat,
}

impl Model {
    /// Schedules an event after this time.
    pub(super) fn schedule(&mut self, after: Duration, event: TimerEvent) {
        self.timers.add(self.now.saturating_add(after), event);
    }

    pub(super) fn wake_process_at(&mut self, key: InstanceKey, time: Duration) {
        self.timers
            .add(time.max(self.now), TimerEvent::WakeProgram(key));
    }

    /// Handles an event whose time has come.
    pub(super) fn handle_timer(&mut self, event: TimerEvent) {
        match event {
            TimerEvent::Connected(key) => self.connected(key),
            TimerEvent::Loaded(key) => self.loaded(key),
            TimerEvent::Running(key) => {
                let instance = self.instances.get_mut(key);
                if let Some(instance) = instance.filter(|one| one.status == "starting") {
                    instance.status = "running";
                    instance.knows_input = true;
                }
            }
            TimerEvent::WakeProgram(key) => drop(self.dirty.insert(key)),
            TimerEvent::StopTimeout(key, exchange, can_stay) => {
                self.stop_timed_out(key, exchange, can_stay)
            }
            TimerEvent::EndStoppedProcess(key) => self.end_stopped_process(key),
            TimerEvent::ProcessExited(key, end) => self.process_ended(key, end),
            TimerEvent::EndNoticed(key) => self.show_end(key),
            TimerEvent::Lingered(key) => self.stop_blocking_deletion(key),
            TimerEvent::Forgotten(key) => self.forget(key),
            TimerEvent::FirstHealthReport(key) => self.health_reported(key),
            TimerEvent::AuditHeartbeat => self.heartbeat(),
            // Rule 2.3
            TimerEvent::RequestTimeout(exchange) => {
                if self
                    .exchange(exchange)
                    .is_some_and(|exchange| !exchange.uploaded)
                {
                    self.cut(exchange);
                }
            }
        }
    }
}
