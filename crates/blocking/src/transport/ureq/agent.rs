//! Builds the ureq agent of a transport.

use std::time::Duration;

use ::ureq::Agent;
use ::ureq::config::ConfigBuilder;
use ::ureq::typestate::AgentScope;
use ::ureq::unversioned::transport::Connector;
use scramjet_client_core::RequestError;

use super::config::{USER_AGENT, UreqConfig};
use super::connect::TcpConnector;
use super::monitor::{MAX_IDLE, MonitorConnector};
use super::proxy::ProxySelector;
use super::resolve::LazyResolver;
use super::tls::{self, TlsConnector};

/// Size of the input and of the output buffer, and so the upper bound for one read or write.
///
/// With it, an upload from a reader reaches 0.85 of the speed of a bare socket, and a download of
/// known length 0.86. With ureq's default of 128 KiB these are 0.78 and 0.77. Larger buffers help
/// little. [`LazyBuffers`](super::lazy_buffers::LazyBuffers) use memory only as far as they are
/// filled.
const BUFFER_SIZE: usize = 256 << 10;

/// A hundred years. Longer timeouts are disabled, because ureq adds a timeout to the current time,
/// which may overflow.
const MAX_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The shortest timeout. ureq treats zero as no timeout.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// Builds an agent with these options.
pub(super) fn build(config: &UreqConfig) -> Result<Agent, RequestError> {
    let builder = tls::configure(config, Agent::config_builder())?;
    Ok(with(config, builder, ProxySelector::new(&config.proxy)?))
}

/// Like [`build`] with the default options, which cannot fail.
pub(super) fn build_default() -> Agent {
    with(
        &UreqConfig::default(),
        tls::configure_default(Agent::config_builder()),
        ProxySelector::default(),
    )
}

fn with(config: &UreqConfig, builder: ConfigBuilder<AgentScope>, proxies: ProxySelector) -> Agent {
    let connect_timeout = config
        .connect_timeout
        .filter(|timeout| *timeout < MAX_TIMEOUT)
        .map(|timeout| timeout.max(MIN_TIMEOUT));
    let keep_alive = config.tcp_keep_alive;
    let config = builder
        .http_status_as_error(false)
        .max_redirects(0)
        // `TcpConnector` chooses the proxy.
        .proxy(None)
        .accept_encoding("")
        .user_agent(USER_AGENT)
        // Each connection has an idle limit of its own: see `monitor/reuse.rs`.
        .max_idle_age(MAX_IDLE)
        // With ureq's 3 per host, 16 threads open 263 connections for 320 requests. With one
        // per thread they open 16.
        .max_idle_connections(config.max_idle_connections)
        .max_idle_connections_per_host(config.max_idle_connections)
        .timeout_connect(connect_timeout)
        .input_buffer_size(BUFFER_SIZE)
        .output_buffer_size(BUFFER_SIZE)
        // No other timeouts, because a response may take days. A global timeout would also make
        // ureq create a thread for name resolution in each request: 97 to 153 µs of CPU time,
        // instead of 14 to 17 for the whole request.
        .build();
    let connector = TcpConnector {
        proxies,
        keep_alive,
    };
    let connector = connector
        .chain(TlsConnector::default())
        .chain(MonitorConnector);
    Agent::with_parts(config, connector, LazyResolver)
}
