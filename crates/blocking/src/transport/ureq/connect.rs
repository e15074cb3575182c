//! Opens connections: to the hub, to a proxy, or through the tunnel of a proxy.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::ureq::unversioned::resolver::DefaultResolver;
use ::ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};
use ::ureq::{Error, Timeout};
use socket2::{SockRef, TcpKeepalive};

use super::happy_eyeballs::{self, ATTEMPT_DELAY};
use super::lazy_buffers::LazyBuffers;
use super::proxy::{ForwardProxy, ProxyAddress, ProxyError, ProxySelector, open_tunnel};
use super::resolve::resolve;
use super::send_context;
use super::shared_socket::SharedSocket;
use super::socket::Socket;
use crate::limits::call_limits::CallLimits;
use crate::transport::Phase;

/// Opens connections within the limits of the call.
#[derive(Debug)]
pub(super) struct TcpConnector {
    pub(super) proxies: ProxySelector,
    /// Time without data before the first keep-alive probe.
    pub(super) keep_alive: Option<Duration>,
}

impl Connector for TcpConnector {
    type Out = Socket;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Socket>, Error> {
        let hub = details.uri.scheme().zip(details.uri.authority());
        let hub =
            hub.and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority));
        let hub = hub.ok_or_else(|| Error::BadUri(details.uri.to_string()))?;
        let limits = send_context::with(|context| context.limits.clone());
        let (proxy, begin) = (self.proxies.select(details.uri)?, Instant::now());

        let target = proxy.map_or_else(|| hub.clone(), ProxyAddress::host_and_port);
        let stream = open(target, details.timeout, &limits).map_err(|error| match proxy {
            Some(proxy) => ProxyError::unreachable(proxy, error),
            None => error,
        })?;
        if let Some(idle) = self.keep_alive {
            enable_keep_alive(&stream, idle)?;
        }
        let shared = SharedSocket::new(stream)?;
        shared.begin_call(limits);
        send_context::with(|context| context.socket = Some(Arc::clone(&shared)));
        let mut buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        if proxy.is_some() {
            // The head becomes longer, and must still fit.
            buffers.grow_output(usize::MAX);
        }
        let mut socket = Socket::new(shared, buffers);
        match (proxy, details.uri.authority()) {
            (Some(proxy), Some(authority)) if !details.needs_tls() => {
                let forward_proxy = Arc::new(ForwardProxy::new(proxy, authority.as_str()));
                send_context::with(|context| context.forward_proxy = Some(forward_proxy));
            }
            (Some(proxy), _) => open_tunnel(proxy, &mut socket, &hub, details.timeout, begin)?,
            (None, _) => {}
        }
        if details.needs_tls() {
            send_context::with(|context| context.enter(Phase::Tls, Instant::now()));
        }
        Ok(Some(socket))
    }
}

/// Resolves `host:port` and connects to one of its addresses.
fn open(host: String, timeout: NextTimeout, limits: &CallLimits) -> Result<TcpStream, Error> {
    let now = Instant::now();
    let timed_out = Error::Timeout(Timeout::Connect);
    let timeout_end = now.checked_add(*timeout.after);
    // The idle timeout counts from here, because connecting transfers no data.
    let (end, timed_out) = match (limits.end_of_wait(now), timeout_end) {
        (Some((call_end, _)), Some(timeout_end)) if timeout_end < call_end => {
            (Some(timeout_end), timed_out)
        }
        (Some((call_end, reason)), _) => (Some(call_end), Error::Io(reason.into())),
        (None, timeout_end) => (timeout_end, timed_out),
    };
    let stream = resolve(host, end, limits).and_then(|addresses| {
        send_context::with(|context| context.enter(Phase::Connect, Instant::now()));
        happy_eyeballs::connect(addresses, end, limits.cancel.as_ref(), ATTEMPT_DELAY)
    });
    match stream {
        // A timeout of the operating system has an error code, and may be shorter.
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

/// The longest keep-alive time that Linux accepts.
const MAX_KEEP_ALIVE: Duration = Duration::from_secs(32_767);

/// Number of unanswered probes after which the connection is lost. All of them together take as
/// long as the time before the first one.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    windows
))]
const PROBES: u32 = if cfg!(windows) { 10 } else { 3 };

/// Makes the operating system probe the connection after `idle` without data. Without probes, a
/// read would wait forever after the link was interrupted.
fn enable_keep_alive(stream: &TcpStream, idle: Duration) -> io::Result<()> {
    // The operating system counts in whole seconds.
    let idle = idle.clamp(Duration::from_secs(1), MAX_KEEP_ALIVE);
    let probes = TcpKeepalive::new().with_time(idle);
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    let probes = probes
        .with_interval((idle / PROBES).max(Duration::from_secs(1)))
        .with_retries(PROBES);
    // Windows fixes the number of probes, except in its newest versions.
    #[cfg(windows)]
    let probes = probes.with_interval(idle / PROBES);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}
