//! A TCP connection that keeps to the limits of the call it serves, and that can be cut from another thread.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ::ureq::unversioned::transport::{Buffers, NextTimeout, Transport};
use ::ureq::{Error, Timeout};

use super::buffers::Sparse;
use super::stream::{Stream, WRITE_TICK, Waiting};
use crate::limits::call_limits::{CallLimits, StopReason};
use crate::limits::cancel::OnCancel;
use crate::transport::is_closed;

/// The socket, for all who have to do with it: what reads and writes, what watches over the encryption, what cuts it.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    cut: AtomicBool,
    muted: AtomicBool,
    serves: Mutex<Serves>,
    sending: Mutex<Sending>,
}

/// The call that a wire serves.
#[derive(Debug, Default)]
struct Serves {
    limits: CallLimits,
    /// Cuts the wire when the call is cancelled.
    _cutting: Option<OnCancel>,
}

/// How it stands with what a wire sends.
#[derive(Debug, Default)]
struct Sending {
    waiting: Waiting,
    /// It is a request: the other side may have answered before it takes no more, or is gone.
    request: bool,
    /// Something of the request was handed to the system.
    begun: bool,
    /// Whether it has answered is to be looked at as soon as there is something to read.
    asks: bool,
    /// What is to be sent after that. Not more than the buffers of those who send, who then wait.
    postponed: Vec<u8>,
    /// The other side is gone.
    closed: Option<io::Error>,
    /// It was given up. What encrypts does not pass on each error at once: it tries again, and is not to wait again.
    given_up: Option<StopReason>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            stream: Stream::new(stream)?,
            cut: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            serves: Mutex::default(),
            sending: Mutex::default(),
        }))
    }

    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serves(&self) -> MutexGuard<'_, Serves> {
        self.serves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it serves a call with these limits.
    pub(super) fn serve(self: &Arc<Self>, limits: CallLimits) {
        let wire = Arc::downgrade(self);
        let cutting = limits.cancel.as_ref().map(|token| {
            token.on_cancel(move || wire.upgrade().into_iter().for_each(|wire| wire.cut()))
        });
        let before = std::mem::replace(
            &mut *self.serves(),
            Serves {
                limits,
                _cutting: cutting,
            },
        );
        drop(before);
    }

    /// The call is over. After this, cancelling it does not reach the wire any more.
    pub(super) fn release(&self) {
        let served = std::mem::take(&mut *self.serves());
        drop(served);
        let mut sending = self.sending();
        (sending.request, sending.asks) = (false, false);
    }

    /// From now on what is sent is a request; `asks` as long as nobody knows of an answer.
    pub(super) fn send_request(&self, asks: bool) {
        let mut sending = self.sending();
        (sending.request, sending.asks, sending.begun) = (true, asks, sending.begun && !asks);
    }

    /// Whether the other side may have received something of the request.
    pub(super) fn has_sent(&self) -> bool {
        self.sending().begun
    }

    /// Sends, within the limits of the call. Where the other side takes no more of a request and says something instead, the rest is
    /// postponed until it was looked at; that it is gone is told by [`closed`](Self::closed), for it may have answered before.
    fn send(&self, bytes: &[u8], timeout: NextTimeout) -> Result<(), Error> {
        let sending = &mut *self.sending();
        if sending.postponed.is_empty() {
            return self.send_now(sending, bytes, timeout);
        }
        sending.postponed.extend_from_slice(bytes);
        Ok(())
    }

    /// Whether something was postponed.
    pub(super) fn has_postponed(&self) -> bool {
        !self.sending().postponed.is_empty()
    }

    /// Goes on with what was postponed.
    pub(super) fn send_on(&self, timeout: NextTimeout) -> Result<(), Error> {
        let sending = &mut *self.sending();
        let postponed = std::mem::take(&mut sending.postponed);
        self.send_now(sending, &postponed, timeout)
    }

    fn send_now(
        &self,
        sending: &mut Sending,
        bytes: &[u8],
        timeout: NextTimeout,
    ) -> Result<(), Error> {
        if let Some(stopped) = sending.given_up {
            return Err(given_up(stopped));
        }
        let result = self.try_to_send(sending, bytes, timeout);
        if let Err(Error::Io(error)) = &result {
            sending.given_up = stopped(error);
        }
        result
    }

    fn try_to_send(
        &self,
        sending: &mut Sending,
        bytes: &[u8],
        timeout: NextTimeout,
    ) -> Result<(), Error> {
        let mut patience = Patience::new(self, timeout)?;
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_muted() {
            let left = patience.left()?.unwrap_or(WRITE_TICK);
            match self.stream.write(&mut sending.waiting, left, rest) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(written) => {
                    sending.begun = true;
                    rest = rest.get(written..).unwrap_or_default();
                    patience.quiet_since = Instant::now();
                }
                Err(error) => match self.judge(error) {
                    Some(Error::Io(error)) if sending.request && is_closed(error.kind()) => {
                        sending.closed = Some(error);
                        self.mute();
                    }
                    Some(error) => return Err(error),
                    None if sending.asks && self.is_readable() => {
                        sending.postponed = rest.to_vec();
                        return Ok(());
                    }
                    None => {}
                },
            }
        }
        Ok(())
    }

    /// Whether sending was not given up, also where what is between has swallowed the error.
    pub(super) fn check_sending(&self) -> Result<(), Error> {
        self.sending()
            .given_up
            .map_or(Ok(()), |stopped| Err(given_up(stopped)))
    }

    /// That the other side is gone, the first time that this is asked.
    pub(super) fn closed(&self) -> Option<io::Error> {
        self.sending().closed.take()
    }

    /// What an error means, where it means the end.
    fn judge(&self, error: io::Error) -> Option<Error> {
        match error.kind() {
            _ if self.cut.load(Ordering::SeqCst) => Some(given_up(StopReason::Cancelled)),
            // The end of a wait, which is only a reason to look at the clock.
            ErrorKind::WouldBlock | ErrorKind::Interrupted => None,
            // The other side has not answered the probes of TCP keep-alive. The next read would be
            // the end of the stream, as if the other side had closed it.
            ErrorKind::TimedOut => Some(io::Error::new(ErrorKind::ConnectionAborted, error).into()),
            _ => Some(error.into()),
        }
    }

    /// Wakes whatever is blocked. The connection is of no use afterwards.
    fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        // Fails where the other side is gone: then nothing is blocked.
        let _ = self.stream.shutdown();
    }

    /// From now on what is sent is thrown away: the other side has answered, and takes no more.
    pub(super) fn mute(&self) {
        self.muted.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_muted(&self) -> bool {
        self.muted.load(Ordering::SeqCst)
    }

    /// Whether something was done to the connection after which it cannot serve another call.
    pub(super) fn is_spent(&self) -> bool {
        self.is_muted() || self.cut.load(Ordering::SeqCst)
    }

    /// Whether the connection may serve another call: nothing is there to be read, not even its end.
    fn is_usable(&self) -> bool {
        !self.is_spent() && self.glance(&mut [0]).is_none()
    }

    /// Whether there is something to read.
    pub(super) fn is_readable(&self) -> bool {
        self.glance(&mut [0])
            .is_some_and(|seen| seen.is_ok_and(|seen| seen > 0))
    }

    /// Looks at what can be read without waiting and without taking it; `None` where there is nothing.
    fn glance(&self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        match self.stream.peek(buf) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            seen => Some(seen),
        }
    }
}

/// How long a read or a write may take.
struct Patience {
    limits: CallLimits,
    /// What ureq asks for: for connecting, and for an interim answer.
    theirs: Option<(Instant, Timeout)>,
    quiet_since: Instant,
}

impl Patience {
    fn new(wire: &Wire, timeout: NextTimeout) -> Result<Self, Error> {
        let limits = wire.serves().limits.clone();
        limits.check().map_err(given_up)?;
        let now = Instant::now();
        let theirs = (!timeout.after.is_not_happening())
            .then(|| now.checked_add(*timeout.after))
            .flatten();
        Ok(Self {
            limits,
            theirs: theirs.map(|end| (end, timeout.reason)),
            quiet_since: now,
        })
    }

    /// How long to wait now; `None` for whenever.
    fn left(&self) -> Result<Option<Duration>, Error> {
        let ours = self.limits.end_of_wait(self.quiet_since);
        let (end, error) = match (ours, self.theirs) {
            (Some((ours, _)), Some((theirs, reason))) if theirs < ours => {
                (theirs, Error::Timeout(reason))
            }
            (Some((end, stopped)), _) => (end, given_up(stopped)),
            (None, Some((end, reason))) => (end, Error::Timeout(reason)),
            (None, None) => return Ok(None),
        };
        match end.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(Some(left)),
            _ => Err(error),
        }
    }
}

fn given_up(stopped: StopReason) -> Error {
    Error::Io(stopped.into())
}

fn stopped(error: &io::Error) -> Option<StopReason> {
    error.get_ref()?.downcast_ref().copied()
}

#[derive(Debug)]
pub(super) struct Socket {
    wire: Arc<Wire>,
    buffers: Sparse,
    reading: Waiting,
}

impl Socket {
    pub(super) fn new(wire: Arc<Wire>, buffers: Sparse) -> Self {
        Self {
            wire,
            buffers,
            reading: Waiting::default(),
        }
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.wire.send(
            self.buffers.output().get(..amount).unwrap_or_default(),
            timeout,
        )
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let patience = Patience::new(&self.wire, timeout)?;
        loop {
            let left = patience.left()?;
            let buf = self.buffers.input_append_buf();
            match self.wire.stream.read(&mut self.reading, left, buf) {
                // A wire that was cut reads as if the other side had closed it.
                Ok(0) if self.wire.cut.load(Ordering::SeqCst) => {
                    return Err(given_up(StopReason::Cancelled));
                }
                Ok(read) => {
                    self.buffers.input_appended(read);
                    return Ok(read > 0);
                }
                Err(error) => {
                    if let Some(error) = self.wire.judge(error) {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.wire.is_usable()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    /// A wire whose other side has gone, which is known to the system.
    fn dead() -> io::Result<Arc<Wire>> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let mut stream = TcpStream::connect(listener.local_addr()?)?;
        stream.write_all(b"never read")?;
        let (other, _) = listener.accept()?;
        // Not before what it does not read is there, so that it resets the connection.
        other.peek(&mut [0])?;
        drop(other);
        // Waits for that.
        let _ = stream.read(&mut [0]);
        Wire::new(stream)
    }

    #[test]
    fn of_what_was_not_begun_nothing_was_sent() -> io::Result<()> {
        let wire = dead()?;
        wire.send_request(true);
        assert!(
            wire.send(b"GET / HTTP/1.1\r\n\r\n", NextTimeout::default())
                .is_ok()
        );
        // It may have answered before it closed: that is for others to find out.
        assert!(wire.closed().is_some() && !wire.has_sent());
        Ok(())
    }

    #[test]
    fn what_was_sent_before_a_request_is_not_of_it() -> io::Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let wire = Wire::new(TcpStream::connect(listener.local_addr()?)?)?;
        assert!(
            wire.send(b"agreeing on encryption", NextTimeout::default())
                .is_ok()
        );
        assert!(wire.has_sent());
        wire.send_request(true);
        assert!(!wire.has_sent());
        assert!(
            wire.send(b"GET / HTTP/1.1\r\n\r\n", NextTimeout::default())
                .is_ok()
        );
        assert!(wire.has_sent());
        Ok(())
    }

    fn idle_wire() -> io::Result<(TcpStream, Arc<Wire>)> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        Ok((listener.accept()?.0, Wire::new(stream)?))
    }

    /// Winsock does not say that `shutdown` wakes what is blocked.
    #[test]
    fn cancelled_wire_ends_a_read_and_a_write_that_shutdown_did_not_wake() -> io::Result<()> {
        let (_other, wire) = idle_wire()?;
        let limits = CallLimits {
            idle: Some(Duration::from_millis(20)),
            ..CallLimits::default()
        };
        wire.serve(limits);
        wire.cut.store(true, Ordering::SeqCst);
        let cancelled = |error| matches!(&error, Error::Io(error) if stopped(error) == Some(StopReason::Cancelled));
        let mut socket = Socket::new(Arc::clone(&wire), Sparse::new(1024, 1024));
        let read = socket.await_input(NextTimeout::default());
        assert!(read.is_err_and(cancelled));
        let written = wire.send(&vec![0; 64 << 20], NextTimeout::default());
        assert!(written.is_err_and(cancelled));
        Ok(())
    }

    #[test]
    fn read_of_a_connection_that_keep_alive_found_dead_is_an_error() -> io::Result<()> {
        let (_other, wire) = idle_wire()?;
        let error = wire.judge(ErrorKind::TimedOut.into());
        assert!(
            matches!(&error, Some(Error::Io(error)) if is_closed(error.kind())),
            "{error:?}"
        );
        Ok(())
    }
}
