//! Converts the TLS options. Checks all certificates and keys, so that errors appear when the
//! transport is created and not with the first request.

use ::ureq::config::ConfigBuilder;
use ::ureq::tls::{
    Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsConfigBuilder, TlsProvider,
};
use ::ureq::typestate::AgentScope;
use scramjet_client_core::RequestError;

use super::super::config::{ClientCertificate, TlsBackend, UreqConfig};
use super::pem;

/// Applies the TLS options to an agent.
pub(in super::super) fn configure(
    config: &UreqConfig,
    agent: ConfigBuilder<AgentScope>,
) -> Result<ConfigBuilder<AgentScope>, RequestError> {
    Ok(agent.tls_config(tls_config(config)?))
}

/// Applies the default TLS options to an agent.
pub(in super::super) fn configure_default(
    agent: ConfigBuilder<AgentScope>,
) -> ConfigBuilder<AgentScope> {
    agent.tls_config(TlsBackend::default().base_config().build())
}

fn tls_config(config: &UreqConfig) -> Result<TlsConfig, RequestError> {
    let backend = config.tls_backend.unwrap_or_default();
    backend.check_compiled_in()?;
    let mut settings = backend
        .base_config()
        .disable_verification(config.danger_accept_invalid_certs);
    if let Some(pem) = &config.ca_certificates {
        settings = settings.root_certs(RootCerts::new_with_certs(
            &backend.certificates("ca_certificates", pem)?,
        ));
    }
    if let Some(ClientCertificate { certificates, key }) = &config.client_certificate {
        let invalid = |problem: &str| RequestError::setting("client_certificate", problem);
        let (certificates, key) = (
            backend.certificates("client_certificate", certificates)?,
            pem::key(key).map_err(invalid)?,
        );
        backend.check_pair(&certificates, &key).map_err(invalid)?;
        settings = backend
            .with_checked_provider(settings)
            .client_cert(Some(ClientCert::new_with_certs(&certificates, key)));
    }
    Ok(settings.build())
}

impl Default for TlsBackend {
    fn default() -> Self {
        if cfg!(feature = "rustls") {
            Self::Rustls
        } else {
            Self::NativeTls
        }
    }
}

impl TlsBackend {
    fn check_compiled_in(self) -> Result<(), RequestError> {
        let (is_compiled_in, feature) = match self {
            Self::Rustls => (cfg!(feature = "rustls"), "rustls"),
            Self::NativeTls => (cfg!(feature = "native-tls"), "native-tls"),
        };
        if is_compiled_in {
            return Ok(());
        }
        let problem = format!(
            "this program was built without it; \
             enable the feature `{feature}` of scramjet-client-blocking"
        );
        Err(RequestError::setting("tls_backend", &problem))
    }

    fn base_config(self) -> TlsConfigBuilder {
        let settings = TlsConfig::builder();
        match self {
            // ureq chooses the crypto provider at the first TLS handshake. To choose it here would
            // cost memory (160 KiB) in programs that never use TLS.
            Self::Rustls => settings,
            Self::NativeTls => settings
                .provider(TlsProvider::NativeTls)
                .root_certs(RootCerts::PlatformVerifier),
        }
    }

    /// Sets the crypto provider with which [`check_pair`](Self::check_pair) has checked the key.
    /// Otherwise the first handshake would use the default provider of the process, which may have
    /// changed.
    fn with_checked_provider(self, settings: TlsConfigBuilder) -> TlsConfigBuilder {
        match self {
            #[cfg(feature = "rustls")]
            Self::Rustls => settings.unversioned_rustls_crypto_provider(super::rustls::provider()),
            _ => settings,
        }
    }

    /// Parses and checks the certificates of an option, at least one.
    fn certificates(
        self,
        option: &str,
        text: &[u8],
    ) -> Result<Vec<Certificate<'static>>, RequestError> {
        let invalid = |problem: &str| RequestError::setting(option, problem);
        let certificates = pem::certificates(text).map_err(invalid)?;
        match certificates
            .iter()
            .position(|certificate| !self.can_parse(certificate))
        {
            Some(position) => {
                let (number, count) = (position + 1, certificates.len());
                Err(invalid(&format!(
                    "certificate {number} of {count} is malformed or of an unsupported kind"
                )))
            }
            None => Ok(certificates),
        }
    }

    fn can_parse(self, certificate: &Certificate<'_>) -> bool {
        match self {
            #[cfg(feature = "rustls")]
            Self::Rustls => super::rustls::can_parse(certificate),
            #[cfg(feature = "native-tls")]
            Self::NativeTls => super::native_tls::can_parse(certificate),
            #[cfg(not(all(feature = "rustls", feature = "native-tls")))]
            _ => false,
        }
    }

    /// Checks that the backend supports the key and that it matches the first certificate.
    fn check_pair(
        self,
        certificates: &[Certificate<'static>],
        key: &PrivateKey<'static>,
    ) -> Result<(), &'static str> {
        match self {
            #[cfg(feature = "rustls")]
            Self::Rustls => super::rustls::check_pair(certificates, key),
            #[cfg(feature = "native-tls")]
            Self::NativeTls => super::native_tls::check_pair(certificates, key),
            #[cfg(not(all(feature = "rustls", feature = "native-tls")))]
            _ => Err("this program was built without TLS support"),
        }
    }
}

#[cfg(test)]
mod tests {
    use ::ureq::Agent;
    use ::ureq::tls::{RootCerts, TlsProvider};

    use super::{configure, configure_default};
    use crate::transport::ureq::config::{TlsBackend, UreqConfig};

    #[test]
    fn configure_trusts_public_authorities_by_default() {
        let builder = Agent::config_builder;
        for made in [
            Some(configure_default(builder())),
            configure(&UreqConfig::default(), builder()).ok(),
        ]
        .into_iter()
        .flatten()
        {
            let made = made.build();
            let made = made.tls_config();
            let trusted = (made.provider(), made.root_certs());
            assert!(
                match TlsBackend::default() {
                    TlsBackend::Rustls =>
                        matches!(trusted, (TlsProvider::Rustls, RootCerts::WebPki)),
                    TlsBackend::NativeTls => matches!(
                        trusted,
                        (TlsProvider::NativeTls, RootCerts::PlatformVerifier)
                    ),
                },
                "{trusted:?}"
            );
            assert!(!made.disable_verification() && made.client_cert().is_none());
        }
    }
}
