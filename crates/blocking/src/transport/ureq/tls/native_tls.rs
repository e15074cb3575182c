//! Checks certificates and keys with native-tls, and explains its errors.

use std::io;

use ::native_tls::{Error, Identity, TlsConnector};
use ::ureq::tls::{Certificate, PrivateKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::{TlsError, TlsProblem};
use super::messages::TlsContext;

pub(super) fn can_parse(certificate: &Certificate<'_>) -> bool {
    ::native_tls::Certificate::from_der(certificate.der()).is_ok()
}

/// Checks that native-tls supports the key and that it matches the first certificate.
pub(super) fn check_pair(
    certificates: &[Certificate<'static>],
    key: &PrivateKey<'static>,
) -> Result<(), &'static str> {
    let chain: String = certificates
        .iter()
        .map(|certificate| pem("CERTIFICATE", certificate.der()))
        .collect();
    let identity = Identity::from_pkcs8(chain.as_bytes(), pem("PRIVATE KEY", key.der()).as_bytes());
    let identity = identity.map_err(|_| {
        "the private key is malformed, or not in PKCS#8 (-----BEGIN PRIVATE KEY-----), which \
         native-tls needs; convert it with `openssl pkcs8 -topk8 -nodes -in key.pem`"
    })?;
    match TlsConnector::builder().identity(identity).build() {
        Ok(_) => Ok(()),
        Err(error) if error.to_string().contains("key too small") => {
            Err("its key is too short: RSA needs at least 2048 bits")
        }
        Err(_) => Err("the private key does not match the first certificate, \
             which must be the client's own"),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines = base64
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line) + "\n");
    format!(
        "-----BEGIN {label}-----\n{}-----END {label}-----\n",
        lines.collect::<String>()
    )
}

/// Converts an error of native-tls. Ignores its source, which only repeats a part of its text.
pub(super) fn explain(error: &Error, context: TlsContext) -> TlsError {
    explain_text(&error.to_string(), context)
}

/// Converts an I/O error that comes from OpenSSL; `None` for other errors.
pub(super) fn explain_io(error: &io::Error, context: TlsContext) -> Option<TlsError> {
    let text = error.to_string();
    text.contains(OPENSSL).then(|| explain_text(&text, context))
}

/// A part of the texts of all errors of OpenSSL.
const OPENSSL: &str = "SSL routines:";

/// Recognizes errors by the texts of OpenSSL, because native-tls exposes nothing else. Errors of
/// other implementations become the source of a general [`TlsError`].
fn explain_text(text: &str, context: TlsContext) -> TlsError {
    let contains = |texts: &[&str]| texts.iter().any(|part| text.contains(part));
    if contains(&["certificate has expired"]) {
        TlsError::expired(None)
    } else if contains(&["certificate is not yet valid"]) {
        TlsError::not_yet_valid(None)
    } else if contains(&["hostname mismatch", "IP address mismatch"]) {
        TlsError::new(
            TlsProblem::WrongHost,
            "the hub's certificate is for another host than the one in the address",
        )
    } else if contains(&[
        "unable to get local issuer",
        "self-signed certificate",
        "self signed certificate",
        "unable to verify the first",
    ]) {
        TlsError::unknown_issuer()
    } else if contains(&["key too weak"]) {
        TlsError::bad_signature().with_source(text)
    } else if contains(&["digest algorithm too weak", "md too weak"]) {
        TlsError::unsupported_signature().with_source(text)
    } else if contains(&["certificate purpose"]) {
        TlsError::not_for_servers().with_source(text)
    } else if contains(&[
        "wrong version number",
        "http request",
        "packet length too long",
    ]) && context.is_handshake
    {
        TlsError::no_tls()
    } else if contains(&["alert certificate required"]) {
        TlsError::client_certificate(context)
    } else if contains(&[
        "alert bad certificate",
        "alert unsupported certificate",
        "alert certificate",
        "alert unknown ca",
        "alert access denied",
    ]) {
        TlsError::client_certificate(context).with_source(text)
    } else if contains(&["alert handshake failure"]) {
        TlsError::handshake_rejected(context).with_source(text)
    } else if contains(&[
        "alert protocol version",
        "alert insufficient security",
        "unsupported protocol",
    ]) {
        TlsError::nothing_in_common().with_source(text)
    } else if contains(&["unexpected EOF"]) && context.is_handshake {
        TlsError::closed()
    } else {
        TlsError::other(context).with_source(text)
    }
}
