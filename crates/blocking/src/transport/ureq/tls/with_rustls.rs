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

const UNUSABLE: &str = "the private key is damaged, or of a kind that rustls does not support: \
                        it supports RSA of 2048 to 4096 bits, P-256, P-384 and Ed25519; \
                        with another one (P-521), use native-tls (`tls_backend`)";

const VERSION_1: &str = "its certificate is X.509 version 1, which rustls does not support; \
                         with `basicConstraints=critical,CA:FALSE` in ext.cnf, \
                         `openssl x509 -req -extfile ext.cnf` makes version 3; \
                         or use native-tls (`tls_backend`)";

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
        Err(Error::InvalidCertificate(error)) if is(&error, "UnsupportedCertVersion") => {
            Err(VERSION_1)
        }
        Err(Error::InvalidCertificate(_)) => {
            Err("the first of the certificates is damaged, or of a kind that cannot be used")
        }
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
            let expected = expected.to_str();
            TlsError::new(
                TlsProblem::WrongHost,
                if names.is_empty() {
                    format!(
                        "the hub's certificate is for no host at all, and not for {expected}; \
                         only names in its subjectAltName count"
                    )
                } else {
                    let names = names.join(", ");
                    format!("the hub's certificate is for {names}, and not for {expected}")
                },
            )
        }
        Certificate::Expired => TlsError::expired(None),
        Certificate::NotValidYet => TlsError::not_yet_valid(None),
        Certificate::BadSignature => TlsError::bad_signature(),
        #[allow(deprecated, reason = "verifiers may still report it")]
        Certificate::UnsupportedSignatureAlgorithm
        | Certificate::UnsupportedSignatureAlgorithmContext { .. }
        | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            TlsError::unsupported_signature()
        }
        Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
            TlsError::not_for_servers()
        }
        error if is(&error, "CaUsedAsEndEntity") => TlsError::new(
            TlsProblem::Other,
            "the hub's certificate is that of an authority (CA:TRUE), which rustls does not accept \
             from a server, even if it is trusted; \
             `openssl req -x509 -addext basicConstraints=critical,CA:FALSE` makes one for a server; \
             or use native-tls (`tls_backend`)",
        ),
        error if is(&error, "UnsupportedCertVersion") => TlsError::new(
            TlsProblem::Other,
            format!("the hub cannot be trusted: {VERSION_1}"),
        ),
        error => TlsError::new(TlsProblem::Other, "the hub's certificate cannot be used")
            .because(Error::InvalidCertificate(error)),
    }
}

/// An error of the verifier that has no variant in rustls, by its name.
fn is(error: &CertificateError, name: &str) -> bool {
    matches!(error, CertificateError::Other(other) if format!("{other:?}").contains(name))
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
        Alert::HandshakeFailure => TlsError::refused(moment)
            .adding(
                "; rustls supports neither P-521 certificates nor ciphers with CBC, \
                 native-tls (`tls_backend`) may",
            )
            .because(error),
        Alert::ProtocolVersion | Alert::InsufficientSecurity => {
            TlsError::nothing_in_common().because(error)
        }
        _ => TlsError::other(moment).because(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use ::rustls::OtherError;

    use super::*;

    /// An error of the verifier.
    struct Named(&'static str);

    impl fmt::Debug for Named {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl fmt::Display for Named {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Named {}

    /// rustls cannot serve such certificates, so the suites cannot meet them.
    #[test]
    fn certificates_of_unsupported_kinds_are_told_with_a_remedy() {
        let other = |name| CertificateError::Other(OtherError(Arc::new(Named(name))));
        for (error, says) in [
            (other("UnsupportedCertVersion"), "X.509 version 1"),
            (CertificateError::BadSignature, "at least 2048 bits"),
            (
                CertificateError::UnsupportedSignatureAlgorithmContext {
                    signature_algorithm_id: Vec::new(),
                    supported_algorithms: Vec::new(),
                },
                "`-sha256`",
            ),
            (CertificateError::InvalidPurpose, "serverAuth"),
        ] {
            let told = tell_of_certificate(error.clone()).to_string();
            assert!(told.contains(says), "{error:?}: {told}");
        }
    }
}
