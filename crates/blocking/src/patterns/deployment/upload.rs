//! Uploads a package so that no sequence is left on the hub if the caller's limits are reached.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
use crate::support::monitor::Monitor;
use crate::support::threads;
use crate::transport::error::Phase;

/// Upper bound for the wait for the response in the background, after the caller's limits were
/// reached.
const BACKGROUND_LIMIT: Duration = Duration::from_secs(20);

/// An upload on a separate thread.
struct BackgroundUpload(Monitor<State>);

/// The result of an upload. The outer error is a panic of the caller's reader.
type UploadResult = thread::Result<Result<SequenceClient, Error>>;

enum State {
    Running,
    Complete(Box<UploadResult>),
    /// A limit was reached, and the caller has returned. The upload is still running.
    Abandoned,
    /// The caller has the result, or an abandoned upload has ended and its sequence was deleted.
    Finished,
}

impl BackgroundUpload {
    /// Waits until an abandoned upload has finished. Returns `false` after `limit`.
    fn wait_finished(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.0.lock();
        while !matches!(*state, State::Finished) && Instant::now() < until {
            state = self.0.wait(state, Some(until));
        }
        matches!(*state, State::Finished)
    }

    /// Passes the result to the caller. If the caller has abandoned the upload, deletes the
    /// sequence.
    fn complete(&self, client: &Client, result: UploadResult) {
        let mut state = self.0.lock();
        if matches!(*state, State::Abandoned) {
            drop(state);
            if let Ok(Ok(sequence)) = result {
                // The caller has returned, so the error cannot be reported.
                let _ = kill::delete_or_hand_over(client, sequence.id());
            }
            self.0.change(|state| *state = State::Finished);
        } else {
            *state = State::Complete(Box::new(result));
            drop(state);
            self.0.notify();
        }
    }
}

/// Uploads a package. A hub keeps every package that it has received in full. If a limit of the
/// handle is reached before the hub has responded, waits for the response in the background and
/// deletes the sequence.
pub(super) fn send_sequence(host: &HostClient, package: Upload) -> Result<SequenceClient, Error> {
    let limited = HostClient::with(host.client.fix_deadline());
    let call = limited.client.begin(&SendSequence)?;
    if call.limits.is_none() {
        return host.send_sequence(package);
    }
    let (sent, is_whole, token) = (package.sent(), package.complete(), CancelToken::new());
    let upload = Arc::new(BackgroundUpload(Monitor::new(State::Running)));
    let mut unlimited = limited.clone();
    unlimited.client.options = CallOptions {
        cancel: Some(token.clone()),
        retry: limited.client.options.retry,
        ..CallOptions::default()
    };
    let shared = Arc::clone(&upload);
    let started = threads::start("scramjet-upload", move || {
        let result = catch_unwind(AssertUnwindSafe(|| unlimited.send_sequence(package)));
        shared.complete(&unlimited.client, result);
    });
    started.map_err(|error| call.failed(error))?;

    let progress = || sent.load(Ordering::Relaxed);
    let reason = match wait_for_result(&upload, &call.limits, progress) {
        Ok(result) => {
            let sequence = result.unwrap_or_else(|panic| resume_unwind(panic))?;
            return SequenceClient::new(sequence.id(), host);
        }
        Err(reason) => reason,
    };
    let phase = match progress() {
        _ if is_whole.load(Ordering::SeqCst) => Phase::Wait,
        0 => Phase::Connect,
        _ => Phase::Send,
    };
    if phase < Phase::Wait {
        // The hub discards an incomplete package.
        token.cancel();
    }
    if !upload.wait_finished(FOREGROUND_LIMIT) {
        let limit = token.clone();
        let started = threads::start("scramjet-cleanup", move || {
            if !upload.wait_finished(BACKGROUND_LIMIT) {
                limit.cancel();
            }
        });
        if started.is_err() {
            token.cancel();
        }
    }
    Err(call.stopped(reason, phase))
}

/// Waits for the result. If a limit is reached first, abandons the upload and returns the reason.
fn wait_for_result(
    upload: &Arc<BackgroundUpload>,
    limits: &CallLimits,
    progress: impl Fn() -> u64,
) -> Result<UploadResult, StopReason> {
    let weak = Arc::downgrade(upload);
    let wake = move || {
        if let Some(upload) = weak.upgrade() {
            // Takes the lock, so that a caller that has just checked its token does not miss this.
            upload.0.change(|_| ());
        }
    };
    let _hook = limits.cancel.as_ref().map(|token| token.on_cancel(wake));
    let mut last = (progress(), Instant::now());
    let mut state = upload.0.lock();
    loop {
        if matches!(*state, State::Complete(_)) {
            if let State::Complete(result) = std::mem::replace(&mut *state, State::Finished) {
                return Ok(*result);
            }
        }
        if progress() != last.0 {
            last = (progress(), Instant::now());
        }
        let end = limits.end_of_wait(last.1);
        let expired = end.filter(|(end, _)| *end <= Instant::now());
        let expired = expired.map(|(_, reason)| reason);
        if let Some(reason) = limits.check().err().or(expired) {
            *state = State::Abandoned;
            return Err(reason);
        }
        state = upload.0.wait(state, end.map(|(end, _)| end));
    }
}
