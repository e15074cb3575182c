//! Programs as Rust closures, each on a thread of its own.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::Shared;
use crate::model::{
    self, Exit, Input, InstanceKey, Item, Message, Output, ProgramSpec, ReadResult,
};

/// How a program ends: `Ok` completes the sequence, an [`Exit`] is another way.
pub type ProgramResult = Result<(), Exit>;

type ProgramFn = dyn Fn(&mut Process) -> ProgramResult + Send + Sync;

/// Programs whose instances have come up, and whose threads are to be started.
#[derive(Clone, Default)]
pub(super) struct LaunchQueue {
    launches: Arc<Mutex<Vec<Launch>>>,
}

pub(super) struct Launch {
    key: InstanceKey,
    run: Arc<ProgramFn>,
}

impl LaunchQueue {
    pub(super) fn take(&self) -> Vec<Launch> {
        std::mem::take(&mut self.launches.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.launches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    fn push(&self, launch: Launch) {
        self.launches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(launch);
    }
}

/// Stands in the model for a program that runs on a thread.
pub(super) struct ThreadedProgram {
    run: Option<Arc<ProgramFn>>,
    launched: LaunchQueue,
}

impl ThreadedProgram {
    pub(super) fn spec(
        run: impl Fn(&mut Process) -> ProgramResult + Send + Sync + 'static,
        launched: LaunchQueue,
    ) -> ProgramSpec {
        let run: Arc<ProgramFn> = Arc::new(run);
        ProgramSpec::new(move || {
            Box::new(Self {
                run: Some(Arc::clone(&run)),
                launched: launched.clone(),
            })
        })
    }
}

impl model::Program for ThreadedProgram {
    fn run(&mut self, process: &mut model::ProcessContext<'_>) {
        if let Some(run) = self.run.take() {
            self.launched.push(Launch {
                key: process.key(),
                run,
            });
        }
    }
}

impl Launch {
    pub(super) fn start(self, shared: &Arc<Shared>) {
        let Self { key, run } = self;
        let weak = Arc::downgrade(shared);
        let mut process = Process {
            shared: Arc::clone(shared),
            key,
            listeners: Vec::new(),
            stop_handlers: Vec::new(),
        };
        let started = thread::Builder::new()
            .name("fake-instance".into())
            .spawn(move || {
                let ended = catch_unwind(AssertUnwindSafe(|| run(&mut process)));
                let exit = match ended {
                    Ok(Ok(())) => Exit::Completed,
                    Ok(Err(exit)) => exit,
                    // What a panic is in Rust is an exception in JavaScript.
                    Err(_) => Exit::Uncaught,
                };
                process.exit(exit);
            });
        if let (Err(_), Some(shared)) = (started, weak.upgrade()) {
            shared.with(|state| state.network.hub().crash(key));
        }
    }
}

/// A request to stop that a program has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopRequest {
    /// How long the process has before it is killed.
    pub timeout: Duration,
    /// Whether [`Process::keep_alive`] keeps it from being killed.
    pub can_keep_alive: bool,
}

type Listener = Box<dyn FnMut(&mut Process, Value) + Send>;
type StopHandler = Box<dyn FnMut(&mut Process, StopRequest) + Send>;

/// The process of an instance, for the program that runs in it.
///
/// The program runs on one thread, like JavaScript: listeners are called while it waits for
/// something. Its function *returns* when it waits for the first time; one that fails before that
/// fails at once. When the instance is killed, whatever waits ends with [`Exit::Killed`]: pass it on
/// with `?`.
pub struct Process {
    shared: Arc<Shared>,
    key: InstanceKey,
    listeners: Vec<(String, Listener)>,
    stop_handlers: Vec<StopHandler>,
}

impl Process {
    fn with<T>(&self, act: impl FnOnce(&mut model::ProcessContext<'_>) -> T) -> Result<T, Exit> {
        self.shared
            .with(|state| state.network.hub().with_process(self.key, act))
            .ok_or(Exit::Killed)
    }

    /// The id of the instance.
    #[must_use]
    pub fn id(&self) -> String {
        self.with(|process| process.id()).unwrap_or_default()
    }

    /// The configuration that the instance was started with; `null` if it has none.
    #[must_use]
    pub fn config(&self) -> Value {
        self.with(|process| process.config())
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    /// The arguments that the instance was started with.
    #[must_use]
    pub fn args(&self) -> Vec<Value> {
        self.with(|process| process.args()).unwrap_or_default()
    }

    /// Emits an event.
    pub fn emit(&self, name: &str, data: impl Into<Value>) {
        // To whom nobody listens any more, nothing is said.
        let _ = self.with(|process| process.emit(name, Some(data.into())));
    }

    /// Emits an event without data, which is `undefined` in JavaScript.
    pub fn emit_nothing(&self, name: &str) {
        let _ = self.with(|process| process.emit(name, None));
    }

    /// Calls a listener for each event of this name, while the program waits. Without data, it gets
    /// `null`.
    pub fn on(&mut self, name: &str, listener: impl FnMut(&mut Self, Value) + Send + 'static) {
        self.listeners.push((name.to_owned(), Box::new(listener)));
    }

    /// Calls a handler for each request to stop, while the program waits. Whatever it does, the
    /// process is killed at the end of the timeout unless it was kept alive.
    pub fn on_stop(&mut self, handler: impl FnMut(&mut Self, StopRequest) + Send + 'static) {
        self.stop_handlers.push(Box::new(handler));
    }

    /// Keeps the process from being killed at the end of a stop that allows it.
    pub fn keep_alive(&self) {
        let _ = self.with(|process| process.keep_alive());
    }

    /// Writes a line to the log of the instance.
    pub fn log(&self, message: &str) {
        let _ = self.with(|process| process.log("INFO", message));
    }

    /// Writes to the output, and waits while nobody reads it and it is full.
    ///
    /// # Errors
    /// The process was ended.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> ProgramResult {
        self.write_to(Output::Output, bytes.as_ref())
    }

    /// Writes to standard output.
    ///
    /// # Errors
    /// The process was ended.
    pub fn print(&mut self, bytes: impl AsRef<[u8]>) -> ProgramResult {
        self.write_to(Output::Stdout, bytes.as_ref())
    }

    /// Writes to standard error.
    ///
    /// # Errors
    /// The process was ended.
    pub fn eprint(&mut self, bytes: impl AsRef<[u8]>) -> ProgramResult {
        self.write_to(Output::Stderr, bytes.as_ref())
    }

    fn write_to(&mut self, output: Output, bytes: &[u8]) -> ProgramResult {
        // Only a write that waits lets the function of the sequence return.
        if self.with(|process| process.write(output, bytes))? {
            return Ok(());
        }
        self.wait(|process| process.write(output, bytes).then_some(()))
    }

    /// Waits for the next piece of the input, as the hub received it; `None` is its end.
    ///
    /// # Errors
    /// The process was ended.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, Exit> {
        self.read_from(Input::Input)
    }

    /// Waits for the next piece of standard input.
    ///
    /// # Errors
    /// The process was ended.
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

    /// Waits for the next item of the input, as a sequence receives it; `None` is its end. The
    /// content type of the first request decides: each line of NDJSON is a value; text and bytes
    /// come in pieces as they were received.
    ///
    /// # Errors
    /// The process was ended.
    pub fn read_item(&mut self) -> Result<Option<Item>, Exit> {
        self.wait(|process| match process.read_item() {
            Item::Pending => None,
            Item::Ended => Some(None),
            item => Some(Some(item)),
        })
    }

    /// The lines of the input.
    pub fn lines(&mut self) -> Lines<'_> {
        Lines {
            process: self,
            rest: Vec::new(),
            searched: 0,
            ended: false,
        }
    }

    /// Does nothing for some of the hub's time, but call listeners.
    ///
    /// # Errors
    /// The process was ended.
    pub fn sleep(&mut self, time: Duration) -> ProgramResult {
        let until = self.with(|process| {
            let until = process.now().saturating_add(time);
            process.wake_at(until);
            until
        })?;
        self.wait(|process| (process.now() >= until).then_some(()))
    }

    /// Stays until the instance is ended, calling listeners.
    ///
    /// # Errors
    /// The process was ended: always.
    pub fn stay(&mut self) -> ProgramResult {
        self.wait(|_| None)
    }

    /// Blocks for ever, like an endless loop: calls no listeners, and does not react to a kill.
    ///
    /// # Errors
    /// The process was ended: always.
    pub fn hang(&mut self) -> ProgramResult {
        self.with(|process| process.hang())?;
        self.wait_without_listeners(|_| None)
    }

    /// Waits until there is a result, calling listeners meanwhile.
    fn wait<T>(
        &mut self,
        mut look: impl FnMut(&mut model::ProcessContext<'_>) -> Option<T>,
    ) -> Result<T, Exit> {
        loop {
            let next = self.wait_without_listeners(|process| match process.receive() {
                Some(message) => Some(Err(message)),
                None => look(process).map(Ok),
            })?;
            match next {
                Ok(found) => return Ok(found),
                Err(message) => self.receive(message),
            }
        }
    }

    fn wait_without_listeners<T>(
        &mut self,
        mut look: impl FnMut(&mut model::ProcessContext<'_>) -> Option<T>,
    ) -> Result<T, Exit> {
        self.with(|process| process.begin())?;
        let seen = self.shared.wait_for(
            |state| {
                let hub = state.network.hub();
                let seen = hub.with_process(self.key, |process| match process.is_alive() {
                    true => look(process).map(Ok),
                    false => Some(Err(Exit::Killed)),
                });
                seen.unwrap_or(Some(Err(Exit::Killed)))
            },
            || Ok::<_, Exit>(None),
        );
        seen?
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
                let mut stoppers = std::mem::take(&mut self.stop_handlers);
                for stopper in &mut stoppers {
                    stopper(
                        self,
                        StopRequest {
                            timeout,
                            can_keep_alive,
                        },
                    );
                }
                stoppers.append(&mut self.stop_handlers);
                self.stop_handlers = stoppers;
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

/// The lines of an input.
#[derive(Debug)]
pub struct Lines<'a> {
    process: &'a mut Process,
    rest: Vec<u8>,
    /// So much of the rest holds no line end.
    searched: usize,
    ended: bool,
}

impl Lines<'_> {
    /// Waits for the next line, without its end; `None` is the end of the input.
    ///
    /// # Errors
    /// The process was ended.
    pub fn next_line(&mut self) -> Result<Option<String>, Exit> {
        loop {
            let mut new = self.rest.iter().skip(self.searched);
            if let Some(end) = new.position(|byte| *byte == b'\n') {
                let end = self.searched + end;
                self.searched = 0;
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line)
                    .trim_end_matches(['\r', '\n'])
                    .to_owned();
                return Ok(Some(line));
            }
            self.searched = self.rest.len();
            if self.ended {
                self.searched = 0;
                let rest = std::mem::take(&mut self.rest);
                let rest = String::from_utf8_lossy(&rest).into_owned();
                return Ok(Some(rest).filter(|rest| !rest.is_empty()));
            }
            match self.process.read()? {
                Some(chunk) => self.rest.extend(chunk),
                None => self.ended = true,
            }
        }
    }

    /// The process, to answer a line.
    pub fn process(&mut self) -> &mut Process {
        self.process
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
