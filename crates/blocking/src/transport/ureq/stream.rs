//! Reads and writes that return after a time, without losing data.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use self::system::{READ_TICK, Timer};

/// The longest wait of a write. So often a blocked upload looks if the response is there already.
/// The system does not say when in this time it took what it took, so an idle timeout may come
/// later by as much.
pub(super) const WRITE_TICK: Duration = Duration::from_millis(50);

/// The shortest wait. Systems take zero for no limit.
const SHORTEST: Duration = Duration::from_millis(1);

/// A TCP connection of which a blocked read or write returns `WouldBlock` after a while. The caller
/// then looks at its limits and goes on: nothing was read or written.
#[derive(Debug)]
pub(super) struct Stream(TcpStream);

/// Waits for a direction of a stream.
#[derive(Debug, Default)]
pub(super) struct Waiting(Timer);

impl Stream {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        system::prepare(&stream)?;
        Ok(Self(stream))
    }

    /// Reads what is there, and waits for it no longer than `left` (`None`: without a limit).
    pub(super) fn read(
        &self,
        waiting: &mut Waiting,
        left: Option<Duration>,
        buf: &mut [u8],
    ) -> io::Result<usize> {
        let left = left.map(|left| left.clamp(SHORTEST, READ_TICK));
        system::read(&self.0, &mut waiting.0, left, |mut stream| stream.read(buf))
    }

    /// Writes what the system takes, and waits no longer than `left` until it takes something.
    pub(super) fn write(
        &self,
        waiting: &mut Waiting,
        left: Duration,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let left = left.clamp(SHORTEST, WRITE_TICK);
        system::write(&self.0, &mut waiting.0, left, |mut stream| {
            stream.write(bytes)
        })
    }

    /// Shows what can be read without waiting, and leaves it there.
    pub(super) fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        system::at_once(&self.0, |stream| stream.peek(buf))
    }

    /// Ends both directions. Wakes what is blocked, on Windows after [`READ_TICK`] at the latest.
    pub(super) fn shutdown(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Both)
    }
}

/// The timeouts of the socket.
#[cfg(not(windows))]
mod system {
    use super::{Duration, TcpStream, WRITE_TICK, io};

    /// The longest wait of a read that has a limit. The timeout of the socket is then the same from
    /// one wait to the next and needs no system call, except near the end. With one for each wait,
    /// a small request with a deadline takes 1.4 to 2.1 µs more of 15.
    pub(super) const READ_TICK: Duration = Duration::from_secs(1);

    /// A timeout of the socket, as it was last set.
    #[derive(Debug, Default)]
    pub(super) struct Timer(Option<Duration>);

    impl Timer {
        /// Ensures that a wait ends within `left` (`None`: need not end), with as few system calls
        /// as possible. It may end before.
        fn set(
            &mut self,
            left: Option<Duration>,
            tick: Duration,
            set: impl FnOnce(Option<Duration>) -> io::Result<()>,
        ) -> io::Result<()> {
            let good = match (self.0, left) {
                (Some(current), Some(left)) => current == left,
                // A wait that need not end is simply begun again.
                (current, None) => current.is_none_or(|current| current >= tick),
                (None, Some(_)) => false,
            };
            if !good {
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

    pub(super) fn at_once<T>(
        stream: &TcpStream,
        act: impl FnOnce(&TcpStream) -> io::Result<T>,
    ) -> io::Result<T> {
        stream.set_nonblocking(true)?;
        let done = act(stream);
        stream.set_nonblocking(false)?;
        done
    }
}

/// Non-blocking sockets and `WSAPoll`. The timeouts of sockets are of no use on Windows: after one,
/// "the socket state is indeterminate" and data may be lost (Winsock, `SO_RCVTIMEO`), and each is
/// half a second longer than it was set to.
#[cfg(windows)]
mod system {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::{Duration, TcpStream, WRITE_TICK, io};

    /// The longest wait of a read. Winsock does not say that `shutdown` wakes what waits in another
    /// thread, so whether the call was cancelled is looked at as often.
    pub(super) const READ_TICK: Duration = WRITE_TICK;

    #[derive(Debug, Default)]
    pub(super) struct Timer;

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

    /// Acts, after a wait if necessary.
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

    pub(super) fn at_once<T>(
        stream: &TcpStream,
        act: impl FnOnce(&TcpStream) -> io::Result<T>,
    ) -> io::Result<T> {
        act(stream)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::WouldBlock;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn pair() -> io::Result<(Stream, TcpStream)> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let stream = Stream::new(TcpStream::connect(listener.local_addr()?)?)?;
        Ok((stream, listener.accept()?.0))
    }

    #[test]
    fn write_goes_on_after_waits_and_everything_arrives_once() -> io::Result<()> {
        let (stream, other) = pair()?;
        let sent: Vec<u8> = (0..4_u32 << 20).flat_map(u32::to_le_bytes).collect();
        let mut waiting = Waiting::default();
        let (mut rest, mut waits, mut reader) = (&*sent, 0, None);
        while !rest.is_empty() {
            match stream.write(&mut waiting, SHORTEST, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == WouldBlock => {
                    waits += 1;
                    // The other side begins to read after two waits in a row.
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
    fn read_waits_for_data_and_returns_without_them_after_a_while() -> io::Result<()> {
        let (stream, mut other) = pair()?;
        let (mut waiting, mut buf) = (Waiting::default(), [0; 4]);
        let mut read = |buf: &mut [u8]| stream.read(&mut waiting, Some(SHORTEST), buf);
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
