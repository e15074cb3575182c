//! Programs as lists of steps, for deterministic tests in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use super::process::{Exit, Input, Message, Output, Program, ReadResult};
use super::process_context::ProcessContext;

/// A step of a program.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Waits for this long.
    Wait(Duration),
    /// Emits an event with this name and data. `None` is `undefined`.
    Emit(&'static str, Option<Value>),
    /// From now on, responds to each event with the first name with an event with the second name
    /// and the same data.
    Answer(&'static str, &'static str),
    /// Writes text to a stream.
    Write(Output, &'static str),
    /// Reads the input to its end, and writes it to the output in upper case.
    Shout,
    /// Reads the input to its end, and discards it.
    Drain,
    /// Ends the program. The remaining steps do not run.
    Exit(Exit),
    /// Blocks forever.
    Hang,
    /// From now on, calls `keepAlive` for each request to stop.
    KeepAlive,
}

/// A program that runs its steps in order, and then stays until it is ended.
///
/// Its function returns at the first [`Step::Wait`], [`Step::Shout`] or [`Step::Drain`]. An exit
/// before that is an exit at once.
#[derive(Clone, Debug)]
pub struct Steps {
    left: VecDeque<Step>,
    wakes: Option<Duration>,
    answers: Vec<(&'static str, &'static str)>,
    stays: bool,
}

impl Steps {
    /// Returns a program of these steps.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            left: steps.into_iter().collect(),
            wakes: None,
            answers: Vec::new(),
            stays: false,
        }
    }

    /// Handles the messages in the mailbox. Messages without a listener are dropped, as in Node.js.
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

    /// Runs a step. Returns `false` if it is not complete.
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
            Step::KeepAlive => self.stays = true,
        }
        true
    }

    fn shout(&mut self, process: &mut ProcessContext<'_>) -> bool {
        loop {
            // Reads only if the output has space for the result.
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
