//! rustls: what it takes, and what its errors mean.

use std::sync::Arc;

use ::rustls::crypto::{CryptoProvider, ring};
use ::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use ::rustls::{
    AlertDescription as Alert, CertificateError, ClientConfig, Error, InconsistentKeys,
    InvalidMessage, RootCertStore,
};
use ::ureq::tls::{Certificate, PrivateKey};

use super::words::Moment;
use super::{TlsError, TlsProblem};

/// The one of this process, where it has chosen one.
pub(super) fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(ring::default_provider()))
}

pub(super) fn can_read(certificate: &Certificate<'_>) -> bool {
    RootCertStore::empty()
        .add(CertificateDer::from(certificate.der()))
        .is_ok()
}

const UNUSABLE: &str = "the private key is damaged, or of a kind that cannot be used";

/// ureq takes it for granted that this succeeds.
pub(super) fn check_pair(
    certificates: &[Certificate<'static>],
    key: &PrivateKey<'static>,
) -> Result<(), &'static str> {
    let chain = certificates
        .iter()
        .map(|certificate| CertificateDer::from(certificate.der().to_vec()))
        .collect();
    let key = PrivateKeyDer::try_from(key.der().to_vec()).map_err(|_| UNUSABLE)?;
    let made = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_root_certificates(RootCertStore::empty())
                .with_client_auth_cert(chain, key)
        });
    match made {
        Ok(_) => Ok(()),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(
            "the private key does not belong to the first of the certificates, which has to be the client's own",
        ),
        Err(_) => Err(UNUSABLE),
    }
}

pub(super) fn tell(error: Error, moment: Moment) -> TlsError {
    match error {
        Error::InvalidCertificate(certificate) => tell_of_certificate(certificate),
        Error::AlertReceived(alert) => tell_of_alert(alert, moment),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) if moment.shaking => {
            TlsError::no_tls()
        }
        error @ Error::PeerIncompatible(_) => TlsError::nothing_in_common().because(error),
        error => TlsError::other(moment).because(error),
    }
}

fn tell_of_certificate(error: CertificateError) -> TlsError {
    use CertificateError as Certificate;
    match error {
        Certificate::ExpiredContext { time, not_after } => {
            TlsError::expired(Some(time.as_secs().saturating_sub(not_after.as_secs())))
        }
        Certificate::NotValidYetContext { time, not_before } => {
            TlsError::not_yet_valid(Some(not_before.as_secs().saturating_sub(time.as_secs())))
        }
        Certificate::UnknownIssuer => TlsError::unknown_issuer(),
        Certificate::NotValidForNameContext {
            expected,
            presented,
        } => {
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            let names = if names.is_empty() {
                "no host at all".to_owned()
            } else {
                names.join(", ")
            };
            TlsError::new(
                TlsProblem::WrongHost,
                format!(
                    "the hub's certificate is for {names}, and not for {}",
                    expected.to_str()
                ),
            )
        }
        Certificate::Expired => TlsError::expired(None),
        Certificate::NotValidYet => TlsError::not_yet_valid(None),
        error => TlsError::new(TlsProblem::Other, "the hub's certificate cannot be used")
            .because(Error::InvalidCertificate(error)),
    }
}

/// `localhost`, of `DnsName("localhost")`.
fn bare(name: &str) -> &str {
    name.split_once('(')
        .map_or(name, |(_, name)| name.trim_matches([')', '"']))
}

fn tell_of_alert(alert: Alert, moment: Moment) -> TlsError {
    let error = Error::AlertReceived(alert);
    match alert {
        Alert::CertificateRequired | Alert::NoCertificate if !moment.client_certificate => {
            TlsError::client_certificate(moment)
        }
        Alert::CertificateRequired
        | Alert::NoCertificate
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => TlsError::client_certificate(moment).because(error),
        Alert::HandshakeFailure => TlsError::refused(moment).because(error),
        Alert::ProtocolVersion | Alert::InsufficientSecurity => {
            TlsError::nothing_in_common().because(error)
        }
        _ => TlsError::other(moment).because(error),
    }
}
