//! Finding a host and connecting to it, within the limits of a call.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use ::ureq::config::Config;
use ::ureq::http::Uri;
use ::ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ::ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};
use ::ureq::{Error, Timeout};
use socket2::{SockRef, TcpKeepalive};

use super::buffers::Sparse;
use super::call;
use super::proxy::{Address, Forward, Proxies, ProxyError};
use super::race::{self, ATTEMPT_DELAY};
use super::socket::{Socket, Wire};
use crate::limits::call_limits::{CallLimits, StopReason};
use crate::support::threads;
use crate::transport::Phase;

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

        let target = proxy.map_or_else(|| host.clone(), Address::host_and_port);
        let stream = dial(target, details.timeout, &limits).map_err(|error| match proxy {
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
        match (proxy, details.uri.authority()) {
            (Some(proxy), Some(authority)) if !details.needs_tls() => {
                let forward = Arc::new(Forward::new(proxy, authority.as_str()));
                call::current(|call| call.forward = Some(forward));
            }
            (Some(proxy), _) => proxy.lead(&mut socket, &host, details.timeout, begin)?,
            (None, _) => {}
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

/// Resolves the host and connects to one of its addresses.
fn dial(host: String, timeout: NextTimeout, limits: &CallLimits) -> Result<TcpStream, Error> {
    let now = Instant::now();
    let timed_out = Error::Timeout(Timeout::Connect);
    let theirs = now.checked_add(*timeout.after);
    // Nothing moves while connecting: the idle timeout counts from its beginning.
    let (end, timed_out) = match (limits.end_of_wait(now), theirs) {
        (Some((ours, _)), Some(theirs)) if theirs < ours => (Some(theirs), timed_out),
        (Some((ours, stopped)), _) => (Some(ours), Error::Io(stopped.into())),
        (None, theirs) => (theirs, timed_out),
    };
    let stream = addresses(host, end, limits).and_then(|addresses| {
        call::current(|call| call.pass(Phase::Connect, Instant::now()));
        race::connect(addresses, end, limits.cancel.as_ref(), ATTEMPT_DELAY)
    });
    match stream {
        // Not the system's own timeout, which may come earlier.
        Err(error)
            if error.kind() == ErrorKind::TimedOut
                && error.get_ref().is_none()
                && error.raw_os_error().is_none() =>
        {
            Err(timed_out)
        }
        stream => Ok(stream?),
    }
}

/// Resolves a host, within the limits of the call: the system cannot be stopped while it resolves
/// a name, so for a call with limits, that happens on another thread.
///
/// If a thread cannot be created, the name is resolved on this one: cancelling then takes effect
/// afterwards.
fn addresses(
    host: String,
    end: Option<Instant>,
    limits: &CallLimits,
) -> io::Result<Vec<SocketAddr>> {
    if limits.is_none() || host.parse::<SocketAddr>().is_ok() {
        return resolve(&host);
    }
    let (tell, told) = channel();
    let _hook = limits.cancel.as_ref().map(|token| {
        let tell = tell.clone();
        token.on_cancel(move || drop(tell.send(Err(StopReason::Cancelled.into()))))
    });
    let name = host.clone();
    let work = move || drop(tell.send(resolve(&name)));
    if threads::start("scramjet-resolve", work).is_err() {
        return resolve(&host);
    }
    let result = match end {
        None => told.recv().ok(),
        Some(end) => told
            .recv_timeout(end.saturating_duration_since(Instant::now()))
            .ok(),
    };
    // The other thread always tells, unless the time is up.
    result.unwrap_or_else(|| Err(ErrorKind::TimedOut.into()))
}

fn resolve(host: &str) -> io::Result<Vec<SocketAddr>> {
    let addresses: Vec<_> = host.to_socket_addrs()?.collect();
    if addresses.is_empty() {
        let words = format!("{host} has no address");
        return Err(io::Error::new(ErrorKind::NotFound, words));
    }
    Ok(addresses)
}
