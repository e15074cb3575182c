//! The starts of instances, and everything that happens at a time.

use std::time::Duration;

use serde_json::{Value, json};

use super::events::Events;
use super::exchange::ExchangeId;
use super::instance::{Death, Decoders, Instance, ReadStream, SequenceInput, Stage};
use super::pipe::Keep;
use super::process::{Mind, ProgramSpec};
use super::record::Record;
use super::reply::Reply;
use super::sequences::{Payload, Sequence};
use super::{InstanceKey, Model};

/// Something that happens at a time.
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
    /// The timeout of a stop is over. The process may stay alive if the flag is set.
    StopOver(InstanceKey, ExchangeId, bool),
    /// 0.18: the hub ends a process that was asked to stop, whatever the timeout.
    Stopped(InstanceKey),
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
    /// The audit gets a record about each instance.
    Heartbeat,
}

/// The bytes that a stream of a process keeps while nobody reads it.
const BUFFER: usize = 64 << 10;

/// 1.x takes everything for a standard input that nobody reads.
const ENDLESS: usize = usize::MAX;

/// Checks if JavaScript can spread a value into arguments.
fn is_iterable(args: &Value) -> bool {
    args.is_array() || args.is_string()
}

impl Model {
    pub(super) fn later(&mut self, after: Duration, due: Due) {
        self.timers.add(self.now.saturating_add(after), due);
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
                    instance.knows_input = true;
                }
            }
            Due::Wakes(key) => drop(self.dirty.insert(key)),
            Due::StopOver(key, exchange, can_stay) => self.stop_over(key, exchange, can_stay),
            Due::Stopped(key) => self.stopped(key),
            Due::Gone(key, death) => self.process_died(key, death),
            Due::Noticed(key) => self.death_noticed(key),
            Due::Lingered(key) => self.lingered(key),
            Due::Forgotten(key) => self.forget(key),
            Due::Health(key) => self.health_reported(key),
            Due::Heartbeat => self.heartbeat(),
            // 2.3
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
            let reader = self.pipes.attach(pipe);
            ReadStream { pipe, reader }
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
            ended: None,
            was_written_after_end: false,
            decoder: None,
        };
        let mut instance = Instance {
            key,
            id: id.clone(),
            sequence: sequence.id.clone(),
            sequence_info: json!({ "id": sequence.id, "config": config, "location": "STH" }),
            app_config: payload.app_config,
            args: payload.args,
            provides: provides.clone(),
            requires: requires.clone(),
            knows_input: false,
            has_output: false,
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
            kept_alive: false,
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
            has_reported: false,
            awaits_report: Vec::new(),
            mind: Mind::default(),
        };
        // 7.3: topics that were only chosen are shown, but nothing is routed.
        if let (Some(name), Some((_, content_type))) = (&requires, &program.input_topic) {
            let pipe = self.topic_for_instance(name, content_type);
            instance.input.topic = Some((pipe, self.pipes.attach(pipe)));
            instance.input.content_type = Some(content_type.clone());
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
        let id = instance.id.clone();
        // 4.5: of two processes with the same id, the hub has the later one. The other one runs on.
        self.instances.list(key, &id);
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let waiting = std::mem::take(&mut instance.waiting);
        self.log_connected(key);
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
        let is_v1 = self.generation.is_v1();
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        if instance.stage != Stage::Loading {
            return;
        }
        instance.stage = Stage::Running;
        let stream = &instance.input.stream;
        let (pipe, reader) = (stream.pipe, stream.reader);
        let fails = instance
            .args
            .as_ref()
            .is_some_and(|args| !is_iterable(args));
        if !is_v1 {
            // 5.6: a runner of 0.18 may hand out twice what came before it listened.
            self.pipes.double(pipe, reader);
        }
        if fails {
            // 4.5: the start succeeds all the same.
            if is_v1 {
                self.answer_starts(key);
            }
            self.process_died(key, Death::Threw);
        }
        self.dirty.insert(key);
    }

    /// The function of the sequence was called, and has not failed at once.
    pub(super) fn process_begun(&mut self, key: InstanceKey) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        if std::mem::replace(&mut instance.mind.begun, true) {
            return;
        }
        self.log_loaded(key);
        if self.generation.is_v1() {
            self.answer_starts(key);
            self.later(self.times.starting, Due::Running(key));
        }
    }

    pub(super) fn answer_starts(&mut self, key: InstanceKey) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let (id, starts) = (instance.id.clone(), std::mem::take(&mut instance.starts));
        self.audit_start(&id);
        let value = match self.generation.is_v1() {
            true => json!({ "message": format!("Sequence {id} starting"), "id": id }),
            false => json!({ "opStatus": "OK", "id": id }),
        };
        for start in starts {
            self.reply(start, Reply::json(200, &value));
        }
    }

    /// Starts an instance under a chosen id, and moves the time on until its program has begun.
    /// Returns `None` if there is no such sequence, if there is no program for it, or if the hub is
    /// not able to start it.
    pub fn add_instance(
        &mut self,
        id: &str,
        sequence: &str,
        payload: &Value,
    ) -> Option<InstanceKey> {
        let key = self.launch_as(id, sequence, payload)?;
        let over = self.now + self.times.connect + self.times.load + self.times.starting;
        self.advance(over);
        let begun = |one: &&Instance| one.stage >= Stage::Running;
        let begun = self.instances.get(key).filter(begun);
        begun.map(|instance| instance.key)
    }
}
