//! The public options of a [`UreqTransport`](super::UreqTransport).

use std::fmt;
use std::time::Duration;

/// The `User-Agent` header of requests, also of those for a tunnel.
pub(super) const USER_AGENT: &str = concat!("scramjet-client/", env!("CARGO_PKG_VERSION"));

/// Options of a [`UreqTransport`](crate::transport::UreqTransport).
#[derive(Clone)]
#[non_exhaustive]
pub struct UreqConfig {
    /// Upper bound for connecting: all addresses of the host, the `CONNECT` tunnel of a proxy and
    /// the TLS handshake together. 10 seconds by default. With `None`, only the timeouts of the
    /// operating system apply.
    pub connect_timeout: Option<Duration>,
    /// Certificates to trust (PEM, one or more), and no others. `None` trusts the root certificates
    /// of Mozilla with rustls, and those of the operating system with native-tls.
    pub ca_certificates: Option<Vec<u8>>,
    /// Certificate of the client, for hubs that request one.
    pub client_certificate: Option<ClientCertificate>,
    /// Accepts any certificate: expired, for another host, or signed by an unknown authority.
    /// Anybody on the network path can then read and change everything, credentials included.
    pub danger_accept_invalid_certs: bool,
    /// TLS implementation. `None` is rustls if it was compiled in, and native-tls otherwise.
    pub tls_backend: Option<TlsBackend>,
    /// Proxy for all connections. No proxy by default.
    pub proxy: Proxy,
    /// Maximum number of idle connections in the pool; 0 keeps none. It does not limit the number
    /// of concurrent calls: connections beyond it are closed after their call. 64 by default.
    pub max_idle_connections: usize,
    /// Time without data after which the operating system probes the other end of a connection (TCP
    /// keep-alive). If three probes (ten on Windows) remain unanswered, the connection is lost. So
    /// calls without a timeout also detect an interrupted link, after twice this time. 15 seconds
    /// by default. Times below 1 second or above 32,767 seconds are raised or lowered to these.
    /// `None` disables the probes.
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
    /// Returns the name of an option that differs from its default, if there is one.
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
        self.tls_option().or_else(|| first_set(others))
    }

    /// Returns the name of a TLS option that differs from its default, if there is one.
    pub(super) fn tls_option(&self) -> Option<&'static str> {
        first_set([
            (self.ca_certificates.is_some(), "ca_certificates"),
            (self.client_certificate.is_some(), "client_certificate"),
            (
                self.danger_accept_invalid_certs,
                "danger_accept_invalid_certs",
            ),
            (self.tls_backend.is_some(), "tls_backend"),
        ])
    }
}

fn first_set<const N: usize>(options: [(bool, &'static str); N]) -> Option<&'static str> {
    let mut options = options.into_iter();
    options.find_map(|(is_set, name)| is_set.then_some(name))
}

/// Omits the content of certificates and the URL of the proxy, which may hold a password.
impl fmt::Debug for UreqConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ca_certificates = self.ca_certificates.as_ref();
        f.debug_struct("UreqConfig")
            .field("connect_timeout", &self.connect_timeout)
            .field(
                "ca_certificates",
                &ca_certificates.map(|pem| format!("{} bytes", pem.len())),
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

/// A TLS implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsBackend {
    /// [rustls](https://docs.rs/rustls), with the root certificates of Mozilla. Needs the feature
    /// `rustls`.
    Rustls,
    /// The operating system's implementation and root certificates: OpenSSL, SChannel or Secure
    /// Transport. Needs the feature `native-tls`.
    NativeTls,
}

/// A certificate of the client with its private key, for hubs that request one. See
/// [`HostClientBuilder::client_certificate_pem`](crate::HostClientBuilder::client_certificate_pem).
#[derive(Clone)]
pub struct ClientCertificate {
    #[cfg_attr(
        not(any(feature = "rustls", feature = "native-tls")),
        expect(dead_code, reason = "only TLS reads it")
    )]
    pub(super) certificates: Vec<u8>,
    #[cfg_attr(
        not(any(feature = "rustls", feature = "native-tls")),
        expect(dead_code, reason = "only TLS reads it")
    )]
    pub(super) key: Vec<u8>,
}

impl ClientCertificate {
    /// Creates a client certificate from two PEM texts: the certificates, the client's own first,
    /// and its private key. Both may be the same text. They are checked when the transport is
    /// created.
    pub fn from_pem(certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self {
            certificates: certificates.into(),
            key: key.into(),
        }
    }
}

/// Omits all content.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// The proxy of a client.
///
/// - For an `https` hub, the proxy opens a tunnel (`CONNECT`). It sees the hub's name and port.
/// - A request to an `http` hub goes to the proxy, which forwards it (absolute form, as with curl),
///   because many proxies open tunnels only to port 443. The proxy can read and change all of it,
///   including the `Authorization` header for the hub, like everybody else on the path to an `http`
///   hub.
///
/// The user name and password for the proxy (`Proxy-Authorization`) are sent only to the proxy.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxy {
    /// No proxy.
    #[default]
    None,
    /// The proxy with this URL, for all connections: `http://proxy.example.com:3128`, optionally
    /// with `user:password@`, percent-encoded as in any URL.
    Url(String),
    /// The proxies that environment variables name when the transport is created. See
    /// [`proxy_from_environment`](crate::HostClientBuilder::proxy_from_environment).
    Environment,
}

/// Omits the URL, which may hold a password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Url(_) => "Url(..)",
            Self::Environment => "Environment",
        })
    }
}
