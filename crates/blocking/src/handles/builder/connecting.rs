//! Settings of the default transport.

use std::time::Duration;

use crate::handles::builder::HostClientBuilder;
#[cfg(doc)]
use crate::transport::UreqConfig;
use crate::transport::{ClientCertificate, Proxy, TlsBackend};

/// Settings of the default transport, [`UreqTransport`](crate::transport::UreqTransport). With
/// another [`transport`](Self::transport), [`build`](Self::build) refuses them, because they would
/// have no effect.
impl HostClientBuilder {
    /// Sets the upper bound for connecting, including the tunnel of a proxy and the TLS handshake.
    ///
    /// With `None`, the operating system decides when to stop trying. The default is 10 seconds.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # use std::time::Duration;
    /// let host = HostClient::builder("http://localhost:8000/api/v1")
    ///     .connect_timeout(Duration::from_secs(2))
    ///     .build()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn connect_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.ureq.connect_timeout = timeout.into();
        self
    }

    /// Sets the maximum number of idle connections in the pool; 0 keeps none. The default is 64.
    ///
    /// Does not limit the number of concurrent calls. See [`UreqConfig::max_idle_connections`].
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// let host = HostClient::builder("http://localhost:8000/api/v1")
    ///     .max_idle_connections(4)
    ///     .build()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn max_idle_connections(mut self, connections: usize) -> Self {
        self.ureq.max_idle_connections = connections;
        self
    }

    /// Sets the time without data after which the operating system probes the other end of a
    /// connection. `None` never probes. The default is 15 seconds.
    ///
    /// See [`UreqConfig::tcp_keep_alive`].
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # use std::time::Duration;
    /// let host = HostClient::builder("http://localhost:8000/api/v1")
    ///     .tcp_keep_alive(Duration::from_secs(60))
    ///     .build()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn tcp_keep_alive(mut self, idle_time: impl Into<Option<Duration>>) -> Self {
        self.ureq.tcp_keep_alive = idle_time.into();
        self
    }

    /// Sets the certificates to trust for `https` (PEM, one or more), and trusts no others.
    ///
    /// The default is the root certificates of Mozilla with rustls, and those of the operating
    /// system with native-tls.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// let host = HostClient::builder("https://hub.example.com/api/v1")
    ///     .ca_certificate_pem(std::fs::read("ca.pem")?)
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "ca")]
    pub fn ca_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ureq.ca_certificates = Some(pem.into());
        self
    }

    /// Sets the certificate and private key of the client (PEM), for `https` hubs that request a
    /// client certificate.
    ///
    /// - `certificates` is the client's own certificate, followed by intermediate ones if there are
    ///   any.
    /// - `key` is the private key, not encrypted, in PKCS#8. Rustls also accepts SEC1 and PKCS#1.
    ///
    /// If one text contains all of them, pass it as both arguments.
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

    /// Accepts any certificate of an `https` hub if set to `true`: expired, for another host, or
    /// signed by an unknown authority.
    ///
    /// Anybody on the network path can then read and change everything, credentials included. To
    /// trust your own certificate, use [`ca_certificate_pem`](Self::ca_certificate_pem).
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// let host = HostClient::builder("https://localhost:8443/api/v1")
    ///     .danger_accept_invalid_certs(true)
    ///     .build()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[doc(alias = "rejectUnauthorized")]
    #[doc(alias = "insecure")]
    pub fn danger_accept_invalid_certs(mut self, accept: bool) -> Self {
        self.ureq.danger_accept_invalid_certs = accept;
        self
    }

    /// Sets the TLS implementation. The default is rustls if it was compiled in, and native-tls
    /// otherwise.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # use scramjet_client_blocking::transport::TlsBackend;
    /// let host = HostClient::builder("https://hub.example.com/api/v1")
    ///     .tls_backend(TlsBackend::NativeTls)
    ///     .build()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn tls_backend(mut self, backend: TlsBackend) -> Self {
        self.ureq.tls_backend = Some(backend);
        self
    }

    /// Sets a proxy for all requests.
    ///
    /// The URL has the form `http://proxy.example.com:3128`. It may contain `user:password@`,
    /// percent-encoded as in any URL. Errors and `Debug` output do not show these.
    ///
    /// For an `https` hub, the client opens a tunnel (`CONNECT`), and the proxy sees only the name
    /// and port of the hub. Requests to an `http` hub go to the proxy, which forwards them. The
    /// proxy can read them, including the credentials for the hub. See [`Proxy`].
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// let host = HostClient::builder("https://hub.example.com/api/v1")
    ///     .proxy("http://proxy.example.com:3128")
    ///     .build()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.ureq.proxy = Proxy::Url(url.into());
        self
    }

    /// Uses the proxy that environment variables name, if they name one. Without this method, the
    /// client ignores these variables.
    ///
    /// [`build`](Self::build) reads the variables:
    ///
    /// - `http_proxy` applies to `http` hubs, `https_proxy` to `https` hubs, and `all_proxy` to
    ///   both if the specific one is not set. The names may also be in upper case. In a CGI
    ///   program, the client ignores `HTTP_PROXY`, because a remote caller can set it there.
    /// - `no_proxy` or `NO_PROXY` lists the hosts to connect to directly, separated by commas or
    ///   spaces: names (`example.com` includes its subdomains, `.example.com` means only its
    ///   subdomains), addresses, and networks (`10.0.0.0/8`), each with or without a port; or `*`.
    ///
    /// The client always connects directly to this machine (`localhost`, `127.0.0.1`, `[::1]`). If
    /// a variable is invalid, for example because it has the URL of a `socks5://` proxy, every call
    /// that it applies to fails.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// let host = HostClient::builder("https://hub.example.com/api/v1")
    ///     .proxy_from_environment()
    ///     .build()?;
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
