//! Connects to a host with several addresses: "Happy Eyeballs", RFC 8305.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::limits::call_limits::StopReason;
use crate::limits::cancel::CancelToken;

/// The time that an address has before the next one is tried as well, as RFC 8305 recommends.
pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to the address that answers first. Each address is tried `delay` after the one before
/// it, or as soon as that one fails; the attempts before it go on. The delay is shorter if the time
/// until `end` is not enough for all of them.
///
/// Needs no thread. Usually it waits for one socket, with the system's `poll`. If several are
/// pending, or the call can be cancelled, it looks at them in turn: the standard library cannot
/// wait for several sockets.
pub(super) fn connect(
    addresses: Vec<SocketAddr>,
    end: Option<Instant>,
    cancel: Option<&CancelToken>,
    delay: Duration,
) -> io::Result<TcpStream> {
    // Without a token, the sender only keeps the receiver waiting.
    let (wake, woken) = channel();
    let _hook = cancel.map(|token| {
        let wake = wake.clone();
        token.on_cancel(move || wake.send(()).unwrap_or_default())
    });
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let delay = end.map_or(delay, |end| {
        let left = end.saturating_duration_since(Instant::now());
        delay.min(left / count)
    });
    let mut addresses = interleave(addresses).into_iter().peekable();
    let mut pending = Vec::new();
    let mut last_error = io::Error::from(ErrorKind::NotFound);
    let mut started = Instant::now();
    let mut is_next_due = true;
    loop {
        let now = Instant::now();
        let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(now));
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        if is_next_due || now.saturating_duration_since(started) >= delay {
            is_next_due = false;
            if let Some(address) = addresses.next() {
                started = now;
                let wait = match addresses.peek() {
                    _ if cancel.is_some() || !pending.is_empty() => Duration::ZERO,
                    None => left,
                    Some(_) => left.min(delay),
                };
                match attempt(address, wait) {
                    Ok(Attempt::Connected(socket)) => return finish(socket),
                    Ok(Attempt::Pending(socket)) => pending.push(socket),
                    Err(error) => {
                        last_error = error;
                        is_next_due = true;
                    }
                }
            }
        }
        let mut unfinished = Vec::new();
        for socket in pending {
            match is_connected(&socket) {
                Ok(true) => return finish(socket),
                Ok(false) => unfinished.push(socket),
                Err(error) => {
                    last_error = error;
                    is_next_due = true;
                }
            }
        }
        pending = unfinished;
        if pending.is_empty() && addresses.peek().is_none() {
            return Err(last_error);
        }
        if !is_next_due && woken.recv_timeout(nap(started.elapsed()).min(left)).is_ok() {
            return Err(StopReason::Cancelled.into());
        }
    }
}

/// An attempt that has not failed yet.
enum Attempt {
    Connected(Socket),
    Pending(Socket),
}

/// Begins to connect, and waits for so long.
fn attempt(address: SocketAddr, wait: Duration) -> io::Result<Attempt> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    match socket.connect_timeout(&address.into(), wait) {
        Ok(()) => Ok(Attempt::Connected(socket)),
        // Not the system's own timeout, which has a number: `socket` is still connecting.
        Err(error) if error.kind() == ErrorKind::TimedOut && error.raw_os_error().is_none() => {
            Ok(Attempt::Pending(socket))
        }
        Err(error) => Err(error),
    }
}

/// Checks on a pending attempt.
///
/// # Errors
/// It failed.
fn is_connected(socket: &Socket) -> io::Result<bool> {
    match socket.take_error()? {
        Some(error) => Err(error),
        None => Ok(socket.peer_addr().is_ok()),
    }
}

fn finish(socket: Socket) -> io::Result<TcpStream> {
    socket.set_nonblocking(false)?;
    // A line that somebody types is to arrive when it is typed.
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// The pause between looks at attempts, the last of which began so long ago: a small part of that,
/// so that connecting takes hardly longer.
fn nap(elapsed: Duration) -> Duration {
    (elapsed / 16).clamp(Duration::from_micros(50), Duration::from_millis(10))
}

/// Alternates between IPv6 and IPv4, beginning with the family that the system prefers.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return mixed;
        }
        mixed.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use super::*;

    const NEVER: Duration = Duration::from_secs(3600);

    /// A listener at which connecting gets no answer, because its queue is full. (Linux)
    struct Dead {
        listener: Socket,
        address: SocketAddr,
        _queue: Vec<Attempt>,
    }

    impl Dead {
        fn listen() -> io::Result<Self> {
            let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
            listener.listen(0)?;
            let address = listener.local_addr()?.as_socket();
            let address = address.ok_or(ErrorKind::AddrNotAvailable)?;
            let mut queue = Vec::new();
            loop {
                // On loopback, connections that are accepted are accepted at once.
                let next = attempt(address, Duration::from_millis(100))?;
                let is_full = matches!(next, Attempt::Pending(_));
                queue.push(next);
                if is_full {
                    break;
                }
            }
            Ok(Self {
                listener,
                address,
                _queue: queue,
            })
        }
    }

    fn refused() -> io::Result<SocketAddr> {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
    }

    fn live() -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    /// Longer than any test waits.
    fn in_30_s() -> Option<Instant> {
        Instant::now().checked_add(Duration::from_secs(30))
    }

    /// Without and with a token, which are two ways to wait.
    fn tokens() -> [Option<CancelToken>; 2] {
        [None, Some(CancelToken::new())]
    }

    #[test]
    fn an_address_that_does_not_answer_delays_the_next_one_by_250_ms() -> io::Result<()> {
        let dead = [Dead::listen()?, Dead::listen()?];
        let (_listener, live) = live()?;
        for token in tokens() {
            let begin = Instant::now();
            let addresses = vec![dead[0].address, dead[1].address, live];
            let stream = connect(addresses, in_30_s(), token.as_ref(), ATTEMPT_DELAY)?;
            assert_eq!(stream.peer_addr()?, live);
            assert!(begin.elapsed() >= 2 * ATTEMPT_DELAY);
            assert!(stream.nodelay()?);
        }
        Ok(())
    }

    #[test]
    fn each_address_has_its_turn_before_the_end() -> io::Result<()> {
        let (dead, (_listener, live)) = (Dead::listen()?, live()?);
        let mut addresses = vec![dead.address, live];
        addresses.extend([dead.address; 98]);
        for token in tokens() {
            let stream = connect(addresses.clone(), in_30_s(), token.as_ref(), NEVER)?;
            assert_eq!(stream.peer_addr()?, live);
        }
        Ok(())
    }

    #[test]
    fn an_address_that_refuses_does_not_delay_the_next_one() -> io::Result<()> {
        let (refused, dead, (_listener, live)) = (refused()?, Dead::listen()?, live()?);
        for token in tokens() {
            let stream = connect(vec![refused, live], in_30_s(), token.as_ref(), NEVER)?;
            assert_eq!(stream.peer_addr()?, live);
            // Nor one that is tried while another is pending.
            let addresses = vec![dead.address, refused, live];
            let delay = Duration::from_millis(20);
            let stream = connect(addresses, in_30_s(), token.as_ref(), delay)?;
            assert_eq!(stream.peer_addr()?, live);
        }
        Ok(())
    }

    #[test]
    fn an_attempt_goes_on_while_others_are_made() -> io::Result<()> {
        let dead = [Dead::listen()?, Dead::listen()?];
        let addresses = dead.iter().map(|dead| dead.address).collect();
        let delay = Duration::from_millis(1);
        let connecting = thread::spawn(move || connect(addresses, in_30_s(), None, delay));
        // Only so that both attempts are pending: earlier, the first one succeeds at once.
        thread::sleep(Duration::from_millis(50));
        // The queue has room again. Linux asks again after a second.
        let _accepted = dead[0].listener.accept()?;
        let _accepted = dead[0].listener.accept()?;
        let stream = connecting.join().unwrap_or_else(|_| unreachable!())?;
        assert_eq!(stream.peer_addr()?, dead[0].address);
        Ok(())
    }

    #[test]
    fn connecting_ends_in_time() -> io::Result<()> {
        let (first, second, refused) = (Dead::listen()?, Dead::listen()?, refused()?);
        let kind = |addresses: &[SocketAddr], token: Option<&CancelToken>| {
            let end = Instant::now() + Duration::from_millis(50);
            let delay = Duration::from_millis(10);
            let result = connect(addresses.to_vec(), Some(end), token, delay);
            assert!(result.is_ok() || Instant::now() >= end || addresses == [refused; 2]);
            result.err().map(|error| error.kind())
        };
        for token in tokens() {
            let token = token.as_ref();
            let timed_out = Some(ErrorKind::TimedOut);
            assert_eq!(kind(&[first.address], token), timed_out);
            assert_eq!(kind(&[first.address, second.address], token), timed_out);
            assert_eq!(kind(&[refused, first.address], token), timed_out);
            assert_eq!(kind(&[first.address, refused], token), timed_out);
            assert_eq!(
                kind(&[refused; 2], token),
                Some(ErrorKind::ConnectionRefused)
            );
        }
        Ok(())
    }

    #[test]
    fn connecting_can_be_cancelled() -> io::Result<()> {
        let (first, second, refused) = (Dead::listen()?, Dead::listen()?, refused()?);
        for addresses in [
            vec![first.address],
            vec![first.address, second.address],
            // The last one fails while another is pending.
            vec![first.address, refused],
            vec![first.address, refused, second.address, refused],
        ] {
            let token = CancelToken::new();
            let connecting = thread::spawn({
                let token = token.clone();
                move || connect(addresses, in_30_s(), Some(&token), Duration::from_millis(1))
            });
            // Only so that the attempts are made: earlier, the first of them is cancelled.
            thread::sleep(Duration::from_millis(20));
            token.cancel();
            let result = connecting.join().unwrap_or_else(|_| unreachable!());
            let error = result.err().and_then(io::Error::into_inner);
            let stopped = error.and_then(|error| error.downcast::<StopReason>().ok());
            assert_eq!(stopped.as_deref(), Some(&StopReason::Cancelled));
        }
        Ok(())
    }

    #[test]
    fn families_alternate() {
        let mixed = |given: &[&str]| -> Vec<String> {
            let parsed = given.iter().filter_map(|ip| format!("{ip}:1").parse().ok());
            let mixed = interleave(parsed.collect());
            mixed
                .iter()
                .map(|address| address.ip().to_string())
                .collect()
        };
        assert_eq!(
            mixed(&["[::1]", "[::2]", "[::3]", "1.1.1.1", "2.2.2.2"]),
            ["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"]
        );
        assert_eq!(
            mixed(&["1.1.1.1", "2.2.2.2", "[::1]"]),
            ["1.1.1.1", "::1", "2.2.2.2"]
        );
        assert_eq!(mixed(&["1.1.1.1", "2.2.2.2"]), ["1.1.1.1", "2.2.2.2"]);
        assert!(mixed(&[]).is_empty());
    }
}
