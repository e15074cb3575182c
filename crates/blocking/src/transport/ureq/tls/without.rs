//! What is left of it where this is built without encryption.

use std::io::{self, ErrorKind};

use ::ureq::Error;
use ::ureq::config::ConfigBuilder;
use ::ureq::typestate::AgentScope;
use ::ureq::unversioned::transport::{ConnectionDetails, Connector};
use scramjet_client_core::RequestError;

use super::super::UreqConfig;
use super::super::socket::Socket;
use super::plain::Plain;
use super::{TlsError, TlsProblem};

const PROBLEM: &str = "this program was built without encryption; enable the feature `rustls` or `native-tls` of scramjet-client-blocking";

/// None.
#[derive(Default)]
pub(in super::super) struct Settings(());

impl Settings {
    pub(in super::super) fn apply(
        self,
        agent: ConfigBuilder<AgentScope>,
    ) -> ConfigBuilder<AgentScope> {
        agent
    }
}

/// Refuses what cannot be had.
pub(in super::super) fn settings(config: &UreqConfig) -> Result<Settings, RequestError> {
    match config.tls_setting() {
        Some(setting) => Err(RequestError::setting(setting, PROBLEM)),
        None => Ok(Settings(())),
    }
}

/// Encrypts nothing, and so does not let through what should be.
#[derive(Debug, Default)]
pub(in super::super) struct Encrypt(());

impl Connector<Socket> for Encrypt {
    type Out = Plain;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<Socket>,
    ) -> Result<Option<Plain>, Error> {
        if details.needs_tls() {
            return Err(Error::Io(io::Error::new(
                ErrorKind::Unsupported,
                TlsError::new(TlsProblem::Unsupported, PROBLEM),
            )));
        }
        Ok(chained.map(Plain::new))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use http::Request;

    use crate::handles::host::HostClient;
    use crate::transport::ureq::UreqTransport;
    use crate::transport::ureq::tls::TlsBackend;
    use crate::transport::{RequestBody, Transport};

    #[test]
    fn what_should_be_encrypted_is_refused() -> Result<(), Box<dyn std::error::Error>> {
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
