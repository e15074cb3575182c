//! Checks certificates and keys with rustls, and explains its errors.

use std::sync::Arc;

use ::rustls::crypto::{CryptoProvider, ring};
use ::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use ::rustls::{
    AlertDescription as Alert, CertificateError, ClientConfig, Error, InconsistentKeys,
    InvalidMessage, RootCertStore,
};
use ::ureq::tls::{Certificate, PrivateKey};

use super::error::{TlsError, TlsProblem};
use super::messages::TlsContext;

/// Returns the default crypto provider of the process, or ring if there is none, like ureq.
pub(super) fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(ring::default_provider()))
}

pub(super) fn can_parse(certificate: &Certificate<'_>) -> bool {
    RootCertStore::empty()
        .add(CertificateDer::from(certificate.der()))
        .is_ok()
}

const UNSUPPORTED_KEY: &str = "the private key is malformed or of a kind that rustls does not \
                               support: it supports RSA of 2048 to 4096 bits, P-256, P-384 and \
                               Ed25519; for other kinds (P-521), use native-tls (`tls_backend`)";

const X509_VERSION_1: &str = "the certificate is X.509 version 1, which rustls does not support; \
                              create version 3 with `openssl x509 -req -extfile ext.cnf` and \
                              `basicConstraints=critical,CA:FALSE` in ext.cnf; or use native-tls \
                              (`tls_backend`)";

/// Checks that rustls supports the key and that it matches the first certificate. Without this
/// check, ureq would panic.
pub(super) fn check_pair(
    certificates: &[Certificate<'static>],
    key: &PrivateKey<'static>,
) -> Result<(), &'static str> {
    let chain = certificates
        .iter()
        .map(|certificate| CertificateDer::from(certificate.der().to_vec()))
        .collect();
    let key = PrivateKeyDer::try_from(key.der().to_vec()).map_err(|_| UNSUPPORTED_KEY)?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_root_certificates(RootCertStore::empty())
                .with_client_auth_cert(chain, key)
        });
    match config {
        Ok(_) => Ok(()),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err("the private key does not match the first certificate, \
             which must be the client's own")
        }
        Err(Error::InvalidCertificate(error)) if is_webpki(&error, "UnsupportedCertVersion") => {
            Err(X509_VERSION_1)
        }
        Err(Error::InvalidCertificate(_)) => {
            Err("the first certificate is malformed or of an unsupported kind")
        }
        Err(_) => Err(UNSUPPORTED_KEY),
    }
}

/// Converts an error of rustls.
pub(super) fn explain(error: Error, context: TlsContext) -> TlsError {
    match error {
        Error::InvalidCertificate(certificate) => explain_certificate(certificate),
        Error::AlertReceived(alert) => explain_alert(alert, context),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) if context.is_handshake => {
            TlsError::no_tls()
        }
        error @ Error::PeerIncompatible(_) => TlsError::nothing_in_common().with_source(error),
        error => TlsError::other(context).with_source(error),
    }
}

fn explain_certificate(error: CertificateError) -> TlsError {
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
        } => wrong_host(&expected.to_str(), &presented),
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
        error if is_webpki(&error, "CaUsedAsEndEntity") => TlsError::new(
            TlsProblem::Other,
            "the hub's certificate is that of an authority (CA:TRUE), which rustls rejects from a \
             server, even if it is trusted; create one for a server with \
             `openssl req -x509 -addext basicConstraints=critical,CA:FALSE`; \
             or use native-tls (`tls_backend`)",
        ),
        error if is_webpki(&error, "UnsupportedCertVersion") => TlsError::new(
            TlsProblem::Other,
            format!("the hub's certificate could not be verified: {X509_VERSION_1}"),
        ),
        error => TlsError::new(
            TlsProblem::Other,
            "the hub's certificate could not be verified",
        )
        .with_source(Error::InvalidCertificate(error)),
    }
}

fn wrong_host(expected: &str, presented: &[String]) -> TlsError {
    let names: Vec<_> = presented.iter().map(|name| bare_name(name)).collect();
    let message = if names.is_empty() {
        format!(
            "the hub's certificate is for no host at all, not for {expected}; \
             only names in its subjectAltName count"
        )
    } else {
        let names = names.join(", ");
        format!("the hub's certificate is for {names}, not for {expected}")
    };
    TlsError::new(TlsProblem::WrongHost, message)
}

/// Returns `localhost` for `DnsName("localhost")`.
fn bare_name(name: &str) -> &str {
    name.split_once('(')
        .map_or(name, |(_, name)| name.trim_matches([')', '"']))
}

/// Returns `true` for the error of webpki with this name. Used for errors that have no variant in
/// rustls.
fn is_webpki(error: &CertificateError, name: &str) -> bool {
    matches!(error, CertificateError::Other(other) if format!("{other:?}").contains(name))
}

fn explain_alert(alert: Alert, context: TlsContext) -> TlsError {
    let error = Error::AlertReceived(alert);
    match alert {
        Alert::CertificateRequired | Alert::NoCertificate if !context.has_client_certificate => {
            TlsError::client_certificate(context)
        }
        Alert::CertificateRequired
        | Alert::NoCertificate
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => TlsError::client_certificate(context).with_source(error),
        Alert::HandshakeFailure => TlsError::handshake_rejected(context)
            .with_suffix(
                "; rustls supports neither P-521 certificates nor CBC cipher suites, \
                 but native-tls (`tls_backend`) may",
            )
            .with_source(error),
        Alert::ProtocolVersion | Alert::InsufficientSecurity => {
            TlsError::nothing_in_common().with_source(error)
        }
        _ => TlsError::other(context).with_source(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use ::rustls::OtherError;

    use super::*;

    /// An error of webpki.
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

    /// A unit test, because the servers of the integration tests use rustls, which cannot serve
    /// such certificates.
    #[test]
    fn explain_certificate_names_a_remedy_for_unsupported_kinds() {
        let other = |name| CertificateError::Other(OtherError(Arc::new(Named(name))));
        for (error, expected) in [
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
            let message = explain_certificate(error.clone()).to_string();
            assert!(message.contains(expected), "{error:?}: {message}");
        }
    }
}
