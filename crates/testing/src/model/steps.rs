//! Programs as lists of steps: deterministic, for tests in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use super::process::{Exit, Input, Message, Output, ProcessContext, Program, ReadResult};

/// Something that a program does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Does nothing for a while.
    Wait(Duration),
    /// Emits an event; without data if it is `None`.
    Emit(&'static str, Option<Value>),
    /// From now on, answers each event of the first name by one of the second, with the same data.
    Answer(&'static str, &'static str),
    /// Writes to one of its streams.
    Write(Output, &'static str),
    /// Reads its input to the end, and writes it to its output in capitals.
    Shout,
    /// Waits until its input has ended, and drops it.
    Drain,
    /// Ends; the remaining steps are not done.
    Exit(Exit),
    /// Blocks for ever.
    Hang,
    /// From now on, answers each request to stop by staying alive.
    Stay,
}

/// A program that does its steps in their order, and then stays until it is ended.
///
/// Its function returns at its first [`Step::Wait`], [`Step::Shout`] or [`Step::Drain`]: an exit
/// before that is one at once.
#[derive(Clone, Debug)]
pub struct Steps {
    left: VecDeque<Step>,
    wakes: Option<Duration>,
    answers: Vec<(&'static str, &'static str)>,
    stays: bool,
}

impl Steps {
    /// A program of these steps.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            left: steps.into_iter().collect(),
            wakes: None,
            answers: Vec::new(),
            stays: false,
        }
    }

    /// Handles what has come. The messages that nobody listens to are dropped, as in Node.js.
    fn receive(&mut self, process: &mut ProcessContext<'_>) {
        while let Some(message) = process.receive() {
            match message {
                Message::Event(name, data) => {
                    for (_, answer) in self.answers.iter().filter(|(event, _)| *event == name) {
                        process.emit(answer, data.clone());
                    }
                }
                Message::Stop { .. } if self.stays => process.keep_alive(),
                Message::Stop { .. } => {}
            }
        }
    }

    /// Does a step, and returns if it is done.
    fn step(&mut self, step: &Step, process: &mut ProcessContext<'_>) -> bool {
        match step {
            Step::Wait(time) => {
                process.begin();
                let at = *self.wakes.get_or_insert_with(|| {
                    let at = process.now().saturating_add(*time);
                    process.wake_at(at);
                    at
                });
                let over = at <= process.now();
                if over {
                    self.wakes = None;
                }
                return over;
            }
            Step::Emit(name, data) => process.emit(name, data.clone()),
            Step::Answer(event, answer) => self.answers.push((event, answer)),
            Step::Write(output, text) => return process.write(*output, text.as_bytes()),
            Step::Shout => {
                process.begin();
                return self.shout(process);
            }
            Step::Drain => {
                process.begin();
                return loop {
                    match process.read(Input::Input) {
                        ReadResult::Chunk(_) => {}
                        ReadResult::Pending => break false,
                        ReadResult::Ended => break true,
                    }
                };
            }
            Step::Exit(exit) => process.exit(exit.clone()),
            Step::Hang => process.hang(),
            Step::Stay => self.stays = true,
        }
        true
    }

    fn shout(&mut self, process: &mut ProcessContext<'_>) -> bool {
        loop {
            // Nothing is read before there is room to write it.
            if !process.write(Output::Output, b"") {
                return false;
            }
            match process.read(Input::Input) {
                ReadResult::Chunk(chunk) => {
                    let text = String::from_utf8_lossy(&chunk).to_uppercase();
                    process.write(Output::Output, text.as_bytes());
                }
                ReadResult::Pending => return false,
                ReadResult::Ended => return true,
            }
        }
    }
}

impl Program for Steps {
    fn run(&mut self, process: &mut ProcessContext<'_>) {
        while process.is_alive() {
            self.receive(process);
            let Some(step) = self.left.front().cloned() else {
                return process.begin();
            };
            if !self.step(&step, process) {
                return;
            }
            self.left.pop_front();
        }
    }
}
