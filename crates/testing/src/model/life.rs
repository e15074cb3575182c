//! The life of instances: how they come up, are stopped and killed, die, and are forgotten.

use std::time::Duration;

use serde_json::json;

use super::events::Events;
use super::exchange::ExchangeId;
use super::instance::{Death, Decoders, Instance, ReadStream, SequenceInput, Stage, Stop};
use super::pipe::{Keep, Utf8};
use super::process::{Message, Mind, ProgramSpec};
use super::record::Record;
use super::reply::Reply;
use super::sequences::{Payload, Sequence};
use super::{InstanceKey, Model};

/// What happens to an instance at a time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// Its process connects to the hub.
    Connected(InstanceKey),
    /// The sequence is loaded, and its function is called.
    Loaded(InstanceKey),
    /// The status changes from `starting` to `running`.
    Running(InstanceKey),
    /// The program wants to be called.
    Wakes(InstanceKey),
    /// The timeout of a stop is over.
    StopOver(InstanceKey, ExchangeId),
    /// The process is gone.
    Gone(InstanceKey, Death),
    /// The hub shows that it has ended.
    Noticed(InstanceKey),
    /// It does not block the deletion of its sequence any more.
    Lingered(InstanceKey),
    /// The hub forgets it.
    Forgotten(InstanceKey),
    /// The first report about its health.
    Health(InstanceKey),
    /// The request has taken too long to arrive.
    TooSlow(ExchangeId),
}

/// How much is kept of what a process writes while nobody reads it, and of what it does not read.
const BUFFER: usize = 64 << 10;

/// How much 1.x takes of a standard input that nobody reads.
const ENDLESS: usize = usize::MAX;

impl Model {
    pub(super) fn later(&mut self, after: Duration, due: Due) {
        self.timers.add(self.now + after, due);
    }

    pub(super) fn wake_process_at(&mut self, key: InstanceKey, time: Duration) {
        self.timers.add(time.max(self.now), Due::Wakes(key));
    }

    pub(super) fn carry_out(&mut self, due: Due) {
        match due {
            Due::Connected(key) => self.connected(key),
            Due::Loaded(key) => self.loaded(key),
            Due::Running(key) => {
                let instance = self.instances.get_mut(key);
                if let Some(instance) = instance.filter(|one| one.status == "starting") {
                    instance.status = "running";
                }
            }
            Due::Wakes(key) => drop(self.dirty.insert(key)),
            Due::StopOver(key, exchange) => self.stop_over(key, exchange),
            Due::Gone(key, death) => self.process_died(key, death),
            Due::Noticed(key) => self.death_noticed(key),
            Due::Lingered(key) => {
                let Some(instance) = self.instances.get_mut(key) else {
                    return;
                };
                instance.lingered = true;
                if instance.remove_immediately {
                    self.forget(key);
                } else {
                    self.later(self.times.extension, Due::Forgotten(key));
                }
            }
            Due::Forgotten(key) => self.forget(key),
            Due::Health(key) => self.answer_health(key),
            Due::TooSlow(exchange) => {
                if self
                    .exchange(exchange)
                    .is_some_and(|exchange| !exchange.uploaded)
                {
                    self.cut(exchange);
                }
            }
        }
    }

    /// Starts a process. One that does not connect stays for ever.
    pub(super) fn launch(
        &mut self,
        sequence: &Sequence,
        program: &ProgramSpec,
        payload: Payload,
        chosen_id: Option<String>,
        connects: bool,
    ) -> InstanceKey {
        let key = self.instances.next_key();
        let id = chosen_id.unwrap_or_else(|| self.ids.uuid());
        let is_v1 = self.generation.is_v1();
        let stdin_capacity = if is_v1 { ENDLESS } else { BUFFER };
        let mut read = |capacity| {
            let pipe = self.pipes.add_for(key, Keep::ForNext, capacity);
            let (reader, decoder) = (self.pipes.attach(pipe), Utf8::default());
            ReadStream {
                pipe,
                reader,
                ended: false,
                decoder,
            }
        };
        let (input, stdin) = (read(BUFFER), read(stdin_capacity));
        let [output, stdout, stderr] =
            [(); 3].map(|()| self.pipes.add_for(key, Keep::ForNext, BUFFER));
        let log = self.pipes.add_for(key, Keep::Latest, 1 << 20);
        let config = sequence.package.config(&sequence.id, is_v1);
        let declared = |topic: &Option<(String, String)>| topic.as_ref().map(|one| one.0.clone());
        let topic_of = |chosen: &Option<String>, own: &Option<(String, String)>| {
            chosen.clone().or_else(|| declared(own))
        };
        let requires = topic_of(&payload.input_topic, &program.input_topic);
        let provides = topic_of(&payload.output_topic, &program.output_topic);
        let from_topic = requires.is_some();
        let input = SequenceInput {
            stream: input,
            content_type: None,
            topic: None,
            from_topic,
            told_end: false,
        };
        let mut instance = Instance {
            key,
            id: id.clone(),
            sequence: sequence.id.clone(),
            sequence_info: json!({ "id": sequence.id, "config": config, "location": "STH" }),
            app_config: payload.app_config,
            args: payload.args,
            provides: provides.clone().or_else(|| Some(String::new())),
            requires: requires.clone(),
            created: self.now,
            started: None,
            ended: None,
            status: "starting",
            terminated: None,
            listed: !is_v1,
            stage: Stage::Connecting,
            death: None,
            remove_immediately: false,
            lingered: false,
            stop: None,
            input,
            stdin,
            output,
            output_topic: None,
            stdout,
            stderr,
            log,
            decoders: Decoders::default(),
            events: Events::default(),
            starts: Vec::new(),
            waiting: Vec::new(),
            health: Vec::new(),
            mind: Mind::default(),
        };
        // Topics that were only chosen are shown, but nothing is routed.
        if let (Some(name), Some((_, content_type))) = (&requires, &program.input_topic) {
            let pipe = self.topic_for_instance(name, content_type);
            instance.input.topic = Some((pipe, self.pipes.attach(pipe)));
        }
        if let (Some(name), Some((_, content_type))) = (&provides, &program.output_topic) {
            instance.output_topic = Some(self.topic_for_instance(name, content_type));
        }
        if connects {
            instance.mind.program = Some((program.make)());
            let (started, ended, exit_code, events) = (self.now, None, None, Vec::new());
            self.records.insert(
                key,
                Record {
                    id,
                    started,
                    ended,
                    exit_code,
                    events,
                },
            );
        }
        self.instances.add(instance);
        if connects {
            self.later(self.times.connect, Due::Connected(key));
        }
        key
    }

    fn connected(&mut self, key: InstanceKey) {
        let (now, is_v1) = (self.now, self.generation.is_v1());
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        instance.stage = Stage::Loading;
        instance.started = Some(now);
        instance.listed = true;
        let id = instance.id.clone();
        let waiting = std::mem::take(&mut instance.waiting);
        self.log_instance(key, "INFO", "CSIController", "Handshake");
        self.audit_state(4, &id);
        if !is_v1 {
            self.answer_starts(key);
        }
        for exchange in waiting {
            self.dispatch_again(exchange);
        }
        self.later(self.times.load, Due::Loaded(key));
        self.later(self.times.first_health, Due::Health(key));
    }

    fn loaded(&mut self, key: InstanceKey) {
        let v0_18 = !self.generation.is_v1();
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        if instance.stage != Stage::Loading {
            return;
        }
        instance.stage = Stage::Running;
        if v0_18 {
            // A runner of 0.18 hands out twice what came before it listened.
            let (pipe, reader) = instance.input_source();
            self.pipes.double(pipe, reader);
        }
        self.log_instance(key, "INFO", "Runner", "Sequence loaded, functions count: 1");
        self.dirty.insert(key);
    }

    /// The function of the sequence was called, and has not failed at once.
    pub(super) fn process_begun(&mut self, key: InstanceKey) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        if !std::mem::replace(&mut instance.mind.begun, true) && self.generation.is_v1() {
            self.answer_starts(key);
            self.later(self.times.starting, Due::Running(key));
        }
    }

    fn answer_starts(&mut self, key: InstanceKey) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let (id, starts) = (instance.id.clone(), std::mem::take(&mut instance.starts));
        self.audit_state(0, &id);
        let value = match self.generation.is_v1() {
            true => json!({ "message": format!("Sequence {id} starting"), "id": id }),
            false => json!({ "opStatus": "OK", "id": id }),
        };
        for start in starts {
            self.reply(start, Reply::json(200, &value));
        }
    }

    /// The sequence has ended its output; its process stays for some seconds.
    pub(super) fn sequence_completed(&mut self, key: InstanceKey) {
        self.process_begun(key);
        let after = self.times.completed;
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        instance.stage = Stage::Completed;
        let output = instance.output;
        self.pipes.end(output);
        let message = "Sequence completed. Waiting 10s with exit.";
        self.log_instance(key, "INFO", "Runner", message);
        self.later(after, Due::Gone(key, Death::Completed));
    }

    /// The process is gone, for one reason or another.
    pub(super) fn process_died(&mut self, key: InstanceKey, death: Death) {
        let (is_v1, refuses) = (self.generation.is_v1(), self.refuses_failed_starts);
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        if instance.is_dead() {
            return;
        }
        let at_once = matches!(death, Death::FailedToLoad | Death::Threw);
        let was_begun = std::mem::replace(&mut instance.mind.begun, true);
        instance.stage = Stage::Dead;
        instance.death = Some(death);
        instance.mind.program = None;
        let starts = match is_v1 && at_once && refuses {
            true => std::mem::take(&mut instance.starts),
            false => Vec::new(),
        };
        let pipes = [instance.output, instance.stdout, instance.stderr];
        let log = instance.log;
        let leaves_streams_open = instance.leaves_streams_open(is_v1);
        if death == Death::Uncaught || at_once {
            self.pipes.write(pipes[2], b"Error\n");
        }
        let verdict = death.verdict();
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
        self.log_instance(key, "INFO", "CSIController", "Instance ended");
        if !is_v1 {
            self.pipes.end(log);
        }
        let notice = if at_once {
            self.times.notice_failure
        } else {
            self.times.notice
        };
        self.later(notice, Due::Noticed(key));
    }

    fn death_noticed(&mut self, key: InstanceKey) {
        if !self.generation.is_v1() {
            return self.forget(key);
        }
        let (now, lingering) = (self.now, self.times.lingering);
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let Some(verdict) = instance.death.map(Death::verdict) else {
            return;
        };
        instance.status = verdict.status;
        instance.terminated = Some((verdict.exit_code, verdict.reason));
        instance.ended = verdict.has_end.then_some(now);
        instance.remove_immediately |= verdict.is_forgotten_soon;
        let id = instance.id.clone();
        self.audit_state(2, &id);
        self.later(lingering, Due::Lingered(key));
    }

    /// The hub does not know the instance any more. Its log and its events stay open.
    fn forget(&mut self, key: InstanceKey) {
        let Some(instance) = self.instances.remove(key) else {
            return;
        };
        for pipe in [instance.output, instance.stdout, instance.stderr] {
            self.pipes.end(pipe);
            self.pipes.orphan(pipe);
        }
        for stream in [&instance.input.stream, &instance.stdin] {
            self.pipes.detach(stream.pipe, stream.reader);
            self.pipes.orphan(stream.pipe);
        }
        if let Some((pipe, reader)) = instance.input.topic {
            self.pipes.detach(pipe, reader);
        }
        self.pipes.orphan(instance.log);
        self.audit_state(3, &instance.id);
        self.instance_forgotten(key);
    }

    /// Sends the process what ends it.
    pub(super) fn kill(&mut self, key: InstanceKey, death: Death) {
        let (exit, forced_exit) = (self.times.exit, self.times.forced_exit);
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        match instance.mind.hangs {
            true => self.later(forced_exit, Due::Gone(key, Death::Forced)),
            false => self.later(exit, Due::Gone(key, death)),
        }
    }

    /// The kill that a forced deletion begins with.
    pub(super) fn kill_for_deletion(&mut self, key: InstanceKey) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        if instance.status == "killing" && !instance.is_dead() {
            // The hub takes it for killed already: the instance stays listed as long as it
            // otherwise would, and its process gets a second signal.
            if !instance.mind.hangs {
                self.process_died(key, Death::Forced);
            }
            return;
        }
        instance.remove_immediately = true;
        if !instance.is_dead() {
            instance.status = "killing";
            self.kill(key, Death::Killed);
        }
    }

    /// Asks the process to stop, and has it killed at the end of the timeout.
    pub(super) fn begin_stop(
        &mut self,
        key: InstanceKey,
        exchange: ExchangeId,
        timeout: Duration,
        can_keep_alive: bool,
    ) {
        let is_v1 = self.generation.is_v1();
        if let Some(instance) = self.instances.get_mut(key) {
            instance.stop = Some(Stop {
                can_keep_alive,
                kept_alive: false,
            });
            instance.mind.mail.push_back(Message::Stop {
                timeout,
                can_keep_alive,
            });
            if is_v1 {
                instance.status = "stopping";
            }
        }
        self.dirty.insert(key);
        self.later(timeout, Due::StopOver(key, exchange));
    }

    fn stop_over(&mut self, key: InstanceKey, exchange: ExchangeId) {
        let is_v1 = self.generation.is_v1();
        let Some(instance) = self.instances.get_mut(key) else {
            return self.reply(exchange, Reply::json(200, &json!({ "opStatus": "OK" })));
        };
        let stop = instance.stop.take();
        let stays = stop.is_some_and(|stop| stop.can_keep_alive && stop.kept_alive);
        if !stays && !instance.is_dead() {
            self.kill(key, Death::Stopped);
        }
        let reply = match self.instances.get(key) {
            Some(instance) if is_v1 => Reply::json(202, &self.instance_info(instance)),
            _ => Reply::json(200, &json!({ "opStatus": "OK" })),
        };
        self.reply(exchange, reply);
    }
}
