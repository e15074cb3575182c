use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scramjet_client_blocking::transport::{CallLimits, StopReason};

use crate::sync::Monitor;

/// A handle that sends a response in pieces: see [`Answer::live`](super::Answer::live).
///
/// Call [`end`](Self::end) or [`lose`](Self::lose) at the end of the response. If the handle is
/// dropped before, the body ends with an error, and
/// [`Script::assert_done`](super::Script::assert_done) reports the mistake. If the client has
/// dropped the body, the handle may be dropped as well.
pub struct ResponseHandle(pub(super) Arc<AnswerQueue>);

impl ResponseHandle {
    /// Sends the status and the headers.
    pub fn head(&self) {
        self.0.change(|state| state.head = true);
    }

    /// Sends a piece of the body, and first the status and the headers if they were not sent.
    pub fn piece(&self, bytes: impl Into<Vec<u8>>) {
        self.0.change(|state| {
            state.head = true;
            state.pieces.push_back(bytes.into());
        });
    }

    /// Ends the body.
    pub fn end(self) {
        self.0.end(AnswerEnd::Complete);
    }

    /// Closes the connection. The body is truncated. If the headers were not sent, there is no
    /// response.
    pub fn lose(self) {
        self.0.end(AnswerEnd::Lost);
    }

    /// Returns `true` if the client has dropped the body, or no longer waits for the headers.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.0.state.lock().dropped
    }
}

impl Drop for ResponseHandle {
    fn drop(&mut self) {
        self.0.end(AnswerEnd::HandleDropped);
    }
}

impl fmt::Debug for ResponseHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHandle")
            .field("is_dropped", &self.is_dropped())
            .finish_non_exhaustive()
    }
}

/// A queue of the parts of an answer, between the test and the client.
#[derive(Default)]
pub(super) struct AnswerQueue {
    state: Monitor<State>,
}

#[derive(Default)]
struct State {
    head: bool,
    pieces: VecDeque<Vec<u8>>,
    end: Option<AnswerEnd>,
    /// If `true`, the body is truncated where it would end.
    cut_off: bool,
    /// `true` if the client has dropped the body, or no longer waits.
    dropped: bool,
    /// Set if a wait took longer than the time limit of the script.
    timed_out: Option<TimedOut>,
}

/// The end of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerEnd {
    Complete,
    Lost,
    HandleDropped,
}

/// The limits of a wait for the next part of an answer.
#[derive(Clone, Default)]
pub(super) struct WaitLimits {
    pub(super) call: CallLimits,
    /// The time limit of the script.
    pub(super) script: Option<Duration>,
}

/// The reason why the next part of an answer did not come.
pub(super) enum WaitError {
    Stopped(StopReason),
    Lost,
    HandleDropped,
    TimedOut(TimedOut),
}

/// A wait that took longer than the time limit of the script.
#[derive(Clone, Copy)]
pub(super) struct TimedOut {
    limit: Duration,
    part: Part,
}

/// A part of an answer.
#[derive(Clone, Copy)]
enum Part {
    Head,
    Piece,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit;
        match self.part {
            Part::Head => write!(
                f,
                "no response came within {limit:?}; the test has not called ResponseHandle::head, \
                 piece or end"
            ),
            Part::Piece => write!(
                f,
                "no piece came within {limit:?}; the test has not called ResponseHandle::piece or \
                 end"
            ),
        }
    }
}

const HANDLE_DROPPED: &str = "the test dropped the ResponseHandle without calling end or lose";

impl WaitError {
    /// Converts the error into that of a transport. `request` is the label of the request.
    pub(super) fn into_io(self, request: &str) -> io::Error {
        match self {
            Self::Stopped(stopped) => stopped.into(),
            Self::Lost => io::ErrorKind::UnexpectedEof.into(),
            Self::HandleDropped => io::Error::other(format!("{request}: {HANDLE_DROPPED}")),
            Self::TimedOut(timed_out) => io::Error::other(format!("{request}: {timed_out}")),
        }
    }
}

impl AnswerQueue {
    /// Returns the queue of a whole response.
    pub(super) fn with_pieces(pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            state: Monitor::new(State {
                head: true,
                pieces: pieces.into_iter().collect(),
                end: Some(AnswerEnd::Complete),
                ..State::default()
            }),
        }
    }

    /// Truncates the body where it would end.
    pub(super) fn cut_off(&self) {
        self.change(|state| state.cut_off = true);
    }

    /// Ends the answer, unless it has ended before.
    pub(super) fn end(&self, end: AnswerEnd) {
        self.change(|state| {
            // If the client has stopped reading, the test need not end the answer.
            let unread = end == AnswerEnd::HandleDropped && state.dropped;
            let end = if unread { AnswerEnd::Complete } else { end };
            state.end.get_or_insert(end);
        });
    }

    /// Records that the client has stopped reading.
    pub(super) fn drop_reader(&self) {
        self.change(|state| state.dropped = true);
    }

    /// Returns `true` if a [`ResponseHandle`] may send more, or was dropped too early.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state.lock().end, None | Some(AnswerEnd::HandleDropped))
    }

    /// Returns the mistake that the test made with the handle.
    pub(super) fn problem(&self) -> Option<String> {
        let state = self.state.lock();
        if let Some(timed_out) = state.timed_out {
            return Some(timed_out.to_string());
        }
        (state.end == Some(AnswerEnd::HandleDropped)).then(|| HANDLE_DROPPED.to_owned())
    }

    /// Waits for the headers.
    pub(super) fn head(self: &Arc<Self>, limits: &WaitLimits) -> Result<(), WaitError> {
        self.wait(limits, Part::Head, |state| {
            if state.head {
                Some(Ok(()))
            } else {
                state.end()
            }
        })
    }

    /// Waits for the next piece of the body. `None` is the end.
    pub(super) fn next(
        self: &Arc<Self>,
        limits: &WaitLimits,
    ) -> Result<Option<Vec<u8>>, WaitError> {
        self.wait(limits, Part::Piece, |state| {
            match state.pieces.pop_front() {
                Some(piece) => Some(Ok(Some(piece))),
                None => state.end().map(|end| end.map(|()| None)),
            }
        })
    }

    /// Waits until `check` returns a value, within the limits.
    fn wait<T>(
        self: &Arc<Self>,
        limits: &WaitLimits,
        part: Part,
        mut check: impl FnMut(&mut State) -> Option<Result<T, WaitError>>,
    ) -> Result<T, WaitError> {
        let start = Instant::now();
        let queue = Arc::clone(self);
        // The hook locks the state, so it cannot run between `check` and the wait.
        let _hook = limits
            .call
            .cancel
            .as_ref()
            .map(|token| token.on_cancel(move || queue.change(|_| ())));
        let mut state = self.state.lock();
        loop {
            limits.call.check().map_err(WaitError::Stopped)?;
            if let Some(found) = check(&mut state) {
                return found;
            }
            let call = limits.call.end_of_wait(start);
            let script = limits.script.and_then(|limit| start.checked_add(limit));
            let end = call.map(|(end, _)| end).into_iter().chain(script).min();
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                // If both limits expire at the same time, report the caller's.
                return Err(match (call, limits.script) {
                    (Some((at, stopped)), _) if Some(at) == end => WaitError::Stopped(stopped),
                    (_, limit) => {
                        let limit = limit.unwrap_or_default();
                        let timed_out = TimedOut { limit, part };
                        state.timed_out = Some(timed_out);
                        WaitError::TimedOut(timed_out)
                    }
                });
            }
            state = self.state.wait(state, left);
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.state.notify_all();
    }
}

impl State {
    /// Returns the end of the answer; `None` if it has not ended.
    fn end(&self) -> Option<Result<(), WaitError>> {
        self.end.map(|end| match end {
            AnswerEnd::Complete if !self.cut_off => Ok(()),
            AnswerEnd::Complete | AnswerEnd::Lost => Err(WaitError::Lost),
            AnswerEnd::HandleDropped => Err(WaitError::HandleDropped),
        })
    }
}
