//! Refuses `https` hubs and TLS options in a build without a TLS backend.

use std::io::{self, ErrorKind};

use ::ureq::Error;
use ::ureq::config::ConfigBuilder;
use ::ureq::typestate::AgentScope;
use ::ureq::unversioned::transport::{ConnectionDetails, Connector};
use scramjet_client_core::RequestError;

use super::super::config::UreqConfig;
use super::super::socket::Socket;
use super::error::{TlsError, TlsProblem};
use super::plain::PlainTransport;

const PROBLEM: &str = "this program was built without TLS support; enable the feature `rustls` \
                       or `native-tls` of scramjet-client-blocking";

/// Refuses all TLS options.
pub(in super::super) fn configure(
    config: &UreqConfig,
    agent: ConfigBuilder<AgentScope>,
) -> Result<ConfigBuilder<AgentScope>, RequestError> {
    match config.tls_option() {
        Some(option) => Err(RequestError::setting(option, PROBLEM)),
        None => Ok(agent),
    }
}

/// Changes nothing.
pub(in super::super) fn configure_default(
    agent: ConfigBuilder<AgentScope>,
) -> ConfigBuilder<AgentScope> {
    agent
}

/// Refuses connections to `https` hubs.
#[derive(Debug, Default)]
pub(in super::super) struct TlsConnector(());

impl Connector<Socket> for TlsConnector {
    type Out = PlainTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<Socket>,
    ) -> Result<Option<PlainTransport>, Error> {
        if details.needs_tls() {
            return Err(Error::Io(io::Error::new(
                ErrorKind::Unsupported,
                TlsError::new(TlsProblem::Unsupported, PROBLEM),
            )));
        }
        Ok(chained.map(PlainTransport::new))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use http::Request;

    use crate::handles::host::HostClient;
    use crate::transport::ureq::UreqTransport;
    use crate::transport::ureq::config::TlsBackend;
    use crate::transport::{RequestBody, Transport};

    #[test]
    fn https_hubs_and_tls_options_are_errors() -> Result<(), Box<dyn std::error::Error>> {
        for builder in [
            HostClient::builder("https://localhost/api/v1"),
            HostClient::builder("http://localhost/api/v1").ca_certificate_pem("x"),
            HostClient::builder("http://localhost/api/v1").client_certificate_pem("x", "x"),
            HostClient::builder("http://localhost/api/v1").danger_accept_invalid_certs(true),
            HostClient::builder("http://localhost/api/v1").tls_backend(TlsBackend::Rustls),
        ] {
            let error = builder
                .build()
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(error.ends_with(super::PROBLEM), "{error}");
        }
        assert!(HostClient::new("http://localhost/api/v1").is_ok());

        let server = TcpListener::bind("127.0.0.1:0")?;
        let request =
            Request::get(format!("https://{}/", server.local_addr()?)).body(RequestBody::Empty)?;
        let error = UreqTransport::default().send(request).err();
        assert_eq!(
            error.map(|error| error.source.to_string()).as_deref(),
            Some(super::PROBLEM)
        );
        Ok(())
    }
}
