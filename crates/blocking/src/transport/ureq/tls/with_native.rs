//! native-tls: what it takes, and what its errors mean.

use std::io;

use ::native_tls::{Error, Identity, TlsConnector};
use ::ureq::tls::{Certificate, PrivateKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::words::Moment;
use super::{TlsError, TlsProblem};

pub(super) fn can_read(certificate: &Certificate<'_>) -> bool {
    ::native_tls::Certificate::from_der(certificate.der()).is_ok()
}

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
        "the private key is damaged, or not in PKCS#8 (-----BEGIN PRIVATE KEY-----), which native-tls needs; \
         `openssl pkcs8 -topk8 -nodes -in key.pem` makes one"
    })?;
    match TlsConnector::builder().identity(identity).build() {
        Ok(_) => Ok(()),
        Err(error) if error.to_string().contains("key too small") => {
            Err("its key is too short: RSA needs at least 2048 bits")
        }
        Err(_) => Err(
            "the private key does not belong to the first of the certificates, which has to be the client's own",
        ),
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

pub(super) fn tell(error: Error, moment: Moment) -> TlsError {
    // Its source is the same in fewer words.
    read(&error.to_string(), moment)
}

/// What is told of an IO error that comes from it.
pub(super) fn tell_of_io(error: io::Error, moment: Moment) -> Result<TlsError, io::Error> {
    let text = error.to_string();
    if text.contains(OPENSSL) {
        Ok(read(&text, moment))
    } else {
        Err(error)
    }
}

/// In all errors of OpenSSL but those that it has from somebody else.
const OPENSSL: &str = "SSL routines:";

/// There is nothing but the text to tell errors apart. These are the words of OpenSSL; what others say is passed on.
fn read(text: &str, moment: Moment) -> TlsError {
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    if says(&["certificate has expired"]) {
        TlsError::expired(None)
    } else if says(&["certificate is not yet valid"]) {
        TlsError::not_yet_valid(None)
    } else if says(&["hostname mismatch", "IP address mismatch"]) {
        TlsError::new(
            TlsProblem::WrongHost,
            "the hub's certificate is for another host than this address names",
        )
    } else if says(&[
        "unable to get local issuer",
        "self-signed certificate",
        "self signed certificate",
        "unable to verify the first",
    ]) {
        TlsError::unknown_issuer()
    } else if says(&["key too weak"]) {
        TlsError::bad_signature().because(text)
    } else if says(&["digest algorithm too weak", "md too weak"]) {
        TlsError::unsupported_signature().because(text)
    } else if says(&["certificate purpose"]) {
        TlsError::not_for_servers().because(text)
    } else if says(&[
        "wrong version number",
        "http request",
        "packet length too long",
    ]) && moment.shaking
    {
        TlsError::no_tls()
    } else if says(&["alert certificate required"]) {
        TlsError::client_certificate(moment)
    } else if says(&[
        "alert bad certificate",
        "alert unsupported certificate",
        "alert certificate",
        "alert unknown ca",
        "alert access denied",
    ]) {
        TlsError::client_certificate(moment).because(text)
    } else if says(&["alert handshake failure"]) {
        TlsError::refused(moment).because(text)
    } else if says(&[
        "alert protocol version",
        "alert insufficient security",
        "unsupported protocol",
    ]) {
        TlsError::nothing_in_common().because(text)
    } else if says(&["unexpected EOF"]) && moment.shaking {
        TlsError::cut()
    } else {
        TlsError::other(moment).because(text)
    }
}
