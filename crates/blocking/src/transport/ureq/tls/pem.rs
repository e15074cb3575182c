//! Parses certificates and keys in PEM. Errors never quote the text, because it may hold a key.

use ::ureq::tls::{Certificate, PemItem, PrivateKey, parse_pem};

const MALFORMED: &str = "the PEM is malformed: each item needs a line -----BEGIN ...-----, its \
                         base64 on lines of its own and a line -----END ...-----";

/// Returns the certificates of a PEM text, at least one. Ignores all other items.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<Certificate<'static>>, &'static str> {
    let (certificates, keys) = items(text)?;
    match (certificates.is_empty(), keys.is_empty()) {
        (false, _) => Ok(certificates),
        (true, false) => Err("it contains a private key but no certificate"),
        (true, true) if is_binary(text) => Err("it is binary, not PEM; convert DER with \
             `openssl x509 -inform der -in cert.der -out cert.pem`, or PKCS#12 with \
             `openssl pkcs12 -in both.p12 -nodes -out both.pem`"),
        (true, true) => Err("it contains no certificate; \
             a certificate begins with -----BEGIN CERTIFICATE-----"),
    }
}

/// Returns the private key of a PEM text, which must hold exactly one.
pub(super) fn key(text: &[u8]) -> Result<PrivateKey<'static>, &'static str> {
    if is_encrypted(text) {
        return Err("its private key is encrypted with a password; \
             decrypt it with `openssl pkey -in key.pem -out plain.pem`");
    }
    let (certificates, mut keys) = items(text)?;
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => Ok(key),
        (Some(_), false) => Err("it contains several private keys"),
        (None, _) if is_binary(text) => {
            Err("its private key is binary, not PEM; convert DER with \
             `openssl pkey -inform der -in key.der -out key.pem`, or PKCS#12 with \
             `openssl pkcs12 -in both.p12 -nodes -out both.pem`")
        }
        (None, _) if certificates.is_empty() => Err("it contains no private key; \
             a private key begins with -----BEGIN PRIVATE KEY-----"),
        (None, _) => Err("it contains a certificate but no private key"),
    }
}

type Items = (Vec<Certificate<'static>>, Vec<PrivateKey<'static>>);

fn items(text: &[u8]) -> Result<Items, &'static str> {
    let (mut certificates, mut keys) = Items::default();
    for item in parse_pem(text) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(PemItem::PrivateKey(key)) => keys.push(key),
            Ok(_) => {}
            // The error may quote a line of a key.
            Err(_) => return Err(MALFORMED),
        }
    }
    Ok((certificates, keys))
}

/// Returns `true` for DER and PKCS#12, which begin with an ASN.1 sequence.
fn is_binary(text: &[u8]) -> bool {
    text.first() == Some(&0x30) && !text.is_ascii()
}

/// Returns `true` if the text holds an encrypted key, in PKCS#8 or in OpenSSL's older format.
fn is_encrypted(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n' || byte == b'\r')
        .any(|line| {
            line.starts_with(b"-----BEGIN ENCRYPTED ")
                || line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED")
        })
}
