//! What comes of an answer, and when.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::{CallLimits, Stopped};

/// An answer that is given as the test goes on: see [`Answer::live`](super::Answer::live). Dropping it ends the answer.
pub struct Live(pub(super) Arc<Queue>);

impl Live {
    /// The head of the answer comes now.
    pub fn head(&self) {
        self.0.change(|state| state.head = true);
    }

    /// These bytes of the body come now, and the head before them.
    pub fn piece(&self, bytes: impl Into<Vec<u8>>) {
        self.0.change(|state| {
            state.head = true;
            state.pieces.push_back(bytes.into());
        });
    }

    /// The body ends here.
    pub fn end(self) {}

    /// The connection is lost here: where there was no head yet there is no answer, and otherwise the body breaks off.
    pub fn lose(self) {
        self.0.change(|state| state.lost = true);
    }

    /// Whether the other side has let go of the body.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.0.state().dropped
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.change(|state| state.ended = true);
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("is_dropped", &self.is_dropped())
            .finish_non_exhaustive()
    }
}

/// Between who gives an answer and who takes it.
#[derive(Default)]
pub(in crate::transport) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) head: bool,
    pub(super) pieces: VecDeque<Vec<u8>>,
    /// Nothing more comes.
    pub(super) ended: bool,
    /// And what came was not all of it.
    pub(super) lost: bool,
    dropped: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of it is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits for the head. False where it does not come.
    pub(in crate::transport) fn head(
        self: &Arc<Self>,
        limits: &CallLimits,
    ) -> Result<bool, Stopped> {
        self.wait(limits, |state| match state {
            State { head: true, .. } => Some(true),
            State { ended, lost, .. } => (*ended || *lost).then_some(!*lost),
        })
    }

    /// Waits for the next piece of the body. `None` is its end, and an error that it is lost.
    pub(in crate::transport) fn next(
        self: &Arc<Self>,
        limits: &CallLimits,
    ) -> io::Result<Option<Vec<u8>>> {
        let next = self.wait(limits, |state| match state.pieces.pop_front() {
            Some(piece) => Some(Ok(Some(piece))),
            None if state.lost => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            None => state.ended.then_some(Ok(None)),
        });
        next?
    }

    fn wait<T>(
        self: &Arc<Self>,
        limits: &CallLimits,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, Stopped> {
        let quiet_since = Instant::now();
        let queue = Arc::clone(self);
        // With the lock, so that it is not between a look and the wait.
        let _hook = limits
            .cancel
            .as_ref()
            .map(|token| token.on_cancel(move || queue.change(|_| ())));
        let mut state = self.state();
        loop {
            limits.check()?;
            if let Some(found) = look(&mut state) {
                return Ok(found);
            }
            let Some((end, stopped)) = limits.end_of_wait(quiet_since) else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(stopped);
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// The body of an answer, as it comes.
pub(super) struct Played {
    pub(super) queue: Arc<Queue>,
    pub(super) limits: CallLimits,
    /// What was not read yet of the last piece.
    pub(super) piece: io::Cursor<Vec<u8>>,
    /// How much is still to come, where that was announced.
    pub(super) announced: Option<u64>,
}

impl Read for Played {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buf)?;
            if read > 0 || buf.is_empty() {
                let count = u64::try_from(read).unwrap_or(u64::MAX);
                self.announced = self
                    .announced
                    .map(|announced| announced.saturating_sub(count));
                return Ok(read);
            }
            match self.queue.next(&self.limits)? {
                Some(piece) => self.piece = io::Cursor::new(piece),
                None if self.announced.is_some_and(|left| left > 0) => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                None => return Ok(0),
            }
        }
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.queue.change(|state| state.dropped = true);
    }
}
