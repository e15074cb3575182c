//! A channel of lines, of text or JSON.

mod first_request;
mod open;
mod reader;
mod state;

use std::any::Any;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scramjet_client_core::{Ended, InstanceId, ReplyError, RequestError};

use crate::call::context::CallContext;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::limits::call_limits::StopReason;
use crate::limits::cancel::CancelToken;
use crate::patterns::channel::codec::Format;
use crate::patterns::channel::lines::state::{State, StreamEnd};
use crate::streams::pipe::PipeWriter;
use crate::support::monitor::Monitor;
use crate::support::panics::in_drop;
use crate::transport::error::Phase;

/// Time that the first response may take before the client probes the input for a refusal.
const PROBE_DELAY: Duration = Duration::from_secs(1);

const UNEXPECTED_LINE: &str = "the instance wrote a line without a request";
const OUTSTANDING: &str = "responses are outstanding";
const EARLIER_FAILURE: &str = "an earlier call failed";

/// A channel of lines. One thread reads the output, and another one sends the input.
pub(crate) struct LineChannel {
    client: Client,
    id: InstanceId,
    /// Describes reading the output in errors.
    call: CallContext,
    idle: Option<Duration>,
    pipe: Option<PipeWriter>,
    shared: Arc<Monitor<State>>,
    /// Cancels the input.
    input_token: CancelToken,
    /// Cancels the output.
    output_token: CancelToken,
    in_flight: usize,
    /// Time of the first request.
    first_request: Option<Instant>,
    /// Time at which the client probes the input for a refusal.
    probe_at: Option<Instant>,
    format: Format,
    broken: Option<Broken>,
    /// `true` if the channel failed for another reason than the caller's deadline or cancel token.
    failed: bool,
    /// Keeps the instance checked out of its pool.
    _hold: Option<Arc<dyn Any + Send + Sync>>,
}

/// The reason that a channel cannot be used any more.
enum Broken {
    Ended(Box<Ended>),
    OutOfStep(&'static str),
}

impl LineChannel {
    pub(crate) fn id(&self) -> &InstanceId {
        &self.id
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns `true` if the next [`send`](Self::send) would fail.
    pub(crate) fn is_broken(&self) -> bool {
        let state = self.shared.lock();
        let ended = state.output.is_some() || state.input.is_some();
        self.broken.is_some() || state.unexpected_line || ended
    }

    /// Returns the error for a request that cannot be sent.
    pub(crate) fn unsent(&self, error: RequestError) -> Error {
        CallContext::without_request("ask").failed(error)
    }

    /// Returns the error for a response that cannot be decoded.
    pub(crate) fn undecoded(&self, error: ReplyError) -> Error {
        self.call.failed(error)
    }

    /// Writes a line, which must include the line end.
    pub(crate) fn send(&mut self, line: &[u8]) -> Result<(), Error> {
        self.check()?;
        match self.first_request {
            None => {
                self.wait_for_early_lines();
                self.first_request = Some(Instant::now());
                self.probe_at = Some(Instant::now() + PROBE_DELAY);
            }
            Some(_) => self.wait_for_repeat()?,
        }
        let mut state = self.shared.lock();
        if state.unexpected_line {
            drop(state);
            return Err(self.out_of_step(UNEXPECTED_LINE));
        }
        if let Some(end) = state.output.take() {
            drop(state);
            return Err(self.fail(end));
        }
        state.expected += 1;
        drop(state);
        self.in_flight += 1;
        let written = self.pipe.as_mut().map(|pipe| pipe.send(line));
        match written {
            Some(Ok(())) => Ok(()),
            // The input has ended.
            _ => Err(self.wait_for_end()),
        }
    }

    pub(crate) fn receive(&mut self) -> Result<Vec<u8>, Error> {
        if self.in_flight == 0 {
            self.check()?;
            let problem = "no request is outstanding; send one first";
            return Err(self.unsent(RequestError::option("receive", problem)));
        }
        let idle_at = self.idle_at();
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        loop {
            if let Some(response) = state.responses.pop_front() {
                self.in_flight -= 1;
                return response.map_err(|error| self.undecoded(error));
            }
            if let Some(broken) = &self.broken {
                return Err(self.broken_error(broken));
            }
            if let Some(end) = state.take_end() {
                drop(state);
                return Err(self.fail(end));
            }
            if idle_at.is_some_and(|at| at <= Instant::now()) {
                drop(state);
                return Err(self.stop(StopReason::Idle));
            }
            let probe_at = self.probe_if_due(&state);
            let limits = idle_at.into_iter().chain(probe_at);
            let until = limits.chain(state.input_end_counts_at()).min();
            state = shared.wait(state, until);
        }
    }

    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.check()?;
        if self.in_flight > 0 {
            return Err(self.out_of_step(OUTSTANDING));
        }
        if self.first_request.is_some() {
            self.wait_for_repeat()?;
        }
        self.pipe = None;
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        loop {
            if state.unexpected_line {
                drop(state);
                return Err(self.out_of_step(UNEXPECTED_LINE));
            }
            match state.input.take() {
                Some((_, StreamEnd::Sent)) => return Ok(()),
                Some((_, end)) => {
                    drop(state);
                    return Err(self.fail(end));
                }
                None => state = shared.wait(state, None),
            }
        }
    }

    fn check(&self) -> Result<(), Error> {
        match &self.broken {
            Some(broken) => Err(self.broken_error(broken)),
            None => Ok(()),
        }
    }

    /// Returns the error of a call after the channel has failed.
    fn broken_error(&self, broken: &Broken) -> Error {
        self.call.failed(match broken {
            Broken::Ended(ended) => ErrorKind::Ended(ended.clone()),
            Broken::OutOfStep(reason) => ErrorKind::OutOfStep(reason),
        })
    }

    /// Returns the time at which a wait for a response that begins now exceeds the idle timeout.
    fn idle_at(&self) -> Option<Instant> {
        self.idle.and_then(|idle| Instant::now().checked_add(idle))
    }

    /// Waits for the reason why the input accepts no more data, and returns it as an error.
    fn wait_for_end(&mut self) -> Error {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        loop {
            if let Some(end) = state.take_end() {
                drop(state);
                return self.fail(end);
            }
            let until = state.input_end_counts_at();
            state = shared.wait(state, until);
        }
    }

    /// Returns `true` if the instance may still write a line for this channel. A new channel would
    /// mistake it for a response to its own request.
    fn is_unclean(&self) -> bool {
        let state = self.shared.lock();
        let no_repeat_after = state.no_repeat_after(self.first_request);
        let may_repeat = state.may_repeat && no_repeat_after.is_some_and(|at| at > Instant::now());
        self.failed || self.in_flight > 0 || state.unexpected_line || may_repeat
    }

    fn stop(&mut self, reason: StopReason) -> Error {
        let error = self.call.stopped(reason, Phase::Read);
        self.fail(StreamEnd::Failed(error))
    }

    fn out_of_step(&mut self, reason: &'static str) -> Error {
        let error = self.call.failed(ErrorKind::OutOfStep(reason));
        self.fail(StreamEnd::Failed(error))
    }

    /// Marks the channel as broken, and returns the error.
    fn fail(&mut self, end: StreamEnd) -> Error {
        let error = match end {
            StreamEnd::Failed(error) => error,
            StreamEnd::Sent => self.call.failed(ErrorKind::InputEnded),
            StreamEnd::Panicked(panic) => {
                self.broken = Some(Broken::OutOfStep(EARLIER_FAILURE));
                self.failed = true;
                resume_unwind(panic)
            }
        };
        self.broken = Some(match error.kind() {
            ErrorKind::Ended(ended) => Broken::Ended(ended.clone()),
            ErrorKind::OutOfStep(reason) => Broken::OutOfStep(reason),
            _ if self.in_flight > 0 => Broken::OutOfStep(OUTSTANDING),
            _ => Broken::OutOfStep(EARLIER_FAILURE),
        });
        let by_caller = matches!(
            error.kind(),
            ErrorKind::Cancelled { .. } | ErrorKind::Deadline { .. }
        );
        self.failed = !by_caller;
        if self.is_unclean() {
            self.client.notice_end(&self.id);
        }
        error
    }
}

impl Drop for LineChannel {
    fn drop(&mut self) {
        let pipe = self.pipe.take();
        let unclean = self.is_unclean();
        if unclean {
            self.client.notice_end(&self.id);
            pipe.into_iter().for_each(PipeWriter::abort);
        }
        in_drop(|| {
            self.output_token.cancel();
            if unclean {
                self.input_token.cancel();
            }
        });
    }
}
