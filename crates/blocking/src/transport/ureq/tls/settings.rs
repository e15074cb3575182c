//! What is trusted and shown, of the settings. All that can be wrong with it is found out here, before anything is sent.

use ::ureq::config::ConfigBuilder;
use ::ureq::tls::{
    Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsConfigBuilder, TlsProvider,
};
use ::ureq::typestate::AgentScope;
use scramjet_client_core::RequestError;

use super::super::UreqConfig;
use super::{ClientCertificate, TlsBackend, pem};

pub(in super::super) struct Settings(TlsConfig);

impl Settings {
    pub(in super::super) fn apply(
        self,
        agent: ConfigBuilder<AgentScope>,
    ) -> ConfigBuilder<AgentScope> {
        agent.tls_config(self.0)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self(TlsBackend::default().settings().build())
    }
}

pub(in super::super) fn settings(config: &UreqConfig) -> Result<Settings, RequestError> {
    let backend = config.tls_backend.unwrap_or_default();
    backend.check_that_it_is_there()?;
    let mut settings = backend
        .settings()
        .disable_verification(config.danger_accept_invalid_certs);
    if let Some(pem) = &config.ca_certificates {
        settings = settings.root_certs(RootCerts::new_with_certs(
            &backend.certificates("ca_certificates", pem)?,
        ));
    }
    if let Some(ClientCertificate { certificates, key }) = &config.client_certificate {
        let refused = |problem: &str| RequestError::setting("client_certificate", problem);
        let (certificates, key) = (
            backend.certificates("client_certificate", certificates)?,
            pem::key(key).map_err(refused)?,
        );
        backend.check_pair(&certificates, &key).map_err(refused)?;
        settings = backend
            .keep(settings)
            .client_cert(Some(ClientCert::new_with_certs(&certificates, key)));
    }
    Ok(Settings(settings.build()))
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
    fn check_that_it_is_there(self) -> Result<(), RequestError> {
        let (there, feature) = match self {
            Self::Rustls => (cfg!(feature = "rustls"), "rustls"),
            Self::NativeTls => (cfg!(feature = "native-tls"), "native-tls"),
        };
        if there {
            return Ok(());
        }
        let problem = format!(
            "this program was built without it; enable the feature `{feature}` of scramjet-client-blocking"
        );
        Err(RequestError::setting("tls_backend", &problem))
    }

    /// The settings where nothing is said.
    fn settings(self) -> TlsConfigBuilder {
        let settings = TlsConfig::builder();
        match self {
            // ureq chooses what rustls computes with when it first encrypts, as `provider` does: what never does needs no memory for it.
            Self::Rustls => settings,
            Self::NativeTls => settings
                .provider(TlsProvider::NativeTls)
                .root_certs(RootCerts::PlatformVerifier),
        }
    }

    /// What a key was found usable with is to be what it is used with.
    fn keep(self, settings: TlsConfigBuilder) -> TlsConfigBuilder {
        match self {
            #[cfg(feature = "rustls")]
            Self::Rustls => {
                settings.unversioned_rustls_crypto_provider(super::with_rustls::provider())
            }
            _ => settings,
        }
    }

    /// The certificates in a text, of which there is at least one.
    fn certificates(
        self,
        setting: &str,
        text: &[u8],
    ) -> Result<Vec<Certificate<'static>>, RequestError> {
        let refused = |problem: &str| RequestError::setting(setting, problem);
        let certificates = pem::certificates(text).map_err(refused)?;
        match certificates
            .iter()
            .position(|certificate| !self.can_read(certificate))
        {
            Some(position) => {
                let (which, all) = (position + 1, certificates.len());
                Err(refused(&format!(
                    "certificate {which} of {all} in it is damaged, or of a kind that cannot be used"
                )))
            }
            None => Ok(certificates),
        }
    }

    fn can_read(self, certificate: &Certificate<'_>) -> bool {
        match self {
            #[cfg(feature = "rustls")]
            Self::Rustls => super::with_rustls::can_read(certificate),
            #[cfg(feature = "native-tls")]
            Self::NativeTls => super::with_native::can_read(certificate),
            #[cfg(not(all(feature = "rustls", feature = "native-tls")))]
            _ => false,
        }
    }

    /// That the key can be used, and belongs to the first of the certificates.
    fn check_pair(
        self,
        certificates: &[Certificate<'static>],
        key: &PrivateKey<'static>,
    ) -> Result<(), &'static str> {
        match self {
            #[cfg(feature = "rustls")]
            Self::Rustls => super::with_rustls::check_pair(certificates, key),
            #[cfg(feature = "native-tls")]
            Self::NativeTls => super::with_native::check_pair(certificates, key),
            #[cfg(not(all(feature = "rustls", feature = "native-tls")))]
            _ => Err("this program was built without encryption"),
        }
    }
}

#[cfg(test)]
mod tests {
    use ::ureq::tls::{RootCerts, TlsProvider};

    use super::{Settings, settings};
    use crate::transport::ureq::config::UreqConfig;
    use crate::transport::ureq::tls::TlsBackend;

    #[test]
    fn public_authorities_are_trusted_where_nothing_is_said() {
        for made in [
            Some(Settings::default()),
            settings(&UreqConfig::default()).ok(),
        ]
        .into_iter()
        .flatten()
        {
            let trusted = (made.0.provider(), made.0.root_certs());
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
            assert!(!made.0.disable_verification() && made.0.client_cert().is_none());
        }
    }
}
