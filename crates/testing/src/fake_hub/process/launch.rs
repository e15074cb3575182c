//! Connects the programs of the model to threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;

use super::{Process, ProgramResult, Shared};
use crate::model::{Exit, InstanceKey, ProcessContext, Program, ProgramSpec};
use crate::sync::lock;

type ProgramFn = dyn Fn(&mut Process) -> ProgramResult + Send + Sync;

/// Programs that the model has started, and that have no thread yet. Clones share one queue.
#[derive(Clone, Default)]
pub(in crate::fake_hub) struct LaunchQueue(Arc<Mutex<Vec<Launch>>>);

pub(in crate::fake_hub) struct Launch {
    key: InstanceKey,
    run: Arc<ProgramFn>,
}

impl LaunchQueue {
    pub(in crate::fake_hub) fn take(&self) -> Vec<Launch> {
        std::mem::take(&mut lock(&self.0))
    }

    pub(in crate::fake_hub) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}

/// A program of the model that runs a closure on a thread of its own.
pub(in crate::fake_hub) struct ThreadedProgram {
    run: Option<Arc<ProgramFn>>,
    launched: LaunchQueue,
}

impl ThreadedProgram {
    pub(in crate::fake_hub) fn spec(
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

impl Program for ThreadedProgram {
    fn run(&mut self, process: &mut ProcessContext<'_>) {
        if let Some(run) = self.run.take() {
            let key = process.key();
            lock(&self.launched.0).push(Launch { key, run });
        }
    }
}

impl Launch {
    pub(in crate::fake_hub) fn start(self, shared: &Arc<Shared>) {
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
                let result = catch_unwind(AssertUnwindSafe(|| run(&mut process)));
                let exit = match result {
                    Ok(Ok(())) => Exit::Completed,
                    Ok(Err(exit)) => exit,
                    // A panic corresponds to an exception in JavaScript.
                    Err(_) => Exit::Uncaught,
                };
                process.exit(exit);
            });
        if let (Err(_), Some(shared)) = (started, weak.upgrade()) {
            shared.with(|state| state.network.hub().crash(key));
        }
    }
}
