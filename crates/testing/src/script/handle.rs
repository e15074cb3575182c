use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use scramjet_client_blocking::transport::{CallLimits, StopReason};

/// Sends an answer step by step: made by [`Answer::live`](super::Answer::live).
///
/// Call [`end`](Self::end) or [`lose`](Self::lose) when the answer is over. If the handle is
/// dropped before, the body ends with an error that says so, and
/// [`Script::assert_done`](super::Script::assert_done) reports it. Dropping the handle is fine once
/// the client has dropped the body.
pub struct ResponseHandle(pub(super) Arc<AnswerQueue>);

impl ResponseHandle {
    /// Sends the status and the headers.
    pub fn head(&self) {
        self.0.change(|state| state.head = true);
    }

    /// Sends a piece of the body, and the head if it was not sent yet.
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

    /// Loses the connection: the body is cut off, or if the head was not sent, there is no
    /// response.
    pub fn lose(self) {
        self.0.end(AnswerEnd::Lost);
    }

    /// Returns true if the client has dropped the body, or has given up waiting for the head.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.0.state().dropped
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

/// Connects the side that sends an answer to the side that reads it.
#[derive(Default)]
pub(super) struct AnswerQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    head: bool,
    pieces: VecDeque<Vec<u8>>,
    end: Option<AnswerEnd>,
    /// The body is cut off where it would end.
    cut: bool,
    /// The reader is gone.
    dropped: bool,
    /// The time limit of the script struck.
    timed_out: Option<TimedOut>,
}

/// How an answer ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerEnd {
    Complete,
    Lost,
    HandleDropped,
}

/// What ends the wait for the next part of an answer.
#[derive(Clone, Default)]
pub(super) struct WaitLimits {
    pub(super) call: CallLimits,
    /// The time limit of the script.
    pub(super) script: Option<Duration>,
}

/// Why the next part of an answer did not come.
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
    /// Turns the error into that of a transport; `request` is the label of the request.
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
    /// Returns a queue that holds a whole body, and its head.
    pub(super) fn with_pieces(pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            state: Mutex::new(State {
                head: true,
                pieces: pieces.into_iter().collect(),
                end: Some(AnswerEnd::Complete),
                ..State::default()
            }),
            changed: Condvar::new(),
        }
    }

    /// Cuts the body off where it would end.
    pub(super) fn cut_off(&self) {
        self.change(|state| state.cut = true);
    }

    /// Ends the answer, unless it has ended before.
    pub(super) fn end(&self, end: AnswerEnd) {
        self.change(|state| {
            // Nobody misses the end of an answer that nobody reads any more.
            let unread = end == AnswerEnd::HandleDropped && state.dropped;
            let end = if unread { AnswerEnd::Complete } else { end };
            state.end.get_or_insert(end);
        });
    }

    /// Notes that nobody reads the answer any more.
    pub(super) fn drop_reader(&self) {
        self.change(|state| state.dropped = true);
    }

    /// True while a [`ResponseHandle`] may send more, or if it was dropped too early.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state().end, None | Some(AnswerEnd::HandleDropped))
    }

    /// Returns what the test did wrong with the handle.
    pub(super) fn problem(&self) -> Option<String> {
        let state = self.state();
        if let Some(timed_out) = state.timed_out {
            return Some(timed_out.to_string());
        }
        (state.end == Some(AnswerEnd::HandleDropped)).then(|| HANDLE_DROPPED.to_owned())
    }

    /// Waits for the head.
    pub(super) fn head(self: &Arc<Self>, limits: &WaitLimits) -> Result<(), WaitError> {
        self.wait(limits, Part::Head, |state| {
            if state.head {
                Some(Ok(()))
            } else {
                state.end()
            }
        })
    }

    /// Waits for the next piece of the body; `None` is its end.
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

    fn wait<T>(
        self: &Arc<Self>,
        limits: &WaitLimits,
        part: Part,
        mut look: impl FnMut(&mut State) -> Option<Result<T, WaitError>>,
    ) -> Result<T, WaitError> {
        let start = Instant::now();
        let queue = Arc::clone(self);
        // Locks the state, so that it cannot run between a look and the wait after it.
        let _hook = limits
            .call
            .cancel
            .as_ref()
            .map(|token| token.on_cancel(move || queue.change(|_| ())));
        let mut state = self.state();
        loop {
            limits.call.check().map_err(WaitError::Stopped)?;
            if let Some(found) = look(&mut state) {
                return found;
            }
            let call = limits.call.end_of_wait(start);
            let script = limits.script.and_then(|limit| start.checked_add(limit));
            let Some(end) = call.map(|(end, _)| end).into_iter().chain(script).min() else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Of two limits that end at the same time, the caller's counts.
                return Err(match (call, limits.script) {
                    (Some((at, stopped)), _) if at == end => WaitError::Stopped(stopped),
                    (_, limit) => {
                        let limit = limit.unwrap_or_default();
                        let timed_out = TimedOut { limit, part };
                        state.timed_out = Some(timed_out);
                        WaitError::TimedOut(timed_out)
                    }
                });
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No change leaves the state half done, so a panic does no harm.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }
}

impl State {
    /// Returns how the answer ended, if it has.
    fn end(&self) -> Option<Result<(), WaitError>> {
        self.end.map(|end| match end {
            AnswerEnd::Complete if !self.cut => Ok(()),
            AnswerEnd::Complete | AnswerEnd::Lost => Err(WaitError::Lost),
            AnswerEnd::HandleDropped => Err(WaitError::HandleDropped),
        })
    }
}
