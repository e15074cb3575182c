//! The interface between a program and its process.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::instance::{Instance, ProcessEnd, ProcessState};
use super::items::{Decoded, Decoder, Item};
use super::pipe::{PipeId, PipeRead};
use super::process::{Exit, Input, Message, Output, ReadResult};
use super::{InstanceKey, Model};

/// The process of an instance, for the program that runs in it.
pub struct ProcessContext<'a> {
    pub(super) model: &'a mut Model,
    pub(super) key: InstanceKey,
}

impl ProcessContext<'_> {
    fn instance(&self) -> Option<&Instance> {
        self.model.instances.get(self.key)
    }

    fn instance_mut(&mut self) -> Option<&mut Instance> {
        self.model.instances.get_mut(self.key)
    }

    /// Returns the time since the start of the hub.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.model.now
    }

    /// Schedules the next call of the program.
    pub fn wake_at(&mut self, time: Duration) {
        if let Some(instance) = self.instance_mut() {
            instance.runner.wakes = Some(time);
        }
        self.model.wake_process_at(self.key, time);
    }

    /// Returns `true` if the process runs and the sequence has not completed.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.instance()
            .is_some_and(|instance| instance.state == ProcessState::Running)
    }

    /// Reports that the function of the sequence has not failed at once. A hub of 1.x then responds
    /// to the start.
    pub fn begin(&mut self) {
        self.model.process_begun(self.key);
    }

    /// Returns `true` if [`begin`](Self::begin) was called.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.instance().is_none_or(|instance| instance.runner.begun)
    }

    /// Returns the key of the instance.
    #[must_use]
    pub fn key(&self) -> InstanceKey {
        self.key
    }

    /// Returns the id of the instance.
    #[must_use]
    pub fn id(&self) -> String {
        self.instance()
            .map(|instance| instance.id.clone())
            .unwrap_or_default()
    }

    /// Returns the configuration that the instance was started with.
    #[must_use]
    pub fn config(&self) -> Option<Value> {
        self.instance()?.app_config.clone()
    }

    /// Returns the arguments that the instance was started with.
    #[must_use]
    pub fn args(&self) -> Vec<Value> {
        let instance = self.instance();
        match instance.and_then(|instance| instance.args.clone()) {
            Some(Value::Array(args)) => args,
            // JavaScript spreads a string into its characters.
            Some(Value::String(args)) => args.chars().map(String::from).map(Into::into).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the content type of the input: that of the first request or of the topic. `None`
    /// before the first request.
    #[must_use]
    pub fn input_type(&self) -> Option<String> {
        self.instance()?.input.content_type.clone()
    }

    // Rule 5.6
    /// Reads the next item of the input, as a sequence receives it.
    ///
    /// The content type of the first request determines the kind of items: a value for each line of
    /// NDJSON, or chunks of text or bytes as the hub received them. If the type is another one or
    /// has parameters, all input is lost without an error.
    ///
    /// A line `null` ends the input. A line that is not JSON is skipped on 1.x, and ends the
    /// process on 0.18.
    pub fn read_item(&mut self) -> Item {
        let Some(mut decoder) = self.take_decoder() else {
            return Item::Pending;
        };
        let item = loop {
            let decoded = match decoder.next() {
                Decoded::Nothing => match self.read(Input::Input) {
                    ReadResult::Chunk(chunk) => decoder.feed(chunk),
                    ReadResult::Pending => break Item::Pending,
                    ReadResult::Ended => match decoder.end() {
                        Decoded::Nothing => break Item::Pending,
                        decoded => decoded,
                    },
                },
                decoded => decoded,
            };
            match decoded {
                Decoded::Nothing => {}
                Decoded::Item(item) => break item,
                Decoded::Cut => {
                    // Reads the rest of the input, and discards it.
                    while matches!(self.read(Input::Input), ReadResult::Chunk(_)) {}
                    break Item::Ended;
                }
                Decoded::Failed => {
                    self.exit(Exit::Uncaught);
                    break Item::Ended;
                }
            }
        };
        if let Some(instance) = self.instance_mut() {
            instance.input.decoder = Some(decoder);
        }
        item
    }

    /// Takes the decoder of the input; `None` if the content type is not known yet.
    fn take_decoder(&mut self) -> Option<Decoder> {
        let is_v1 = self.model.generation.is_v1();
        let input = &mut self.instance_mut()?.input;
        let content_type = input.content_type.as_deref()?;
        let decoder = input.decoder.take();
        Some(decoder.unwrap_or_else(|| Decoder::new(content_type, is_v1)))
    }

    /// Reads the next chunk.
    pub fn read(&mut self, from: Input) -> ReadResult {
        let Some(instance) = self.instance() else {
            return ReadResult::Ended;
        };
        let (pipe, reader) = match from {
            Input::Input => instance.input_reader(),
            Input::Stdin => (instance.stdin.pipe, instance.stdin.reader),
        };
        match self.model.pipes.read(pipe, reader) {
            PipeRead::Chunk(chunk) => ReadResult::Chunk(chunk),
            PipeRead::Pending => ReadResult::Pending,
            PipeRead::End => ReadResult::Ended,
        }
    }

    /// Writes a chunk. Returns `false` if the stream is full because it has no reader, or a slow
    /// one. The program must then try again later.
    ///
    /// An empty chunk shows the hub that the sequence has an output.
    pub fn write(&mut self, to: Output, bytes: &[u8]) -> bool {
        let v0_18 = !self.model.generation.is_v1();
        let Some(instance) = self.model.instances.get_mut(self.key) else {
            return true;
        };
        let pipes: Vec<PipeId> = match to {
            Output::Output => {
                instance.has_output = true;
                let topic = instance.output_topic;
                std::iter::once(instance.output).chain(topic).collect()
            }
            Output::Stdout => vec![instance.stdout],
            Output::Stderr => vec![instance.stderr],
        };
        if pipes.iter().any(|pipe| self.model.pipes.is_full(*pipe)) {
            return false;
        }
        let text = v0_18.then(|| instance.decoders.of(to).decode(bytes));
        for pipe in pipes {
            self.model
                .pipes
                .write(pipe, text.as_deref().unwrap_or(bytes));
        }
        true
    }

    /// Emits an event. `None` is `undefined`.
    pub fn emit(&mut self, name: &str, data: Option<Value>) {
        self.model.emit(self.key, name, data);
    }

    /// Takes the next message from the mailbox.
    pub fn receive(&mut self) -> Option<Message> {
        self.instance_mut()?.runner.mailbox.pop_front()
    }

    /// Prevents the kill after the timeout of a stop that allows this. A hub of 0.18 kills the
    /// process 11 s after the request to stop in any case.
    pub fn keep_alive(&mut self) {
        if let Some(instance) = self.instance_mut() {
            instance.kept_alive = true;
        }
    }

    /// Writes a line to the log of the instance. A hub of 1.x writes it to its own log as well.
    pub fn log(&mut self, level: &str, message: &str) {
        self.model
            .log_instance(self.key, [level, "Sequence", message], None);
    }

    /// Blocks forever. The process no longer reacts to anything.
    pub fn hang(&mut self) {
        self.begin();
        if let Some(instance) = self.instance_mut() {
            instance.runner.hangs = true;
        }
    }

    /// Ends the program.
    pub fn exit(&mut self, exit: Exit) {
        if !self.is_alive() {
            return;
        }
        match exit {
            Exit::Completed => self.model.sequence_completed(self.key),
            Exit::FailedToLoad => self.model.process_ended(self.key, ProcessEnd::FailedToLoad),
            Exit::Threw => self.model.process_ended(self.key, ProcessEnd::Threw),
            Exit::Uncaught => self.model.process_ended(self.key, ProcessEnd::Uncaught),
            Exit::Process(_) | Exit::Killed => {
                self.model.process_ended(self.key, ProcessEnd::Exited)
            }
        }
    }
}

impl fmt::Debug for ProcessContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
