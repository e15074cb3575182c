//! The process of an instance: what a program can do, and how it ends.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::instance::{ProcessEnd, ProcessState};
use super::items::{Decoded, Decoder, Item};
use super::pipe::{PipeId, PipeRead};
use super::{InstanceKey, Model};

/// A program that a sequence runs. It must not block: it does what it can, and is called again when
/// something has changed for it, or when the time of [`Process::wake_at`] has come.
pub trait Program: Send {
    /// Does what can be done now.
    fn run(&mut self, process: &mut ProcessContext<'_>);
}

impl<F: FnMut(&mut ProcessContext<'_>) + Send> Program for F {
    fn run(&mut self, process: &mut ProcessContext<'_>) {
        self(process);
    }
}

/// A sequence: a program for each of its instances, and the topics that it declares.
#[derive(Clone)]
pub struct ProgramSpec {
    pub(super) make: Arc<dyn Fn() -> Box<dyn Program> + Send + Sync>,
    pub(super) input_topic: Option<(String, String)>,
    pub(super) output_topic: Option<(String, String)>,
}

impl ProgramSpec {
    /// A sequence that reads its own input and writes its own output.
    pub fn new(make: impl Fn() -> Box<dyn Program> + Send + Sync + 'static) -> Self {
        Self {
            make: Arc::new(make),
            input_topic: None,
            output_topic: None,
        }
    }

    /// Declares that the input comes from a topic (`requires`), with its content type.
    #[must_use]
    pub fn input_topic(mut self, name: &str, content_type: &str) -> Self {
        self.input_topic = Some((name.to_owned(), content_type.to_owned()));
        self
    }

    /// Declares that the output goes to a topic as well (`provides`), with its content type.
    #[must_use]
    pub fn output_topic(mut self, name: &str, content_type: &str) -> Self {
        self.output_topic = Some((name.to_owned(), content_type.to_owned()));
        self
    }
}

impl fmt::Debug for ProgramSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topics = (&self.input_topic, &self.output_topic);
        f.debug_struct("ProgramSpec")
            .field("topics", &topics)
            .finish_non_exhaustive()
    }
}

/// The ways in which a program ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// Its output has ended, or its function has returned without one.
    Completed,
    /// It throws while it is loaded.
    FailedToLoad,
    /// Its function throws or rejects at once.
    Threw,
    /// Later: an uncaught exception, an unhandled rejection, or an output that fails.
    Uncaught,
    /// `process.exit(code)`, or a signal from outside.
    Process(i32),
    /// It was ended from outside, and nothing is left to do.
    Killed,
}

/// A stream that a process writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// The stream that the sequence returns.
    Output,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A stream that a process reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The input of the sequence.
    Input,
    /// Standard input.
    Stdin,
}

/// A result of reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadResult {
    /// Bytes, as they were received in one piece.
    Chunk(Vec<u8>),
    /// Nothing yet.
    Pending,
    /// There is no more.
    Ended,
}

/// A message for a process.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// An event. It has no data if that is `undefined`.
    Event(String, Option<Value>),
    /// A request to stop.
    Stop {
        /// The time until the process is killed.
        timeout: Duration,
        /// [`Process::keep_alive`] keeps it from being killed.
        can_keep_alive: bool,
    },
}

/// The state that a process has besides that of its instance.
#[derive(Default)]
pub(super) struct Runner {
    pub(super) program: Option<Box<dyn Program>>,
    pub(super) mailbox: VecDeque<Message>,
    pub(super) wakes: Option<Duration>,
    /// Its function has been called, and has done something.
    pub(super) begun: bool,
    /// It does nothing any more, but its process stays.
    pub(super) hangs: bool,
}

/// A process, for the program that runs in it.
pub struct ProcessContext<'a> {
    pub(super) model: &'a mut Model,
    pub(super) key: InstanceKey,
}

impl ProcessContext<'_> {
    /// The time since the hub began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.model.now
    }

    /// Calls the program again at this time.
    pub fn wake_at(&mut self, time: Duration) {
        if let Some(instance) = self.model.instances.get_mut(self.key) {
            instance.runner.wakes = Some(time);
        }
        self.model.wake_process_at(self.key, time);
    }

    /// Checks if the process still runs. A program that is called afterwards has nothing to do.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.model
            .instances
            .get(self.key)
            .is_some_and(|instance| instance.state == ProcessState::Running)
    }

    /// Notes that the function of the sequence was called and has not failed at once. A hub of 1.x
    /// then answers the start.
    pub fn begin(&mut self) {
        self.model.process_begun(self.key);
    }

    /// Whether that was noted.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.model
            .instances
            .get(self.key)
            .is_none_or(|instance| instance.runner.begun)
    }

    /// The key of the instance.
    #[must_use]
    pub fn key(&self) -> InstanceKey {
        self.key
    }

    /// The id of the instance.
    #[must_use]
    pub fn id(&self) -> String {
        self.model
            .instances
            .get(self.key)
            .map(|instance| instance.id.clone())
            .unwrap_or_default()
    }

    /// The configuration that the instance was started with.
    #[must_use]
    pub fn config(&self) -> Option<Value> {
        self.model.instances.get(self.key)?.app_config.clone()
    }

    /// The arguments that the instance was started with.
    #[must_use]
    pub fn args(&self) -> Vec<Value> {
        let instance = self.model.instances.get(self.key);
        match instance.and_then(|instance| instance.args.clone()) {
            Some(Value::Array(args)) => args,
            // JavaScript spreads a text into its characters.
            Some(Value::String(args)) => args.chars().map(String::from).map(Into::into).collect(),
            _ => Vec::new(),
        }
    }

    /// The content type of the input: that of the first request to it, or of its topic. `None`
    /// before the first request.
    #[must_use]
    pub fn input_type(&self) -> Option<String> {
        self.model
            .instances
            .get(self.key)?
            .input
            .content_type
            .clone()
    }

    // 5.6
    /// Reads the next item of the input, as a sequence receives it. The content type of the first
    /// request decides: each line of NDJSON is a value; text and bytes come in pieces as they were
    /// received; everything is lost without an error if the type is another one, or has parameters.
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
                    // The rest is taken, and lost.
                    while matches!(self.read(Input::Input), ReadResult::Chunk(_)) {}
                    break Item::Ended;
                }
                Decoded::Failed => {
                    self.exit(Exit::Uncaught);
                    break Item::Ended;
                }
            }
        };
        if let Some(instance) = self.model.instances.get_mut(self.key) {
            instance.input.decoder = Some(decoder);
        }
        item
    }

    /// Takes out the decoder of the input, once its content type is known.
    fn take_decoder(&mut self) -> Option<Decoder> {
        let is_v1 = self.model.generation.is_v1();
        let input = &mut self.model.instances.get_mut(self.key)?.input;
        let content_type = input.content_type.as_deref()?;
        let decoder = input.decoder.take();
        Some(decoder.unwrap_or_else(|| Decoder::new(content_type, is_v1)))
    }

    /// Reads what was received in one piece.
    pub fn read(&mut self, from: Input) -> ReadResult {
        let Some(instance) = self.model.instances.get(self.key) else {
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

    /// Writes. Returns `false` if the stream is full, because nobody reads it or one of its readers
    /// is slow: try again later. A write of nothing shows the hub that there is an output.
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

    /// Emits an event; without data if it is `undefined`.
    pub fn emit(&mut self, name: &str, data: Option<Value>) {
        self.model.emit(self.key, name, data);
    }

    /// Takes out the next message.
    pub fn receive(&mut self) -> Option<Message> {
        self.model
            .instances
            .get_mut(self.key)?
            .runner
            .mailbox
            .pop_front()
    }

    /// Keeps the process from being killed at the end of a stop that allows it. On 0.18, it is
    /// killed 11 s after the request to stop nevertheless.
    pub fn keep_alive(&mut self) {
        if let Some(instance) = self.model.instances.get_mut(self.key) {
            instance.kept_alive = true;
        }
    }

    /// Writes a line to the log of the instance; on 1.x to that of the hub as well.
    pub fn log(&mut self, level: &str, message: &str) {
        self.model
            .log_instance(self.key, [level, "Sequence", message], None);
    }

    /// Blocks for ever: does not react to anything any more.
    pub fn hang(&mut self) {
        self.begin();
        if let Some(instance) = self.model.instances.get_mut(self.key) {
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
            Exit::FailedToLoad => self.model.process_died(self.key, ProcessEnd::FailedToLoad),
            Exit::Threw => self.model.process_died(self.key, ProcessEnd::Threw),
            Exit::Uncaught => self.model.process_died(self.key, ProcessEnd::Uncaught),
            Exit::Process(_) | Exit::Killed => {
                self.model.process_died(self.key, ProcessEnd::Exited)
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
