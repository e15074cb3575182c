//! Reads and writes that wait for a limited time, and lose no data.
//!
//! On Unix, the timeouts of the socket limit a wait. On Windows, such a timeout may lose data, so
//! `WSAPoll` limits the wait.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use self::system::READ_TICK;
pub(super) use self::system::Timer;

/// Upper bound for one wait of a write. A blocked upload checks for an early response after each
/// wait. The operating system does not report when during a wait it accepted data, so an idle
/// timeout may expire late by this time.
pub(super) const WRITE_TICK: Duration = Duration::from_millis(50);

/// Lower bound for one wait. The operating system treats zero as no limit.
const MIN_WAIT: Duration = Duration::from_millis(1);

/// A TCP connection whose reads and writes fail with `WouldBlock` after a limited wait. They have
/// then read or written nothing: the caller checks its limits and repeats the call.
#[derive(Debug)]
pub(super) struct TimedStream(TcpStream);

impl TimedStream {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        system::prepare(&stream)?;
        Ok(Self(stream))
    }

    /// Reads data. If none is available, waits for at most `left` (`None`: without a limit).
    pub(super) fn read(
        &self,
        timer: &mut Timer,
        left: Option<Duration>,
        buf: &mut [u8],
    ) -> io::Result<usize> {
        let left = left.map(|left| left.clamp(MIN_WAIT, READ_TICK));
        system::read(&self.0, timer, left, |mut stream| stream.read(buf))
    }

    /// Writes as much as the operating system accepts. If it accepts nothing, waits for at most
    /// `left`.
    pub(super) fn write(
        &self,
        timer: &mut Timer,
        left: Duration,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let left = left.clamp(MIN_WAIT, WRITE_TICK);
        system::write(&self.0, timer, left, |mut stream| stream.write(bytes))
    }

    /// Copies available data without waiting and without consuming it.
    pub(super) fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        system::peek(&self.0, buf)
    }

    /// Shuts down both directions. Blocked reads and writes return, on Windows within
    /// [`READ_TICK`].
    pub(super) fn shutdown(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Both)
    }
}

/// Waits with the timeouts of the socket.
#[cfg(not(windows))]
mod system {
    use super::{Duration, TcpStream, WRITE_TICK, io};

    /// Upper bound for one wait of a read with a limit. With it, most waits have the same timeout,
    /// so the socket's timeout needs no change. A change is a system call. One for each wait makes
    /// a small request with a deadline 1.4 to 2.1 µs slower (of 15 µs).
    pub(super) const READ_TICK: Duration = Duration::from_secs(1);

    /// The timeout of one direction of a socket, as last set.
    #[derive(Debug, Default)]
    pub(in super::super) struct Timer(Option<Duration>);

    impl Timer {
        /// Ensures that a wait ends within `left`. For `None`, any timeout of at least `tick` is
        /// suitable. Makes a system call only if the current timeout is unsuitable.
        fn set(
            &mut self,
            left: Option<Duration>,
            tick: Duration,
            set: impl FnOnce(Option<Duration>) -> io::Result<()>,
        ) -> io::Result<()> {
            let is_suitable = match (self.0, left) {
                (Some(current), Some(left)) => current == left,
                // A wait without a limit may end early, because the caller repeats it.
                (current, None) => current.is_none_or(|current| current >= tick),
                (None, Some(_)) => false,
            };
            if !is_suitable {
                let timer = left.or(self.0.map(|_| tick));
                set(timer)?;
                self.0 = timer;
            }
            Ok(())
        }
    }

    pub(super) fn prepare(_: &TcpStream) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn read(
        stream: &TcpStream,
        timer: &mut Timer,
        left: Option<Duration>,
        read: impl FnOnce(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        timer.set(left, READ_TICK, |timer| stream.set_read_timeout(timer))?;
        read(stream)
    }

    pub(super) fn write(
        stream: &TcpStream,
        timer: &mut Timer,
        left: Duration,
        write: impl FnOnce(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let left = Some(left);
        timer.set(left, WRITE_TICK, |timer| stream.set_write_timeout(timer))?;
        write(stream)
    }

    pub(super) fn peek(stream: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
        stream.set_nonblocking(true)?;
        let peeked = stream.peek(buf);
        stream.set_nonblocking(false)?;
        peeked
    }
}

/// Waits with `WSAPoll` on non-blocking sockets. Timeouts of sockets are unsuitable on Windows:
/// after one, "the socket state is indeterminate" and data may be lost (Winsock, `SO_RCVTIMEO`),
/// and each is half a second longer than set.
#[cfg(windows)]
mod system {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::{Duration, TcpStream, WRITE_TICK, io};

    /// Upper bound for one wait of a read. Winsock does not guarantee that `shutdown` wakes a wait
    /// in another thread, so a read checks after each wait if its call was cancelled.
    pub(super) const READ_TICK: Duration = WRITE_TICK;

    /// Unused: `WSAPoll` takes its timeout as a parameter.
    #[derive(Debug, Default)]
    pub(in super::super) struct Timer;

    pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)
    }

    pub(super) fn read(
        stream: &TcpStream,
        _: &mut Timer,
        left: Option<Duration>,
        read: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        wait(stream, PollFlags::RDNORM, left.unwrap_or(READ_TICK), read)
    }

    pub(super) fn write(
        stream: &TcpStream,
        _: &mut Timer,
        left: Duration,
        write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        wait(stream, PollFlags::WRNORM, left, write)
    }

    /// Tries, waits if necessary, and tries again.
    fn wait(
        stream: &TcpStream,
        flags: PollFlags,
        left: Duration,
        mut act: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        match act(stream) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        poll(&mut [PollFd::new(stream, flags)], Some(&left))?;
        act(stream)
    }

    pub(super) fn peek(stream: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
        stream.peek(buf)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::WouldBlock;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn pair() -> io::Result<(TimedStream, TcpStream)> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let stream = TimedStream::new(TcpStream::connect(listener.local_addr()?)?)?;
        Ok((stream, listener.accept()?.0))
    }

    #[test]
    fn write_after_waits_sends_everything_once() -> io::Result<()> {
        let (stream, other) = pair()?;
        let sent: Vec<u8> = (0..4_u32 << 20).flat_map(u32::to_le_bytes).collect();
        let mut timer = Timer::default();
        let (mut rest, mut waits, mut reader) = (&*sent, 0, None);
        while !rest.is_empty() {
            match stream.write(&mut timer, MIN_WAIT, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == WouldBlock => {
                    waits += 1;
                    // The peer begins to read after two waits.
                    if waits == 2 {
                        let mut other = other.try_clone()?;
                        reader = Some(thread::spawn(move || {
                            let mut received = Vec::new();
                            other.read_to_end(&mut received).map(|_| received)
                        }));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        stream.shutdown()?;
        let reader = reader.ok_or_else(|| io::Error::other("no write had to wait"))?;
        let received = reader.join().unwrap_or_else(|_| Ok(Vec::new()))?;
        assert!(received == sent);
        Ok(())
    }

    #[test]
    fn read_waits_for_data_and_returns_would_block_after_a_while() -> io::Result<()> {
        let (stream, mut other) = pair()?;
        let (mut timer, mut buf) = (Timer::default(), [0; 4]);
        let mut read = |buf: &mut [u8]| stream.read(&mut timer, Some(MIN_WAIT), buf);
        let nothing = read(&mut buf);
        assert!(nothing.is_err_and(|error| error.kind() == WouldBlock));
        other.write_all(b"abcd")?;
        let arrived = loop {
            match read(&mut buf) {
                Err(error) if error.kind() == WouldBlock => {}
                done => break done?,
            }
        };
        assert_eq!((arrived, &buf), (4, b"abcd"));
        assert!(
            stream
                .peek(&mut buf)
                .is_err_and(|error| error.kind() == WouldBlock)
        );
        Ok(())
    }
}
