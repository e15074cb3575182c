//! Finding a host and connecting to it, within the limits of a call.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ::ureq::config::Config;
use ::ureq::http::Uri;
use ::ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ::ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};
use ::ureq::{Error, Timeout};
use socket2::{SockRef, TcpKeepalive};

use super::buffers::Sparse;
use super::call;
use super::proxy::{Address, Proxies, ProxyError};
use super::socket::{Socket, Wire};
use crate::{CallLimits, Phase, Stopped, threads};

/// Finds nothing: ureq asks before it looks for an idle connection, so that each request would pay for a search (`getaddrinfo`, 15 µs
/// for `localhost`) which only a new connection needs. [`Dial`] asks then.
#[derive(Debug)]
pub(super) struct Later;

impl Resolver for Later {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

/// Opens connections, to the hub or through a proxy.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) proxies: Proxies,
    /// The silence after which the other side is probed.
    pub(super) keep_alive: Option<Duration>,
}

impl Connector for Dial {
    type Out = Socket;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Socket>, Error> {
        let host = details.uri.scheme().zip(details.uri.authority());
        let host =
            host.and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority));
        let host = host.ok_or_else(|| Error::BadUri(details.uri.to_string()))?;
        let limits = call::current(|call| call.limits.clone());
        let (proxy, begin) = (self.proxies.to(details.uri)?, Instant::now());

        let resolved = Arc::<OnceLock<Instant>>::default();
        let target = proxy.map_or_else(|| host.clone(), Address::host_and_port);
        let stream = dial(target, details.timeout, &limits, &resolved);
        call::current(|call| {
            resolved
                .get()
                .into_iter()
                .for_each(|at| call.pass(Phase::Connect, *at))
        });
        let stream = stream.map_err(|error| match proxy {
            Some(proxy) => ProxyError::unreachable(proxy, error),
            None => error,
        });
        let stream = stream?;
        if let Some(silence) = self.keep_alive {
            keep_alive(&stream, silence)?;
        }
        let wire = Wire::new(stream)?;
        wire.serve(limits);
        call::current(|call| call.wire = Some(wire.clone()));
        let buffers = Sparse::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        let mut socket = Socket::new(wire, buffers);
        if let Some(proxy) = proxy {
            proxy.lead(&mut socket, &host, details.timeout, begin)?;
        }
        if details.needs_tls() {
            call::current(|call| call.pass(Phase::Tls, Instant::now()));
        }
        Ok(Some(socket))
    }
}

/// Linux refuses more.
const LONGEST_SILENCE: Duration = Duration::from_secs(32_767);

/// Has the system probe the other side after so long a silence, so that a link that is cut without
/// a word ends what waits for something to come.
fn keep_alive(stream: &TcpStream, silence: Duration) -> io::Result<()> {
    // The system counts in seconds, and takes zero for none.
    let silence = silence.clamp(Duration::from_secs(1), LONGEST_SILENCE);
    let probes = TcpKeepalive::new().with_time(silence);
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    let probes = probes
        .with_interval((silence / PROBES).max(Duration::from_secs(1)))
        .with_retries(PROBES);
    // Here their number is fixed, except on the newest versions.
    #[cfg(windows)]
    let probes = probes.with_interval(silence / PROBES);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}

/// After so many unanswered probes, the connection is lost. They take as long as the silence before
/// them.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    windows
))]
const PROBES: u32 = if cfg!(windows) { 10 } else { 3 };

/// Tells in `resolved` when the host was found.
fn dial(
    host: String,
    timeout: NextTimeout,
    limits: &CallLimits,
    resolved: &Arc<OnceLock<Instant>>,
) -> Result<TcpStream, Error> {
    let now = Instant::now();
    let timed_out = Error::Timeout(Timeout::Connect);
    let theirs = now.checked_add(*timeout.after);
    // Nothing moves while connecting: the idle timeout counts from its beginning.
    let (end, timed_out) = match (limits.end_of_wait(now), theirs) {
        (Some((ours, _)), Some(theirs)) if theirs < ours => (Some(theirs), timed_out),
        (Some((ours, stopped)), _) => (Some(ours), Error::Io(stopped.into())),
        (None, theirs) => (theirs, timed_out),
    };
    let stream = match &limits.cancel {
        // The search for a name cannot be bounded; what connects to an address can.
        None if limits.is_none() || host.parse::<SocketAddr>().is_ok() => {
            open(&host, end, resolved)
        }
        _ => open_aside(host, end, limits, Arc::clone(resolved)),
    };
    match stream {
        Err(error) if error.kind() == ErrorKind::TimedOut && error.get_ref().is_none() => {
            Err(timed_out)
        }
        stream => Ok(stream?),
    }
}

/// Connects on another thread, so that neither name resolution nor an address that does not answer
/// can hold this one. Only for a new connection of a call with limits. A connection that comes too
/// late is closed.
///
/// If there is no thread to be had, connects on this one: cancelling then takes effect afterwards.
fn open_aside(
    host: String,
    end: Option<Instant>,
    limits: &CallLimits,
    resolved: Arc<OnceLock<Instant>>,
) -> io::Result<TcpStream> {
    let (tell, told) = channel();
    let _hook = limits.cancel.as_ref().map(|token| {
        let tell = tell.clone();
        token.on_cancel(move || drop(tell.send(Err(Stopped::Cancelled.into()))))
    });
    let (name, found) = (host.clone(), Arc::clone(&resolved));
    let connect = move || drop(tell.send(open(&name, end, &found)));
    if threads::start("scramjet-connect", connect).is_err() {
        return open(&host, end, &resolved);
    }
    match end {
        // The other thread always tells.
        None => told
            .recv()
            .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())),
        Some(end) => match told.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(ErrorKind::TimedOut.into())
            }
            Ok(result) => result,
        },
    }
}

/// Connects to the first address that answers. Each gets half of the time that is left, so that one which does not answer leaves
/// some to the next, and the last one gets all of it.
fn open(host: &str, end: Option<Instant>, resolved: &OnceLock<Instant>) -> io::Result<TcpStream> {
    let mut addresses = host.to_socket_addrs()?.peekable();
    if addresses.peek().is_none() {
        return Err(io::Error::new(
            ErrorKind::NotFound,
            format!("{host} has no address"),
        ));
    }
    // Nobody else sets it.
    let _ = resolved.set(Instant::now());
    let mut last = None;
    while let Some(address) = addresses.next() {
        let opened = match end {
            None => TcpStream::connect(address),
            Some(end) => {
                let left = end.saturating_duration_since(Instant::now());
                let left = if addresses.peek().is_some() {
                    left / 2
                } else {
                    left
                };
                if left < Duration::from_micros(1) {
                    return Err(last.unwrap_or_else(|| ErrorKind::TimedOut.into()));
                }
                TcpStream::connect_timeout(&address, left)
            }
        };
        match opened {
            Ok(stream) => {
                // A line that somebody types is to arrive when it is typed.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| ErrorKind::NotFound.into()))
}
