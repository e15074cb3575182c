//! The ends of instances: stops, kills, exits of processes, and the time until the hub forgets
//! them.

use std::time::Duration;

use serde_json::json;

use super::exchange::ExchangeId;
use super::instance::{Instance, ProcessEnd, ProcessState};
use super::process::Message;
use super::reply::Reply;
use super::timer_events::TimerEvent;
use super::{InstanceKey, Model};

impl Model {
    // Rule 12
    /// Ends the output of a sequence that has completed. Its process stays for some seconds.
    pub(super) fn sequence_completed(&mut self, key: InstanceKey) {
        self.process_begun(key);
        let after = self.times.completed;
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        instance.state = ProcessState::Completed;
        instance.has_output = true;
        let output = instance.output;
        self.pipes.end(output);
        self.log_completed(key);
        self.schedule(after, TimerEvent::ProcessExited(key, ProcessEnd::Completed));
    }

    /// Ends the process.
    pub(super) fn process_ended(&mut self, key: InstanceKey, end: ProcessEnd) {
        let (is_v1, refuses) = (self.generation.is_v1(), self.refuses_failed_starts);
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        if instance.is_dead() {
            return;
        }
        let at_once = matches!(end, ProcessEnd::FailedToLoad | ProcessEnd::Threw);
        let was_begun = std::mem::replace(&mut instance.runner.begun, true);
        instance.state = ProcessState::Dead;
        instance.process_end = Some(end);
        instance.runner.program = None;
        let starts = match is_v1 && at_once && refuses {
            true => std::mem::take(&mut instance.pending_starts),
            false => Vec::new(),
        };
        let pipes = [instance.output, instance.stdout, instance.stderr];
        let log = instance.log;
        let leaves_streams_open = instance.keeps_streams_open(is_v1);
        if !was_begun && end != ProcessEnd::FailedToLoad {
            self.log_loaded(key);
        }
        if end == ProcessEnd::Uncaught || at_once {
            self.pipes.write(pipes[2], b"Error\n");
        }
        let verdict = end.report();
        if let Some(record) = self.records.get_mut(&key) {
            (record.ended, record.exit_code) = (Some(self.now), Some(verdict.exit_code));
        }
        for start in starts {
            self.reply(start, Reply::json(400, &json!({ "error": verdict.reason })));
        }
        if !was_begun && is_v1 {
            self.answer_starts(key);
        }
        if !leaves_streams_open {
            for pipe in pipes {
                self.pipes.end(pipe);
            }
        }
        match is_v1 {
            true => self.log_instance(key, ["INFO", "CSIController", "Instance ended"], None),
            false => self.pipes.end(log),
        }
        let notice = if at_once {
            self.times.notice_failure
        } else {
            self.times.notice
        };
        self.schedule(notice, TimerEvent::EndNoticed(key));
    }

    /// Shows the end of the process: 1.x changes the status, and 0.18 forgets the instance.
    pub(super) fn show_end(&mut self, key: InstanceKey) {
        if !self.generation.is_v1() {
            return self.forget(key);
        }
        let (now, lingering) = (self.now, self.times.lingering);
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let Some(verdict) = instance.process_end.map(ProcessEnd::report) else {
            return;
        };
        instance.status = verdict.status;
        instance.terminated = Some((verdict.exit_code, verdict.reason));
        instance.ended = verdict.has_end.then_some(now);
        instance.remove_immediately |= verdict.is_forgotten_soon;
        let id = instance.id.clone();
        self.audit_state(3, &id);
        self.schedule(lingering, TimerEvent::Lingered(key));
    }

    // Rule 12
    /// Ends the time in which an ended instance blocks the deletion of its sequence.
    pub(super) fn stop_blocking_deletion(&mut self, key: InstanceKey) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        instance.lingered = true;
        if instance.remove_immediately {
            self.forget(key);
        } else {
            self.schedule(self.times.extension, TimerEvent::Forgotten(key));
        }
    }

    /// Forgets an instance. Its log and its events stay open.
    pub(super) fn forget(&mut self, key: InstanceKey) {
        let Some(instance) = self.instances.remove(key) else {
            return;
        };
        for pipe in [instance.output, instance.stdout, instance.stderr] {
            self.pipes.end(pipe);
            self.pipes.orphan(pipe);
        }
        for stream in [&instance.input.stream, &instance.stdin] {
            self.stall_uploads(stream.pipe);
            self.pipes.detach(stream.pipe, stream.reader);
            self.pipes.orphan(stream.pipe);
        }
        if let Some((pipe, reader)) = instance.input.topic {
            self.pipes.detach(pipe, reader);
        }
        self.pipes.orphan(instance.log);
        self.audit_state(2, &instance.id);
        self.instance_forgotten(key);
    }

    // Rule 5.9
    /// Kills the process. One that hangs is removed by force later.
    pub(super) fn kill(&mut self, key: InstanceKey, end: ProcessEnd) {
        let (exit, forced_exit) = (self.times.exit, self.times.forced_exit);
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        match instance.runner.hangs {
            true => self.schedule(
                forced_exit,
                TimerEvent::ProcessExited(key, ProcessEnd::Forced),
            ),
            false => self.schedule(exit, TimerEvent::ProcessExited(key, end)),
        }
    }

    // Rule 12
    /// Kills an instance before the forced deletion of its sequence.
    pub(super) fn kill_for_deletion(&mut self, key: InstanceKey) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        if instance.status == "killing" && !instance.is_dead() {
            // The hub has killed the instance before, so it only sends the process a second signal,
            // and lists the instance for the usual time.
            if !instance.runner.hangs {
                self.process_ended(key, ProcessEnd::Forced);
            }
            return;
        }
        instance.remove_immediately = true;
        if !instance.is_dead() {
            instance.status = "killing";
            self.kill(key, ProcessEnd::Killed);
        }
    }

    // Rule 5.8
    /// Requests the process to stop, and schedules its kill after the timeout.
    pub(super) fn begin_stop(
        &mut self,
        key: InstanceKey,
        exchange: ExchangeId,
        timeout: Duration,
        can_keep_alive: bool,
    ) {
        let is_v1 = self.generation.is_v1();
        if let Some(instance) = self.instances.get_mut(key) {
            instance.kept_alive = false;
            instance.runner.mailbox.push_back(Message::Stop {
                timeout,
                can_keep_alive,
            });
            if is_v1 {
                instance.status = "stopping";
            }
        }
        self.dirty.insert(key);
        if !is_v1 {
            // The runner reports that the sequence has stopped, even if it called `keepAlive`.
            self.schedule(self.times.forced_exit, TimerEvent::EndStoppedProcess(key));
        }
        // 0.18 ignores `canCallKeepalive`. A program cannot call `keepAlive` within no time.
        let can_stay = (can_keep_alive || !is_v1) && !timeout.is_zero();
        self.schedule(timeout, TimerEvent::StopTimeout(key, exchange, can_stay));
    }

    /// Ends the process after the timeout of a stop, unless it stays alive, and responds to the
    /// stop.
    pub(super) fn stop_timed_out(
        &mut self,
        key: InstanceKey,
        exchange: ExchangeId,
        can_stay: bool,
    ) {
        let is_v1 = self.generation.is_v1();
        let Some(instance) = self.instances.get(key) else {
            let forgotten = "the instance was forgotten before the timeout of its stop was over";
            return self.reply(
                exchange,
                match is_v1 {
                    true => Reply::not_modeled(forgotten),
                    false => Reply::json(200, &json!({ "opStatus": "OK" })),
                },
            );
        };
        if !(instance.kept_alive && can_stay) {
            self.end_stopped_process(key);
        }
        let reply = match self.instances.get(key) {
            Some(instance) if is_v1 => Reply::json(202, &self.instance_info(instance)),
            _ => Reply::json(200, &json!({ "opStatus": "OK" })),
        };
        self.reply(exchange, reply);
    }

    // Rule 5.8
    /// Ends the process after a stop. A process that hangs is not ended.
    pub(super) fn end_stopped_process(&mut self, key: InstanceKey) {
        let hangs = |instance: &Instance| instance.runner.hangs;
        if self.instances.get(key).is_some_and(|one| !hangs(one)) {
            self.schedule(
                self.times.exit,
                TimerEvent::ProcessExited(key, ProcessEnd::Stopped),
            );
        }
    }
}
