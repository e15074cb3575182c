//! Programs of sequences, and what their processes exchange with the hub.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::process_context::ProcessContext;

/// A program of a sequence, as a state machine.
///
/// It must not block. The model calls it again when anything has changed for it, and at the time of
/// [`ProcessContext::wake_at`].
pub trait Program: Send {
    /// Does everything that can be done now.
    fn run(&mut self, process: &mut ProcessContext<'_>);
}

impl<F: FnMut(&mut ProcessContext<'_>) + Send> Program for F {
    fn run(&mut self, process: &mut ProcessContext<'_>) {
        self(process);
    }
}

/// A sequence: its program, and the topics that it declares.
#[derive(Clone)]
pub struct ProgramSpec {
    pub(super) make: Arc<dyn Fn() -> Box<dyn Program> + Send + Sync>,
    pub(super) input_topic: Option<(String, String)>,
    pub(super) output_topic: Option<(String, String)>,
}

impl ProgramSpec {
    /// Returns a sequence without topics. `make` is called for each instance.
    pub fn new(make: impl Fn() -> Box<dyn Program> + Send + Sync + 'static) -> Self {
        Self {
            make: Arc::new(make),
            input_topic: None,
            output_topic: None,
        }
    }

    /// Declares the topic of the input (`requires`), and its content type.
    #[must_use]
    pub fn input_topic(mut self, name: &str, content_type: &str) -> Self {
        self.input_topic = Some((name.to_owned(), content_type.to_owned()));
        self
    }

    /// Declares a topic that the output goes to as well (`provides`), and its content type.
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

/// The way in which a program ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// The output has ended, or the function has returned without an output.
    Completed,
    /// The sequence throws an exception while it is loaded.
    FailedToLoad,
    /// The function throws an exception or rejects at once.
    Threw,
    /// An uncaught exception, an unhandled rejection, or an error of the output, after the function
    /// has returned.
    Uncaught,
    /// `process.exit` with this code. A hub of 1.x reports the exit code 213 for every code.
    Process(i32),
    /// The hub or a signal has ended the process. A program gets this from the methods that wait.
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

/// The result of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadResult {
    /// A chunk, as the hub received it.
    Chunk(Vec<u8>),
    /// No data yet.
    Pending,
    /// The end of the stream.
    Ended,
}

/// A message for a process.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// An event: its name, and its data, which is `None` if it is `undefined`.
    Event(String, Option<Value>),
    /// A request to stop.
    Stop {
        /// Time until the hub kills the process.
        timeout: Duration,
        /// If `true`, [`ProcessContext::keep_alive`] prevents the kill.
        can_keep_alive: bool,
    },
}

/// The state of the process of an instance.
#[derive(Default)]
pub(super) struct Runner {
    pub(super) program: Option<Box<dyn Program>>,
    pub(super) mailbox: VecDeque<Message>,
    pub(super) wakes: Option<Duration>,
    /// The function was called, and has not failed at once.
    pub(super) begun: bool,
    /// The program blocks forever, and its process stays.
    pub(super) hangs: bool,
}
