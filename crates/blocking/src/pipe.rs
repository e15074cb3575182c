//! A pipe between two threads of this process: what one writes, the other reads at once.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::cancel::OnCancel;
use crate::{CallLimits, Stopped};

/// How much is taken from the writer before it has to wait for the reader.
const CAPACITY: usize = 64 << 10;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    /// The reader has done with what it took, and asks for more.
    asking: bool,
    /// The writer has written all.
    ended: bool,
    /// The reader is gone.
    gone: bool,
    cancelled: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.notify_all();
        result
    }

    fn wait_while(&self, until: Option<Instant>, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.state();
        while condition(&state) {
            state = match until {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state
    }
}

/// Both ends. The limits are for the reader's waiting.
pub(crate) fn pipe(limits: &CallLimits) -> (PipeWriter, PipeReader) {
    let shared = Arc::<Shared>::default();
    let cancelling = limits.cancel.as_ref().map(|token| {
        let shared = Arc::clone(&shared);
        token.on_cancel(move || shared.change(|state| state.cancelled = true))
    });
    (PipeWriter(Arc::clone(&shared)), PipeReader { shared, deadline: limits.deadline, _cancelling: cancelling })
}

/// The end to write to. Dropping it ends the pipe.
pub(crate) struct PipeWriter(Arc<Shared>);

impl Write for PipeWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        drop(self.0.wait_while(None, |state| state.bytes.len() >= CAPACITY && !state.gone));
        self.0.change(|state| {
            if state.gone {
                return Err(ErrorKind::BrokenPipe.into());
            }
            let taken = buf.get(..CAPACITY.saturating_sub(state.bytes.len())).unwrap_or(buf);
            state.bytes.extend_from_slice(taken);
            Ok(taken.len())
        })
    }

    /// Waits until the reader has done with all of it.
    fn flush(&mut self) -> io::Result<()> {
        let state = self.0.wait_while(None, |state| !(state.gone || state.asking && state.bytes.is_empty()));
        if state.gone { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.0.change(|state| state.ended = true);
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
        self.shared.change(|state| state.asking = true);
        let mut state = self.shared.wait_while(self.deadline, |state| state.bytes.is_empty() && !state.ended && !state.cancelled);
        if state.cancelled {
            return Err(Stopped::Cancelled.into());
        }
        if state.bytes.is_empty() && !state.ended {
            return Err(Stopped::Deadline.into());
        }
        let read = state.bytes.as_slice().read(buf)?;
        state.bytes.drain(..read);
        state.asking = false;
        drop(state);
        self.shared.changed.notify_all();
        Ok(read)
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.shared.change(|state| state.gone = true);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::CancelToken;

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
            assert!(writer.write_all(piece).and_then(|()| writer.flush()).is_ok());
        }
        drop(writer);
        assert_eq!(reading.join().ok(), Some(vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]));
    }

    #[test]
    fn a_reader_that_is_gone_is_told_also_to_one_who_waits_for_it() {
        let (mut writer, reader) = pipe(&CallLimits::default());
        let writing = thread::spawn(move || (writer.write_all(&vec![0; 2 * CAPACITY]).is_err(), writer.flush().is_err()));
        drop(reader);
        assert_eq!(writing.join().ok(), Some((true, true)));
    }

    #[test]
    fn a_reader_waits_no_longer_than_it_may() {
        let token = CancelToken::new();
        let limits = CallLimits { cancel: Some(token.clone()), ..CallLimits::default() };
        let (_writer, mut reader) = pipe(&limits);
        let reading = thread::spawn(move || reader.read(&mut [0]).err().and_then(|error| error.downcast().ok()));
        token.cancel();
        assert_eq!(reading.join().ok(), Some(Some(Stopped::Cancelled)));

        let limits = CallLimits { deadline: Instant::now().checked_add(Duration::from_millis(10)), ..CallLimits::default() };
        let (_writer, mut reader) = pipe(&limits);
        assert_eq!(reader.read(&mut [0]).err().and_then(|error| error.downcast().ok()), Some(Stopped::Deadline));
    }
}
