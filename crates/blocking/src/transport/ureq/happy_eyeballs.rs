//! Connects to a host with several addresses ("Happy Eyeballs", RFC 8305).

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::limits::call_limits::StopReason;
use crate::limits::cancel::CancelToken;
use crate::support::channel::channel;

/// Delay between the starts of two attempts, as RFC 8305 recommends.
pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to the address that responds first.
///
/// The attempt for each address starts `delay` after the previous one, or as soon as an attempt
/// fails. Earlier attempts continue meanwhile. If the time until `end` is too short for all
/// addresses, the delay is shorter.
///
/// Needs no thread. If only one attempt is pending and the call cannot be cancelled, the operating
/// system waits for it (`poll`). Otherwise this function checks all attempts at intervals, because
/// the standard library cannot wait for several sockets.
///
/// # Errors
/// All attempts have failed (the error of the last one), the time is over (`TimedOut`), or the call
/// was cancelled (a [`StopReason`]).
pub(super) fn connect(
    addresses: Vec<SocketAddr>,
    end: Option<Instant>,
    cancel: Option<&CancelToken>,
    delay: Duration,
) -> io::Result<TcpStream> {
    // Without a token, the sender only keeps the channel open.
    let (wake, woken) = channel();
    let _hook = cancel.map(|token| {
        let wake = wake.clone();
        token.on_cancel(move || wake.send(()))
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
        if !is_next_due
            && woken
                .recv_timeout(check_interval(started.elapsed()).min(left))
                .is_ok()
        {
            return Err(StopReason::Cancelled.into());
        }
    }
}

/// An attempt to connect that has not failed.
enum Attempt {
    Connected(Socket),
    Pending(Socket),
}

/// Starts to connect, and waits up to `wait` for the result.
fn attempt(address: SocketAddr, wait: Duration) -> io::Result<Attempt> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    match socket.connect_timeout(&address.into(), wait) {
        Ok(()) => Ok(Attempt::Connected(socket)),
        // `socket` is still connecting. A timeout of the operating system has an error code.
        Err(error) if error.kind() == ErrorKind::TimedOut && error.raw_os_error().is_none() => {
            Ok(Attempt::Pending(socket))
        }
        Err(error) => Err(error),
    }
}

/// Returns `true` if a pending attempt has succeeded.
///
/// # Errors
/// The attempt has failed.
fn is_connected(socket: &Socket) -> io::Result<bool> {
    match socket.take_error()? {
        Some(error) => Err(error),
        None => Ok(socket.peer_addr().is_ok()),
    }
}

fn finish(socket: Socket) -> io::Result<TcpStream> {
    socket.set_nonblocking(false)?;
    // Small writes, such as typed lines, must be sent at once.
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// Returns the pause before the next check of the pending attempts: a small part of the time since
/// the last attempt started, so that checks are few and delay connecting little.
fn check_interval(elapsed: Duration) -> Duration {
    (elapsed / 16).clamp(Duration::from_micros(50), Duration::from_millis(10))
}

/// Alternates between IPv6 and IPv4. Begins with the family that the operating system prefers.
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
mod tests;
