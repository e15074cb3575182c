//! The settings of a [`UreqTransport`](super::UreqTransport), and the agent that they make.

use std::fmt;
use std::time::Duration;

use ::ureq::Agent;
use ::ureq::unversioned::transport::Connector;
use scramjet_client_core::RequestError;

use super::connect::{Dial, Later};
use super::proxy::{Proxies, Proxy};
use super::tls::{self, ClientCertificate, Encrypt, TlsBackend};
use super::watch::{LONGEST_IDLE, Watch};

/// Settings of a [`UreqTransport`](crate::transport::UreqTransport).
#[derive(Clone)]
#[non_exhaustive]
pub struct UreqConfig {
    /// How long connecting may take, the way through a proxy and encryption included, for all addresses of the host together.
    /// `None` leaves it to the operating system. 10 seconds where nothing is said.
    pub connect_timeout: Option<Duration>,
    /// Certificates to trust (PEM, one or more), and no others. `None` trusts those of Mozilla with rustls, and those of the
    /// operating system with native-tls.
    pub ca_certificates: Option<Vec<u8>>,
    /// What the client shows to hubs that ask for a certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// Takes any certificate for good: an expired one, one for another host, one that nobody vouches for. Whoever is on the way to
    /// the hub can then read and change everything, credentials included.
    pub danger_accept_invalid_certs: bool,
    /// What encrypts. `None` is rustls where it was compiled in, and otherwise native-tls.
    pub tls_backend: Option<TlsBackend>,
    /// Through which proxy connections are made. None, where nothing is said.
    pub proxy: Proxy,
    /// How many connections are kept for later when nobody uses them; 0 for none. As many calls as one likes can be made at the same time, but
    /// what they open beyond this number is closed after them. 64 where nothing is said.
    pub max_idle_connections: usize,
    /// The silence after which the operating system probes the other side of a connection (TCP
    /// keep-alive). If it answers none of three probes (ten on Windows), the connection is lost: a link that was cut
    /// without a word is noticed after twice this time, also by calls that wait without a limit.
    /// 15 seconds by default; at least 1 second, and at most 32,767. `None` never probes.
    pub tcp_keep_alive: Option<Duration>,
}

impl Default for UreqConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Some(Duration::from_secs(10)),
            ca_certificates: None,
            client_certificate: None,
            danger_accept_invalid_certs: false,
            tls_backend: None,
            proxy: Proxy::None,
            max_idle_connections: 64,
            tcp_keep_alive: Some(Duration::from_secs(15)),
        }
    }
}

impl UreqConfig {
    /// A setting that is not as it would be by itself.
    pub(crate) fn set(&self) -> Option<&'static str> {
        let default = Self::default();
        let others = [
            (
                self.connect_timeout != default.connect_timeout,
                "connect_timeout",
            ),
            (self.proxy != default.proxy, "proxy"),
            (
                self.max_idle_connections != default.max_idle_connections,
                "max_idle_connections",
            ),
            (
                self.tcp_keep_alive != default.tcp_keep_alive,
                "tcp_keep_alive",
            ),
        ];
        self.tls_setting().or_else(|| {
            others
                .into_iter()
                .find_map(|(is_set, name)| is_set.then_some(name))
        })
    }

    /// A setting about encryption that is not as it would be by itself.
    pub(super) fn tls_setting(&self) -> Option<&'static str> {
        [
            (self.ca_certificates.is_some(), "ca_certificates"),
            (self.client_certificate.is_some(), "client_certificate"),
            (
                self.danger_accept_invalid_certs,
                "danger_accept_invalid_certs",
            ),
            (self.tls_backend.is_some(), "tls_backend"),
        ]
        .into_iter()
        .find_map(|(is_set, name)| is_set.then_some(name))
    }
}

/// Without the content of certificates, and without what a proxy's URL may hold.
impl fmt::Debug for UreqConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UreqConfig")
            .field("connect_timeout", &self.connect_timeout)
            .field(
                "ca_certificates",
                &self
                    .ca_certificates
                    .as_ref()
                    .map(|pem| format!("{} bytes", pem.len())),
            )
            .field("client_certificate", &self.client_certificate)
            .field(
                "danger_accept_invalid_certs",
                &self.danger_accept_invalid_certs,
            )
            .field("tls_backend", &self.tls_backend)
            .field("proxy", &self.proxy)
            .field("max_idle_connections", &self.max_idle_connections)
            .field("tcp_keep_alive", &self.tcp_keep_alive)
            .finish()
    }
}

/// The agent that is made of these settings.
pub(super) fn agent(config: &UreqConfig) -> Result<Agent, RequestError> {
    Ok(with(
        config,
        tls::settings(config)?,
        Proxies::of(&config.proxy)?,
    ))
}

/// The agent where nothing is said.
pub(super) fn default_agent() -> Agent {
    with(
        &UreqConfig::default(),
        tls::Settings::default(),
        Proxies::default(),
    )
}

fn with(config: &UreqConfig, tls: tls::Settings, proxies: Proxies) -> Agent {
    let connect_timeout = config
        .connect_timeout
        .filter(|limit| *limit < FOR_EVER)
        .map(|limit| limit.max(AT_ONCE));
    let keep_alive = config.tcp_keep_alive;
    let config = tls
        .apply(Agent::config_builder())
        .http_status_as_error(false)
        .max_redirects(0)
        // What goes through a proxy is for `Dial` to say.
        .proxy(None)
        .accept_encoding("")
        .user_agent(USER_AGENT)
        // Each connection knows how long it may be idle: see `Watched`.
        .max_idle_age(LONGEST_IDLE)
        // With ureq's 3 for a host, 16 threads open 263 connections for 320 requests; where each can find one again, they open 16.
        .max_idle_connections(config.max_idle_connections)
        .max_idle_connections_per_host(config.max_idle_connections)
        .timeout_connect(connect_timeout)
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER)
        // No other timeouts: an answer may take days to come. (A global one would also cost a thread for each request, which looks for the
        // host: 97 to 153 µs of CPU time, where a request takes 14 to 17.)
        .build();
    let dial = Dial {
        proxies,
        keep_alive,
    };
    let connector = dial.chain(Encrypt::default()).chain(Watch);
    Agent::with_parts(config, connector, Later)
}

pub(super) const USER_AGENT: &str = concat!("scramjet-client/", env!("CARGO_PKG_VERSION"));

/// What is read or written at a time, at most. With ureq's 128 KiB, an upload from a reader passes at 0.78 times the speed of a socket, and with
/// this at 0.85; a download of known length at 0.77 and 0.86. More helps little. Memory is taken up only as far as it is used: see `Sparse`.
const BUFFER: usize = 256 << 10;

/// From here on a timeout is none: ureq adds it to a time, which must not overflow. A hundred years.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The shortest timeout: ureq takes zero for none.
const AT_ONCE: Duration = Duration::from_millis(1);
