//! The upload of a package whose sequence does not stay behind if its caller gives up.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_core::SendSequence;

use crate::body::upload::Upload;
use crate::call::options::CallOptions;
use crate::client::flow_driver::FOREGROUND_LIMIT;
use crate::client::{Client, kill};
use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::sequence::SequenceClient;
use crate::limits::call_limits::{CallLimits, StopReason};
use crate::limits::cancel::CancelToken;
use crate::support::sync::{lock, wait};
use crate::support::threads;
use crate::transport::error::Phase;

/// How long the hub has to answer an upload that was given up.
const BACKGROUND_LIMIT: Duration = Duration::from_secs(20);

/// The upload on its thread.
struct Sending {
    state: Mutex<State>,
    changed: Condvar,
}

/// What became of the upload; an error is a panic of the caller's reader.
type Answer = thread::Result<Result<SequenceClient, Error>>;

enum State {
    Open,
    Answered(Box<Answer>),
    /// The caller has gone on.
    GivenUp,
    /// Given up, and over.
    Over,
}

impl Sending {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn set(&self, state: State) {
        *self.state() = state;
        self.changed.notify_all();
    }

    /// Waits until a given up upload is over.
    fn wait_over(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.state();
        while !matches!(*state, State::Over) && Instant::now() < until {
            state = wait(&self.changed, state, Some(until));
        }
        matches!(*state, State::Over)
    }

    /// Takes the answer on the thread of the upload. If the caller has gone on, the sequence is
    /// deleted.
    fn answered(&self, client: &Client, result: Answer) {
        let mut state = self.state();
        if let State::GivenUp = *state {
            drop(state);
            if let Ok(Ok(sequence)) = result {
                // Nobody to tell.
                let _ = kill::delete_or_hand_over(client, sequence.id());
            }
            return self.set(State::Over);
        }
        *state = State::Answered(Box::new(result));
        self.changed.notify_all();
    }
}

/// Uploads a package. The hub keeps a package that it has received in full, whether or not somebody
/// waits for the answer: if the limits of the handle are reached meanwhile, the answer is awaited in
/// the background, and the sequence deleted.
pub(super) fn send(host: &HostClient, upload: Upload) -> Result<SequenceClient, Error> {
    let begun = HostClient::with(host.client.fix_deadline());
    let call = begun.client.begin(&SendSequence)?;
    if call.limits.is_none() {
        return host.send_sequence(upload);
    }
    let (sent, whole, token) = (upload.sent(), upload.complete(), CancelToken::new());
    let sending = Arc::new(Sending {
        state: Mutex::new(State::Open),
        changed: Condvar::new(),
    });
    let mut own = begun.clone();
    own.client.options = CallOptions {
        cancel: Some(token.clone()),
        retry: begun.client.options.retry,
        ..CallOptions::default()
    };
    let theirs = Arc::clone(&sending);
    let started = threads::start("scramjet-upload", move || {
        let result = catch_unwind(AssertUnwindSafe(|| own.send_sequence(upload)));
        theirs.answered(&own.client, result);
    });
    started.map_err(|error| call.failed(error))?;

    let progress = || sent.load(Ordering::Relaxed);
    let stopped = match wait_answer(&sending, &call.limits, progress) {
        Ok(result) => {
            let sequence = result.unwrap_or_else(|panic| resume_unwind(panic))?;
            return SequenceClient::new(sequence.id(), host);
        }
        Err(stopped) => stopped,
    };
    let phase = match progress() {
        _ if whole.load(Ordering::SeqCst) => Phase::Wait,
        0 => Phase::Connect,
        _ => Phase::Send,
    };
    if phase < Phase::Wait {
        // The hub throws away what it has of it.
        token.cancel();
    }
    if !sending.wait_over(FOREGROUND_LIMIT) {
        let ends = token.clone();
        let bound = threads::start("scramjet-cleanup", move || {
            if !sending.wait_over(BACKGROUND_LIMIT) {
                ends.cancel();
            }
        });
        if bound.is_err() {
            token.cancel();
        }
    }
    Err(call.stopped(stopped, phase))
}

/// Waits for the answer within these limits.
fn wait_answer(
    sending: &Arc<Sending>,
    limits: &CallLimits,
    progress: impl Fn() -> u64,
) -> Result<Answer, StopReason> {
    let woken = Arc::downgrade(sending);
    let wake = move || {
        if let Some(sending) = woken.upgrade() {
            // With the lock, so that it is not missed.
            drop(sending.state());
            sending.changed.notify_all();
        }
    };
    let _hook = limits.cancel.as_ref().map(|token| token.on_cancel(wake));
    let mut moved = (progress(), Instant::now());
    let mut state = sending.state();
    loop {
        if matches!(*state, State::Answered(_)) {
            if let State::Answered(result) = std::mem::replace(&mut *state, State::Over) {
                return Ok(*result);
            }
        }
        if progress() != moved.0 {
            moved = (progress(), Instant::now());
        }
        let end = limits.end_of_wait(moved.1);
        let idle = end.filter(|(end, _)| *end <= Instant::now());
        if let Err(stopped) = limits.check().and(idle.map_or(Ok(()), |(_, why)| Err(why))) {
            *state = State::GivenUp;
            return Err(stopped);
        }
        state = wait(&sending.changed, state, end.map(|(end, _)| end));
    }
}
