//! A start that can be given up without leaving an instance behind that nobody knows of.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_core::{StartOptions, StartSequence};

use crate::{Error, InstanceClient, Phase, SequenceClient, Stopped, TransportError, kill};

/// How long a start may take after it was given up. A hub of 0.18 never answers some.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it may take where only a token limits it, and nobody knows when.
const LONG: Duration = Duration::from_secs(3600);

#[derive(Default)]
struct State {
    result: Option<Result<InstanceClient, Error>>,
    cancelled: bool,
    abandoned: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
        result
    }
}

impl SequenceClient {
    /// Starts an instance, which is killed where the answer comes after the handle's limits were reached. For that it uses a thread of its
    /// own where there are any: the hub goes on with a start whether or not somebody waits for it.
    pub(crate) fn start_owned(&self, options: &StartOptions) -> Result<InstanceClient, Error> {
        let operation = StartSequence {
            id: self.id(),
            options,
        };
        let (limits, call) = self.host.client.limits_of(&operation)?;
        if limits.is_none() {
            return self.start(options);
        }
        let shared = Arc::<Shared>::default();
        let _hook = limits.cancel.as_ref().map(|token| {
            let shared = Arc::clone(&shared);
            token.on_cancel(move || shared.change(|state| state.cancelled = true))
        });
        let (mut starter, options, handing_over) =
            (self.clone(), options.clone(), Arc::clone(&shared));
        let end = limits.end_of_wait(Instant::now());
        let left = end.map(|(at, _)| {
            at.saturating_duration_since(Instant::now())
                .saturating_add(PATIENCE)
        });
        starter.host.client = starter.host.client.apart(left.unwrap_or(LONG));
        let thread = thread::Builder::new()
            .name("scramjet-start".into())
            .spawn(move || {
                let result = starter.start(&options);
                let unwanted = handing_over.change(|state| {
                    if state.abandoned {
                        Some(result)
                    } else {
                        state.result.replace(result)
                    }
                });
                if let Some(Ok(instance)) = unwanted {
                    // Nobody is there to be told.
                    let _ = kill::kill(&starter.host.client, instance.id());
                }
            });
        thread.map_err(|error| call.unanswered(TransportError::connect(error).into()))?;

        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(result) = state.result.take() {
                return result.map(|mut instance| {
                    instance.host.client.options = self.host.client.options.clone();
                    instance
                });
            }
            let left =
                end.map(|(at, stopped)| (at.saturating_duration_since(Instant::now()), stopped));
            let stopped = match left {
                _ if state.cancelled => Stopped::Cancelled,
                Some((left, stopped)) if left.is_zero() => stopped,
                Some((left, _)) => {
                    state = unpoisoned(shared.changed.wait_timeout(state, left)).0;
                    continue;
                }
                None => {
                    state = unpoisoned(shared.changed.wait(state));
                    continue;
                }
            };
            state.abandoned = true;
            return Err(call.stopped(stopped, Phase::Wait));
        }
    }
}

fn unpoisoned<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}
