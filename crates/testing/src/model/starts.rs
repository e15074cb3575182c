//! The starts of instances.

use serde_json::{Value, json};

use super::events::Events;
use super::instance::{Decoders, Instance, ProcessEnd, ProcessState, ReadStream, SequenceInput};
use super::pipe::Retention;
use super::process::{ProgramSpec, Runner};
use super::record::InstanceRecord;
use super::reply::Reply;
use super::sequences::{Sequence, StartPayload};
use super::timer_events::TimerEvent;
use super::{InstanceKey, Model};

/// Capacity in bytes of the streams of a process.
const BUFFER: usize = 64 << 10;

/// Capacity of standard input on 1.x, which accepts all data even if the process does not read.
const UNBOUNDED: usize = usize::MAX;

/// Returns `true` if JavaScript can spread a value into arguments.
fn is_iterable(args: &Value) -> bool {
    args.is_array() || args.is_string()
}

impl Model {
    /// Creates an instance and starts its process. If the process does not connect, the instance
    /// stays forever.
    pub(super) fn launch(
        &mut self,
        sequence: &Sequence,
        program: &ProgramSpec,
        payload: StartPayload,
        chosen_id: Option<String>,
        connects: bool,
    ) -> InstanceKey {
        let key = self.instances.next_key();
        let id = chosen_id.unwrap_or_else(|| self.ids.uuid());
        let is_v1 = self.generation.is_v1();
        let stdin_capacity = if is_v1 { UNBOUNDED } else { BUFFER };
        let mut read = |capacity| {
            let pipe = self.pipes.add_for(key, Retention::ForNext, capacity);
            let reader = self.pipes.attach(pipe);
            ReadStream { pipe, reader }
        };
        let (input, stdin) = (read(BUFFER), read(stdin_capacity));
        let [output, stdout, stderr] =
            [(); 3].map(|()| self.pipes.add_for(key, Retention::ForNext, BUFFER));
        let log = self.pipes.add_for(key, Retention::Latest, 1 << 20);
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
            state: ProcessState::Connecting,
            process_end: None,
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
            pending_starts: Vec::new(),
            pending_requests: Vec::new(),
            has_reported: false,
            pending_health: Vec::new(),
            runner: Runner::default(),
        };
        // Rule 7.3: without a declaration of the sequence, the topics of a start are only shown.
        if let (Some(name), Some((_, content_type))) = (&requires, &program.input_topic) {
            let pipe = self.topic_for_instance(name, content_type);
            instance.input.topic = Some((pipe, self.pipes.attach(pipe)));
            instance.input.content_type = Some(content_type.clone());
        }
        if let (Some(name), Some((_, content_type))) = (&provides, &program.output_topic) {
            instance.output_topic = Some(self.topic_for_instance(name, content_type));
        }
        if connects {
            instance.runner.program = Some((program.make)());
            let (started, ended, exit_code, events) = (self.now, None, None, Vec::new());
            self.records.insert(
                key,
                InstanceRecord {
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
            self.schedule(self.times.connect, TimerEvent::Connected(key));
        }
        key
    }

    /// Handles the connection of the process to the hub.
    pub(super) fn connected(&mut self, key: InstanceKey) {
        let (now, is_v1) = (self.now, self.generation.is_v1());
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        instance.state = ProcessState::Loading;
        instance.started = Some(now);
        let id = instance.id.clone();
        // Rule 4.5: of two processes with the same id, the hub lists the later one. The other one
        // continues to run.
        self.instances.list(key, &id);
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let waiting = std::mem::take(&mut instance.pending_requests);
        self.log_connected(key);
        self.audit_state(4, &id);
        if !is_v1 {
            self.answer_starts(key);
        }
        for exchange in waiting {
            self.resume_dispatch(exchange);
        }
        self.schedule(self.times.load, TimerEvent::Loaded(key));
        self.schedule(
            self.times.first_health_report,
            TimerEvent::FirstHealthReport(key),
        );
    }

    /// Handles the end of the load of the sequence.
    pub(super) fn loaded(&mut self, key: InstanceKey) {
        let is_v1 = self.generation.is_v1();
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        if instance.state != ProcessState::Loading {
            return;
        }
        instance.state = ProcessState::Running;
        let stream = &instance.input.stream;
        let (pipe, reader) = (stream.pipe, stream.reader);
        let fails = instance
            .args
            .as_ref()
            .is_some_and(|args| !is_iterable(args));
        if !is_v1 {
            // Rule 5.6: a runner of 0.18 may deliver early input twice.
            self.pipes.duplicate_unread(pipe, reader);
        }
        if fails {
            // Rule 4.5: the start succeeds nevertheless.
            if is_v1 {
                self.answer_starts(key);
            }
            self.process_ended(key, ProcessEnd::Threw);
        }
        self.dirty.insert(key);
    }

    /// Records that the function of the sequence has not failed at once.
    pub(super) fn process_begun(&mut self, key: InstanceKey) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        if std::mem::replace(&mut instance.runner.begun, true) {
            return;
        }
        self.log_loaded(key);
        if self.generation.is_v1() {
            self.answer_starts(key);
            self.schedule(self.times.starting, TimerEvent::Running(key));
        }
    }

    /// Sends the responses to the starts of an instance.
    pub(super) fn answer_starts(&mut self, key: InstanceKey) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let (id, starts) = (
            instance.id.clone(),
            std::mem::take(&mut instance.pending_starts),
        );
        self.audit_start(&id);
        let value = match self.generation.is_v1() {
            true => json!({ "message": format!("Sequence {id} starting"), "id": id }),
            false => json!({ "opStatus": "OK", "id": id }),
        };
        for start in starts {
            self.reply(start, Reply::json(200, &value));
        }
    }

    /// Starts an instance with a given id, and advances the time until its program runs.
    ///
    /// Returns `None` if the sequence does not exist, has no program, or cannot be started.
    pub fn add_instance(
        &mut self,
        id: &str,
        sequence: &str,
        payload: &Value,
    ) -> Option<InstanceKey> {
        let key = self.launch_as(id, sequence, payload)?;
        let over = self.now + self.times.connect + self.times.load + self.times.starting;
        self.advance(over);
        let begun = |one: &&Instance| one.state >= ProcessState::Running;
        let begun = self.instances.get(key).filter(begun);
        begun.map(|instance| instance.key)
    }
}
