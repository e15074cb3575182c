//! How the default transport connects.

use std::time::Duration;

use crate::handles::builder::HostClientBuilder;
use crate::transport::Proxy;
use crate::transport::{ClientCertificate, TlsBackend};

/// How it connects. All this goes to the default transport, [`UreqTransport`](crate::transport::UreqTransport): one that is given with
/// [`transport`](Self::transport) has settings of its own, and [`build`](Self::build) refuses what would be lost with it.
impl HostClientBuilder {
    /// How long connecting may take, the way through a proxy and encryption included; `None` leaves it to the operating system. Where it
    /// is not said, 10 seconds.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # use std::time::Duration;
    /// let host = HostClient::builder("http://localhost:8000/api/v1").connect_timeout(Duration::from_secs(2)).build()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn connect_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.ureq.connect_timeout = timeout.into();
        self
    }

    /// How many connections are kept for later when nobody uses them; 0 for none. Where it is not said, 64. See
    /// [`UreqConfig::max_idle_connections`](crate::transport::UreqConfig::max_idle_connections).
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// let host = HostClient::builder("http://localhost:8000/api/v1").max_idle_connections(4).build()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn max_idle_connections(mut self, connections: usize) -> Self {
        self.ureq.max_idle_connections = connections;
        self
    }

    /// Sets the silence after which the operating system probes the other side of a connection, 15
    /// seconds by default; `None` never probes. See
    /// [`UreqConfig::tcp_keep_alive`](crate::transport::UreqConfig::tcp_keep_alive).
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # use std::time::Duration;
    /// let host = HostClient::builder("http://localhost:8000/api/v1")
    ///     .tcp_keep_alive(Duration::from_secs(60))
    ///     .build()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn tcp_keep_alive(mut self, silence: impl Into<Option<Duration>>) -> Self {
        self.ureq.tcp_keep_alive = silence.into();
        self
    }

    /// Trusts these certificates (PEM, one or more) for `https`, and no others. Where it is not said, those of Mozilla are trusted with
    /// rustls, and those of the operating system with native-tls.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// let host = HostClient::builder("https://hub.example.com/api/v1").ca_certificate_pem(std::fs::read("ca.pem")?).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "ca")]
    pub fn ca_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ureq.ca_certificates = Some(pem.into());
        self
    }

    /// Shows this certificate to `https` hubs that ask for one (PEM): the client's own, then those between it and the CA, where there are
    /// any; and its private key, not encrypted, in PKCS#8 or, with rustls, also in SEC1 or PKCS#1. One text that holds them all can be given twice.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # use std::fs::read;
    /// let host = HostClient::builder("https://hub.example.com/api/v1")
    ///     .client_certificate_pem(read("client.pem")?, read("client-key.pem")?)
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "cert")]
    #[doc(alias = "key")]
    pub fn client_certificate_pem(
        mut self,
        certificates: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.ureq.client_certificate = Some(ClientCertificate::from_pem(certificates, key));
        self
    }

    /// With `true`, takes any certificate of an `https` hub for good: an expired one, one for another host, one that nobody vouches for.
    /// Whoever is on the way to the hub can then read and change everything, credentials included. To trust a certificate of
    /// your own, use [`ca_certificate_pem`](Self::ca_certificate_pem).
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// let host = HostClient::builder("https://localhost:8443/api/v1").danger_accept_invalid_certs(true).build()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[doc(alias = "rejectUnauthorized")]
    #[doc(alias = "insecure")]
    pub fn danger_accept_invalid_certs(mut self, accept: bool) -> Self {
        self.ureq.danger_accept_invalid_certs = accept;
        self
    }

    /// What encrypts. Where it is not said, rustls if it was compiled in, and otherwise native-tls.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # use scramjet_client_blocking::transport::TlsBackend;
    /// let host = HostClient::builder("https://hub.example.com/api/v1").tls_backend(TlsBackend::NativeTls).build()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn tls_backend(mut self, backend: TlsBackend) -> Self {
        self.ureq.tls_backend = Some(backend);
        self
    }

    /// Reaches all hubs through this proxy: `http://proxy.example.com:3128`, or with
    /// `user:password@`, encoded as in any URL and never shown.
    ///
    /// For an `https` hub, the proxy is asked for a tunnel (`CONNECT`) and sees no more than the
    /// hub's name and port. A request to an `http` hub is sent to the proxy, which passes it on and
    /// can read it, with the credentials for the hub. See [`Proxy`].
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// let host = HostClient::builder("https://hub.example.com/api/v1").proxy("http://proxy.example.com:3128").build()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.ureq.proxy = Proxy::Url(url.into());
        self
    }

    /// Connects through the proxy that the environment names when the client is built; where it names none, directly. Without this, the
    /// environment is not looked at.
    ///
    /// - `http_proxy` is for `http` hubs, `https_proxy` for `https` hubs, `all_proxy` for those whose own is not set. Each may be
    ///   written in capitals too, but for `HTTP_PROXY` in a CGI program, where whoever calls it can set it.
    /// - `no_proxy` (or `NO_PROXY`) lists what is reached directly, separated by commas or blanks:
    ///   names (`example.com` and all below it, `.example.com` only those below it), addresses, nets
    ///   (`10.0.0.0/8`), with a port or without, or `*`.
    /// - This machine (`localhost`, `127.0.0.1`, `[::1]`) is reached directly.
    /// - A variable that cannot be used, because it names a `socks5://` proxy for example, is an error of the calls that would go by it.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// let host = HostClient::builder("https://hub.example.com/api/v1").proxy_from_environment().build()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[doc(alias = "HTTP_PROXY")]
    #[doc(alias = "HTTPS_PROXY")]
    #[doc(alias = "NO_PROXY")]
    pub fn proxy_from_environment(mut self) -> Self {
        self.ureq.proxy = Proxy::Environment;
        self
    }
}
