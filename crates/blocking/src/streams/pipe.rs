//! A pipe between two threads of this process: what one writes, the other reads at once.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::limits::call_limits::{CallLimits, StopReason};
use crate::limits::cancel::OnCancel;

/// How much is taken from the writer before it has to wait for the reader.
const CAPACITY: usize = 64 << 10;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// What the reader waits for.
    written: Condvar,
    /// What the writer waits for.
    taken: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    /// The reader has done with what it took, and waits for more.
    asking: bool,
    /// The writer waits for room, or for the reader to have done with all of it.
    waiting: bool,
    /// The writer has written all.
    ended: bool,
    /// The reader is gone.
    gone: bool,
    cancelled: bool,
    /// The writer has given up before all was written.
    aborted: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the reader look again, where it waits. To wake somebody is a system call, also where nobody waits, and who is woken for nothing
    /// takes the others' turn: a line takes 1.5 times as long as written to the socket, and not 1.7.
    fn tell_reader(&self, state: MutexGuard<'_, State>) {
        let asking = state.asking;
        drop(state);
        if asking {
            self.written.notify_one();
        }
    }

    /// Lets the writer look again, where it waits.
    fn tell_writer(&self, state: MutexGuard<'_, State>) {
        let waiting = state.waiting;
        drop(state);
        if waiting {
            self.taken.notify_one();
        }
    }

    /// The writer's waiting.
    fn wait_while(&self, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.state();
        while condition(&state) {
            state.waiting = true;
            state = self
                .taken
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting = false;
        state
    }
}

/// Both ends. The limits are for the reader's waiting.
pub(crate) fn pipe(limits: &CallLimits) -> (PipeWriter, PipeReader) {
    let shared = Arc::<Shared>::default();
    let cancelling = limits.cancel.as_ref().map(|token| {
        let shared = Arc::clone(&shared);
        token.on_cancel(move || {
            let mut state = shared.state();
            state.cancelled = true;
            shared.tell_reader(state);
        })
    });
    (
        PipeWriter(Arc::clone(&shared)),
        PipeReader {
            shared,
            deadline: limits.deadline,
            _cancelling: cancelling,
        },
    )
}

/// The end to write to. Dropping it ends the pipe.
pub(crate) struct PipeWriter(Arc<Shared>);

impl PipeWriter {
    /// Makes reading fail from now on, so that what was written is not taken for all.
    pub(crate) fn abort(self) {
        self.0.state().aborted = true;
    }
}

impl Write for PipeWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut state = self
            .0
            .wait_while(|state| state.bytes.len() >= CAPACITY && !state.gone);
        if state.gone {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let taken = buf
            .get(..CAPACITY.saturating_sub(state.bytes.len()))
            .unwrap_or(buf);
        state.bytes.extend_from_slice(taken);
        self.0.tell_reader(state);
        Ok(taken.len())
    }

    /// Waits until the reader has done with all of it.
    fn flush(&mut self) -> io::Result<()> {
        let state = self
            .0
            .wait_while(|state| !(state.gone || state.asking && state.bytes.is_empty()));
        if state.gone {
            Err(ErrorKind::BrokenPipe.into())
        } else {
            Ok(())
        }
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.ended = true;
        self.0.tell_reader(state);
    }
}

/// The end to read from.
pub(crate) struct PipeReader {
    shared: Arc<Shared>,
    deadline: Option<Instant>,
    _cancelling: Option<OnCancel>,
}

impl Read for PipeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let shared = &*self.shared;
        let mut state = shared.state();
        state.asking = true;
        if state.bytes.is_empty() && state.waiting {
            // It waits for that.
            shared.taken.notify_one();
        }
        while state.bytes.is_empty() && !state.ended && !state.cancelled && !state.aborted {
            state = match self.deadline {
                None => shared
                    .written
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(StopReason::Deadline.into());
                    }
                    shared
                        .written
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        if state.cancelled {
            return Err(StopReason::Cancelled.into());
        }
        if state.aborted {
            return Err(io::Error::other("the writer was aborted"));
        }
        let read = state.bytes.as_slice().read(buf)?;
        // One who waits for room is told of it, and one who waits for the end of it all is not, for it has not come yet.
        let was_full = state.bytes.len() >= CAPACITY;
        state.bytes.drain(..read);
        state.asking = false;
        if was_full {
            shared.tell_writer(state);
        }
        Ok(read)
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.gone = true;
        self.shared.tell_writer(state);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{TryRecvError, channel};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::limits::cancel::CancelToken;

    #[test]
    fn what_is_written_is_read_in_order_and_to_the_end() {
        let (mut writer, mut reader) = pipe(&CallLimits::default());
        let data: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let expected = data.clone();
        let writing = thread::spawn(move || writer.write_all(&data).is_ok());
        let mut read = Vec::new();
        assert_eq!(reader.read_to_end(&mut read).ok(), Some(expected.len()));
        assert!(read == expected && writing.join().is_ok_and(|written| written));
    }

    #[test]
    fn flush_waits_until_the_reader_asks_for_more() {
        let (mut writer, mut reader) = pipe(&CallLimits::default());
        let reading = thread::spawn(move || {
            let mut pieces = Vec::new();
            let mut buf = [0; 16];
            while let Ok(read @ 1..) = reader.read(&mut buf) {
                pieces.push(buf.get(..read).unwrap_or_default().to_vec());
            }
            pieces
        });
        for piece in [&b"one"[..], b"two", b"three"] {
            assert!(
                writer
                    .write_all(piece)
                    .and_then(|()| writer.flush())
                    .is_ok()
            );
        }
        drop(writer);
        assert_eq!(
            reading.join().ok(),
            Some(vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()])
        );
    }

    /// Returns when the writer waits.
    fn until_waiting(shared: &Shared) {
        while !shared.state().waiting {
            thread::yield_now();
        }
    }

    #[test]
    fn flush_does_not_return_while_the_reader_is_busy() {
        let (mut writer, mut reader) = pipe(&CallLimits::default());
        assert!(writer.write_all(b"one").is_ok());
        assert_eq!(reader.read(&mut [0; 16]).ok(), Some(3));
        let (tell, told) = channel();
        let flushing = thread::spawn(move || tell.send(writer.flush().is_ok()).is_ok());
        while !reader.shared.state().waiting {
            assert_eq!(
                told.try_recv(),
                Err(TryRecvError::Empty),
                "the reader has not come back for more"
            );
            thread::yield_now();
        }
        // What ends the wait of both: the one's by the other's.
        assert_eq!(reader.read(&mut [0; 16]).ok(), Some(0));
        assert!(flushing.join().is_ok() && told.recv() == Ok(true));
    }

    #[test]
    fn a_writer_goes_on_as_soon_as_there_is_room() {
        let (mut writer, mut reader) = pipe(&CallLimits::default());
        let (tell, told) = channel();
        thread::spawn(move || {
            tell.send((writer.write_all(&vec![0; CAPACITY + 1]).is_ok(), writer))
                .is_ok()
        });
        until_waiting(&reader.shared);
        assert_eq!(reader.read(&mut [0; 16]).ok(), Some(16));
        let written = told
            .recv_timeout(Duration::from_secs(10))
            .map(|(written, _)| written);
        assert_eq!(written, Ok(true), "nobody has told it of the room");
    }

    #[test]
    fn a_reader_that_is_gone_is_told_also_to_one_who_waits_for_it() {
        for flushes in [false, true] {
            let (mut writer, reader) = pipe(&CallLimits::default());
            let shared = Arc::clone(&reader.shared);
            let (tell, told) = channel();
            thread::spawn(move || {
                let written = writer.write_all(&vec![0; if flushes { 1 } else { 2 * CAPACITY }]);
                tell.send((written.is_ok(), writer.flush().is_err()))
            });
            until_waiting(&shared);
            drop(reader);
            assert_eq!(
                told.recv_timeout(Duration::from_secs(10)),
                Ok((flushes, true))
            );
        }
    }

    #[test]
    fn a_reader_waits_no_longer_than_it_may() {
        let token = CancelToken::new();
        let limits = CallLimits {
            cancel: Some(token.clone()),
            ..CallLimits::default()
        };
        let (_writer, mut reader) = pipe(&limits);
        let reading = thread::spawn(move || {
            reader
                .read(&mut [0])
                .err()
                .and_then(|error| error.downcast().ok())
        });
        token.cancel();
        assert_eq!(reading.join().ok(), Some(Some(StopReason::Cancelled)));

        let limits = CallLimits {
            deadline: Instant::now().checked_add(Duration::from_millis(10)),
            ..CallLimits::default()
        };
        let (_writer, mut reader) = pipe(&limits);
        assert_eq!(
            reader
                .read(&mut [0])
                .err()
                .and_then(|error| error.downcast().ok()),
            Some(StopReason::Deadline)
        );
    }
}
