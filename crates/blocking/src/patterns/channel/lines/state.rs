use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use scramjet_client_core::ReplyError;

use crate::error::Error;

/// Time to wait for the end of the output after the input has ended or failed. The output usually
/// reports the reason.
const REASON_TIMEOUT: Duration = Duration::from_secs(1);

/// Minimum time to wait for a second response to the first request on a hub of 0.18.
const MIN_REPEAT_WAIT: Duration = Duration::from_millis(100);

/// The state of a channel that its threads share.
#[derive(Default)]
pub(super) struct State {
    pub(super) responses: VecDeque<Result<Vec<u8>, ReplyError>>,
    pub(super) reading_since: Option<Instant>,
    /// Number of responses that have not arrived yet.
    pub(super) expected: usize,
    /// The instance wrote a line without a request. The reader has stopped.
    pub(super) unexpected_line: bool,
    pub(super) first_response: Option<Instant>,
    /// The hub may deliver the first request twice. The second request must wait until no second
    /// response to the first one can come.
    pub(super) may_repeat: bool,
    /// End of the output.
    pub(super) output: Option<StreamEnd>,
    /// End of the input, with its time.
    pub(super) input: Option<(Instant, StreamEnd)>,
}

/// The end of a request of the channel.
pub(super) enum StreamEnd {
    /// The hub has accepted the input.
    Sent,
    Failed(Error),
    Panicked(Box<dyn Any + Send>),
}

impl StreamEnd {
    /// Runs the work of a thread, and catches a panic.
    pub(super) fn of(work: impl FnOnce() -> Option<Self>) -> Option<Self> {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Some(Self::Panicked(panic)))
    }

    /// Returns `true` if the hub has refused the request.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Failed(error) if error.api().is_some())
    }
}

impl State {
    /// Adds lines that have arrived. Returns `false` after a line without a request.
    pub(super) fn add_lines(&mut self, lines: Vec<Result<Vec<u8>, ReplyError>>) -> bool {
        for line in lines {
            if self.expected > 0 {
                self.expected -= 1;
                self.first_response.get_or_insert_with(Instant::now);
                self.responses.push_back(line);
            } else if !self.may_repeat || self.first_response.is_none() {
                self.unexpected_line = true;
                return false;
            }
        }
        true
    }

    /// Returns the time after which no second response to the first request can come. It would take
    /// as long as the first response.
    pub(super) fn no_repeat_after(&self, first_request: Option<Instant>) -> Option<Instant> {
        let (sent, received) = (first_request?, self.first_response?);
        let response_time = received.saturating_duration_since(sent);
        Some(received + MIN_REPEAT_WAIT.max(2 * response_time))
    }

    /// Takes the reason for the end of the channel, if the channel has ended.
    pub(super) fn take_end(&mut self) -> Option<StreamEnd> {
        if let Some(end) = self.output.take() {
            return Some(end);
        }
        let is_due = self
            .input_end_counts_at()
            .is_some_and(|at| at <= Instant::now());
        self.input.take_if(|_| is_due).map(|(_, end)| end)
    }

    /// Returns the time at which the end of the input becomes the end of the channel.
    pub(super) fn input_end_counts_at(&self) -> Option<Instant> {
        let (at, end) = self.input.as_ref()?;
        match end {
            StreamEnd::Panicked(_) => Some(*at),
            end if end.is_refusal() => Some(*at),
            _ => Some(*at + REASON_TIMEOUT),
        }
    }
}
