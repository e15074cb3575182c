//! native-tls: what it takes, and what its errors mean.

use std::io;

use ::native_tls::{Error, Identity, TlsConnector};
use ::ureq::tls::{Certificate, PrivateKey};

use super::super::base64;
use super::TlsError;
use super::words::Moment;

pub(super) fn can_read(certificate: &Certificate<'_>) -> bool {
    ::native_tls::Certificate::from_der(certificate.der()).is_ok()
}

pub(super) fn check_pair(certificates: &[Certificate<'static>], key: &PrivateKey<'static>) -> Result<(), &'static str> {
    let chain: String = certificates.iter().map(|certificate| pem("CERTIFICATE", certificate.der())).collect();
    let identity = Identity::from_pkcs8(chain.as_bytes(), pem("PRIVATE KEY", key.der()).as_bytes());
    let identity = identity.map_err(|_| {
        "the private key is damaged, or not in PKCS#8 (-----BEGIN PRIVATE KEY-----), which native-tls needs; \
         `openssl pkcs8 -topk8 -nodes -in key.pem` makes one"
    })?;
    match TlsConnector::builder().identity(identity).build() {
        Ok(_) => Ok(()),
        Err(_) => Err("the private key does not belong to the first of the certificates, which has to be the client's own"),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = base64::encode(der);
    let lines = base64.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n");
    format!("-----BEGIN {label}-----\n{}-----END {label}-----\n", lines.collect::<String>())
}

pub(super) fn tell(error: Error, moment: Moment) -> TlsError {
    TlsError::other(moment).because(error)
}

pub(super) fn tell_of_io(error: io::Error, _: Moment) -> Result<TlsError, io::Error> {
    Err(error)
}
