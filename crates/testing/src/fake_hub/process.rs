//! The processes of programs that are Rust closures.

mod launch;
mod lines;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub use self::lines::Lines;

pub(super) use self::launch::{LaunchQueue, ThreadedProgram};
use super::shared::Shared;
use crate::model::{Exit, Input, InstanceKey, Item, Message, Output, ProcessContext, ReadResult};

/// The result of a program. `Ok` completes the sequence, and an [`Exit`] ends it in another way.
pub type ProgramResult = Result<(), Exit>;

/// A request to stop an instance, as its program receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopRequest {
    /// Time until the hub kills the process.
    pub timeout: Duration,
    /// If `true`, [`Process::keep_alive`] prevents the kill.
    pub can_keep_alive: bool,
}

type Listener = Box<dyn FnMut(&mut Process, Value) + Send>;
type StopHandler = Box<dyn FnMut(&mut Process, StopRequest) + Send>;

/// The process of an instance, for the program that runs in it.
///
/// The program runs on one thread, like JavaScript. Its listeners run while it waits for something:
/// input, time, or a full output.
///
/// The first wait is the return of the sequence's function. If a program fails before it, a hub of
/// 1.x refuses the start.
///
/// If the instance is killed, each wait returns [`Exit::Killed`]. Pass the error on with `?`.
pub struct Process {
    shared: Arc<Shared>,
    key: InstanceKey,
    listeners: Vec<(String, Listener)>,
    stop_handlers: Vec<StopHandler>,
}

impl Process {
    fn with<T>(&self, act: impl FnOnce(&mut ProcessContext<'_>) -> T) -> Result<T, Exit> {
        self.shared
            .with(|state| state.network.hub().with_process(self.key, act))
            .ok_or(Exit::Killed)
    }

    /// Returns the id of the instance.
    #[must_use]
    pub fn id(&self) -> String {
        self.with(|process| process.id()).unwrap_or_default()
    }

    /// Returns the configuration that the instance was started with; `null` if it has none.
    #[must_use]
    pub fn config(&self) -> Value {
        self.with(|process| process.config())
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    /// Returns the arguments that the instance was started with.
    #[must_use]
    pub fn args(&self) -> Vec<Value> {
        self.with(|process| process.args()).unwrap_or_default()
    }

    /// Emits an event.
    pub fn emit(&self, name: &str, data: impl Into<Value>) {
        // An error means that the instance has ended, and a hub ignores its late events.
        let _ = self.with(|process| process.emit(name, Some(data.into())));
    }

    /// Emits an event without data, which is `undefined` in JavaScript.
    pub fn emit_nothing(&self, name: &str) {
        let _ = self.with(|process| process.emit(name, None));
    }

    /// Adds a listener for events of this name. It runs while the program waits.
    ///
    /// The data of an event without data is `null`.
    pub fn on(&mut self, name: &str, listener: impl FnMut(&mut Self, Value) + Send + 'static) {
        self.listeners.push((name.to_owned(), Box::new(listener)));
    }

    /// Adds a handler for requests to stop. It runs while the program waits.
    ///
    /// The hub kills the process after the timeout, unless [`keep_alive`](Self::keep_alive)
    /// prevents it.
    pub fn on_stop(&mut self, handler: impl FnMut(&mut Self, StopRequest) + Send + 'static) {
        self.stop_handlers.push(Box::new(handler));
    }

    /// Prevents the kill after the timeout of a stop, if the request to stop
    /// [allows it](StopRequest::can_keep_alive).
    ///
    /// A hub of 0.18 kills the process 11 seconds after the request in any case.
    pub fn keep_alive(&self) {
        let _ = self.with(|process| process.keep_alive());
    }

    /// Writes a line to the log of the instance.
    pub fn log(&self, message: &str) {
        let _ = self.with(|process| process.log("INFO", message));
    }

    /// Writes to the output. Waits while the output is full because nothing reads it.
    ///
    /// # Errors
    /// [`Exit::Killed`] if the process was ended.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> ProgramResult {
        self.write_to(Output::Output, bytes.as_ref())
    }

    /// Writes to standard output.
    ///
    /// # Errors
    /// [`Exit::Killed`] if the process was ended.
    pub fn print(&mut self, bytes: impl AsRef<[u8]>) -> ProgramResult {
        self.write_to(Output::Stdout, bytes.as_ref())
    }

    /// Writes to standard error.
    ///
    /// # Errors
    /// [`Exit::Killed`] if the process was ended.
    pub fn eprint(&mut self, bytes: impl AsRef<[u8]>) -> ProgramResult {
        self.write_to(Output::Stderr, bytes.as_ref())
    }

    fn write_to(&mut self, output: Output, bytes: &[u8]) -> ProgramResult {
        // If the output has space, the program does not wait, so its function has not returned yet.
        if self.with(|process| process.write(output, bytes))? {
            return Ok(());
        }
        self.wait(|process| process.write(output, bytes).then_some(()))
    }

    /// Waits for the next chunk of the input, as the hub received it. `None` is the end.
    ///
    /// # Errors
    /// [`Exit::Killed`] if the process was ended.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, Exit> {
        self.read_from(Input::Input)
    }

    /// Waits for the next chunk of standard input. `None` is the end.
    ///
    /// # Errors
    /// [`Exit::Killed`] if the process was ended.
    pub fn read_stdin(&mut self) -> Result<Option<Vec<u8>>, Exit> {
        self.read_from(Input::Stdin)
    }

    fn read_from(&mut self, input: Input) -> Result<Option<Vec<u8>>, Exit> {
        self.wait(|process| match process.read(input) {
            ReadResult::Pending => None,
            ReadResult::Chunk(chunk) => Some(Some(chunk)),
            ReadResult::Ended => Some(None),
        })
    }

    /// Waits for the next item of the input, as a sequence receives it. `None` is the end.
    ///
    /// The content type of the first request determines the kind of items: a value for each line of
    /// NDJSON, or chunks of text or bytes as the hub received them.
    ///
    /// # Errors
    /// [`Exit::Killed`] if the process was ended.
    pub fn read_item(&mut self) -> Result<Option<Item>, Exit> {
        self.wait(|process| match process.read_item() {
            Item::Pending => None,
            Item::Ended => Some(None),
            item => Some(Some(item)),
        })
    }

    /// Returns a reader of the lines of the input.
    pub fn lines(&mut self) -> Lines<'_> {
        Lines::new(self)
    }

    /// Waits for this long in the hub's time.
    ///
    /// # Errors
    /// [`Exit::Killed`] if the process was ended.
    pub fn sleep(&mut self, time: Duration) -> ProgramResult {
        let until = self.with(|process| {
            let until = process.now().saturating_add(time);
            process.wake_at(until);
            until
        })?;
        self.wait(|process| (process.now() >= until).then_some(()))
    }

    /// Waits until the instance is ended.
    ///
    /// # Errors
    /// Always [`Exit::Killed`].
    pub fn run_until_killed(&mut self) -> ProgramResult {
        self.wait(|_| None)
    }

    /// Blocks forever, like an endless loop. Runs no listeners, and ignores kills until the hub
    /// removes the process by force.
    ///
    /// # Errors
    /// Always [`Exit::Killed`].
    pub fn hang(&mut self) -> ProgramResult {
        self.with(|process| process.hang())?;
        self.wait_without_listeners(|_| None)
    }

    /// Waits until `check` returns a value, and runs listeners meanwhile.
    fn wait<T>(
        &mut self,
        mut check: impl FnMut(&mut ProcessContext<'_>) -> Option<T>,
    ) -> Result<T, Exit> {
        loop {
            let next = self.wait_without_listeners(|process| match process.receive() {
                Some(message) => Some(Err(message)),
                None => check(process).map(Ok),
            })?;
            match next {
                Ok(found) => return Ok(found),
                Err(message) => self.receive(message),
            }
        }
    }

    fn wait_without_listeners<T>(
        &mut self,
        mut check: impl FnMut(&mut ProcessContext<'_>) -> Option<T>,
    ) -> Result<T, Exit> {
        self.with(|process| process.begin())?;
        self.shared.wait_for(
            |state| {
                let hub = state.network.hub();
                let found = hub.with_process(self.key, |process| match process.is_alive() {
                    true => check(process).map(Ok),
                    false => Some(Err(Exit::Killed)),
                });
                found.unwrap_or(Some(Err(Exit::Killed)))
            },
            || Ok::<_, Exit>(None),
        )?
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Event(name, data) => {
                let mut listeners = std::mem::take(&mut self.listeners);
                for (_, listener) in listeners.iter_mut().filter(|(wanted, _)| *wanted == name) {
                    listener(self, data.clone().unwrap_or_default());
                }
                listeners.append(&mut self.listeners);
                self.listeners = listeners;
            }
            Message::Stop {
                timeout,
                can_keep_alive,
            } => {
                let request = StopRequest {
                    timeout,
                    can_keep_alive,
                };
                let mut handlers = std::mem::take(&mut self.stop_handlers);
                for handler in &mut handlers {
                    handler(self, request);
                }
                handlers.append(&mut self.stop_handlers);
                self.stop_handlers = handlers;
            }
        }
    }

    fn exit(&self, exit: Exit) {
        let _ = self.with(|process| match exit {
            Exit::Uncaught if !process.has_begun() => process.exit(Exit::Threw),
            exit => process.exit(exit),
        });
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
