//! Name resolution within the limits of a call.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Instant;

use ::ureq::Error;
use ::ureq::config::Config;
use ::ureq::http::Uri;
use ::ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ::ureq::unversioned::transport::NextTimeout;

use crate::limits::call_limits::{CallLimits, StopReason};
use crate::support::channel::channel;
use crate::support::threads;

/// A resolver for ureq that resolves nothing. ureq calls its resolver before it looks for an idle
/// connection, so each request would pay for name resolution (`getaddrinfo`, 15 µs for
/// `localhost`). `TcpConnector` calls [`resolve`] instead, only for new connections.
#[derive(Debug)]
pub(super) struct LazyResolver;

impl Resolver for LazyResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

/// Resolves `host:port` until `end`, within the limits of the call. The operating system's name
/// resolution cannot be interrupted, so calls with limits run it on another thread.
///
/// If that thread cannot be created, name resolution runs on this thread, and a cancellation takes
/// effect after it.
pub(super) fn resolve(
    host: String,
    end: Option<Instant>,
    limits: &CallLimits,
) -> io::Result<Vec<SocketAddr>> {
    if limits.is_none() || host.parse::<SocketAddr>().is_ok() {
        return lookup(&host);
    }
    let (sender, receiver) = channel();
    let _hook = limits.cancel.as_ref().map(|token| {
        let sender = sender.clone();
        token.on_cancel(move || sender.send(Err(StopReason::Cancelled.into())))
    });
    let name = host.clone();
    let work = move || sender.send(lookup(&name));
    if threads::start("scramjet-resolve", work).is_err() {
        return lookup(&host);
    }
    // The other thread always sends a result, so a missing one means that the time is over.
    receiver
        .recv_until(end)
        .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

fn lookup(host: &str) -> io::Result<Vec<SocketAddr>> {
    let addresses: Vec<_> = host.to_socket_addrs()?.collect();
    if addresses.is_empty() {
        let message = format!("{host} has no address");
        return Err(io::Error::new(ErrorKind::NotFound, message));
    }
    Ok(addresses)
}
