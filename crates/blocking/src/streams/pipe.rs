//! A pipe between two threads. The reader can read data as soon as it is written.

use std::io::{self, ErrorKind, Read, Write};
use std::mem::replace;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use crate::limits::call_limits::{CallLimits, StopReason};
use crate::limits::cancel::OnCancel;
use crate::support::sync::{lock, wait};
use crate::transport::direct::DirectWrites;

/// Number of bytes that the pipe buffers. The writer blocks if the buffer is full.
const CAPACITY: usize = 64 << 10;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the reader.
    written: Condvar,
    /// Wakes the writer.
    taken: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    /// The reader has processed all data that it read, and is blocked in `read`.
    reader_waits: bool,
    /// The writer is blocked in `write` or `flush`.
    writer_waits: bool,
    writer_dropped: bool,
    reader_dropped: bool,
    cancelled: bool,
    /// The writer was aborted.
    aborted: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Wakes the reader if it waits. Notifying costs a system call even if no thread waits, and a
    /// needless wake-up delays the other threads.
    fn wake_reader(&self, state: MutexGuard<'_, State>) {
        let reader_waits = state.reader_waits;
        drop(state);
        if reader_waits {
            self.written.notify_one();
        }
    }

    /// Wakes the writer if it waits.
    fn wake_writer(&self, state: MutexGuard<'_, State>) {
        let writer_waits = state.writer_waits;
        drop(state);
        if writer_waits {
            self.taken.notify_one();
        }
    }

    /// Blocks the writer while the condition holds.
    fn wait_while(&self, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.state();
        while condition(&state) {
            state.writer_waits = true;
            state = wait(&self.taken, state, None);
        }
        state.writer_waits = false;
        state
    }
}

/// Creates a pipe. The deadline and the cancel token apply to reading.
pub(crate) fn pipe(limits: &CallLimits) -> (PipeWriter, PipeReader) {
    let shared = Arc::<Shared>::default();
    let cancelling = limits.cancel.as_ref().map(|token| {
        let shared = Arc::clone(&shared);
        token.on_cancel(move || {
            let mut state = shared.state();
            state.cancelled = true;
            shared.wake_reader(state);
        })
    });
    let direct = DirectWrites::default();
    (
        PipeWriter {
            shared: Arc::clone(&shared),
            direct: direct.clone(),
            is_flushed: true,
        },
        PipeReader {
            shared,
            direct,
            deadline: limits.deadline,
            _cancelling: cancelling,
        },
    )
}

/// The writing end. Dropping it ends the data.
///
/// The first `write` after a `flush` sends the data on its own thread, if the transport waits for
/// the reader. Waking the reader would take as long as sending. Further writes before the next
/// `flush` use the buffer, which collects small pieces while the reader is busy.
pub(crate) struct PipeWriter {
    shared: Arc<Shared>,
    direct: DirectWrites,
    is_flushed: bool,
}

impl PipeWriter {
    /// Writes data, and sends it without waiting for more.
    pub(crate) fn send(&mut self, data: &[u8]) -> io::Result<()> {
        self.write_all(data)?;
        self.is_flushed = true;
        Ok(())
    }

    /// Sends the data on this thread, if that is possible.
    fn write_directly(&mut self, data: &[u8]) -> bool {
        let is_suitable = replace(&mut self.is_flushed, false) && data.len() <= CAPACITY;
        is_suitable
            && self.direct.send(data, || {
                let state = self.shared.state();
                state.reader_waits && state.bytes.is_empty()
            })
    }

    /// Makes further reads fail, so that the data does not count as complete.
    pub(crate) fn abort(self) {
        self.shared.state().aborted = true;
    }
}

impl Write for PipeWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.write_directly(buf) {
            return Ok(buf.len());
        }
        let mut state = self
            .shared
            .wait_while(|state| state.bytes.len() >= CAPACITY && !state.reader_dropped);
        if state.reader_dropped {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let taken = buf
            .get(..CAPACITY.saturating_sub(state.bytes.len()))
            .unwrap_or(buf);
        state.bytes.extend_from_slice(taken);
        self.shared.wake_reader(state);
        Ok(taken.len())
    }

    /// Blocks until the reader has read everything and asks for more.
    fn flush(&mut self) -> io::Result<()> {
        self.is_flushed = true;
        let state = self.shared.wait_while(|state| {
            !(state.reader_dropped || state.reader_waits && state.bytes.is_empty())
        });
        if state.reader_dropped {
            Err(ErrorKind::BrokenPipe.into())
        } else {
            Ok(())
        }
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.writer_dropped = true;
        self.shared.wake_reader(state);
    }
}

/// The reading end.
pub(crate) struct PipeReader {
    shared: Arc<Shared>,
    direct: DirectWrites,
    deadline: Option<Instant>,
    _cancelling: Option<OnCancel>,
}

impl PipeReader {
    /// Returns the way by which the writer can send data itself.
    pub(crate) fn direct(&self) -> DirectWrites {
        self.direct.clone()
    }

    fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let shared = &*self.shared;
        let mut state = shared.state();
        state.reader_waits = true;
        if state.bytes.is_empty() && state.writer_waits {
            // `flush` may be waiting for this read.
            shared.taken.notify_one();
        }
        while state.bytes.is_empty() && !state.writer_dropped && !state.cancelled && !state.aborted
        {
            if self
                .deadline
                .is_some_and(|deadline| deadline <= Instant::now())
            {
                return Err(StopReason::Deadline.into());
            }
            state = wait(&shared.written, state, self.deadline);
        }
        if state.cancelled {
            return Err(StopReason::Cancelled.into());
        }
        if state.aborted {
            return Err(io::Error::other("the writer was aborted"));
        }
        let read = state.bytes.as_slice().read(buf)?;
        // Only a `write` can continue now. A `flush` waits for the next call of `read`.
        let was_full = state.bytes.len() >= CAPACITY;
        state.bytes.drain(..read);
        state.reader_waits = false;
        if was_full {
            shared.wake_writer(state);
        }
        Ok(read)
    }
}

impl Read for PipeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // A read that fails because of a limit must not return while the writer sends. If a read
        // returns data or the end, the writer has provided that, so it does not send.
        self.try_read(buf).inspect_err(|_| self.direct.close())
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.reader_dropped = true;
        self.shared.wake_writer(state);
    }
}

#[cfg(test)]
mod tests;
