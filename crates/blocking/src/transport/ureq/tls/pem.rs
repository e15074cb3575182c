//! Certificates and keys as text. What is wrong with one is told without a word of it.

use ::ureq::tls::{Certificate, PemItem, PrivateKey, parse_pem};

const DAMAGED: &str = "it is damaged: each item begins with a line -----BEGIN ...-----, ends with a line -----END ...-----, and has its \
                       base64 on lines between them";

/// The certificates in it, of which there is at least one. What else is in it is passed over.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<Certificate<'static>>, &'static str> {
    let (certificates, keys) = items(text)?;
    match (certificates.is_empty(), keys.is_empty()) {
        (false, _) => Ok(certificates),
        (true, false) => Err("there is only a private key in it, and no certificate"),
        (true, true) if is_binary(text) => Err(
            "it is binary, and not PEM; `openssl x509 -inform der -in cert.der -out cert.pem` \
             converts DER, and `openssl pkcs12 -in both.p12 -nodes -out both.pem` PKCS#12",
        ),
        (true, true) => {
            Err("there is no certificate in it; one begins with -----BEGIN CERTIFICATE-----")
        }
    }
}

/// The one private key in it.
pub(super) fn key(text: &[u8]) -> Result<PrivateKey<'static>, &'static str> {
    if is_encrypted(text) {
        return Err(
            "its private key is encrypted with a password; `openssl pkey -in key.pem -out plain.pem` makes one that is not",
        );
    }
    let (certificates, mut keys) = items(text)?;
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => Ok(key),
        (Some(_), false) => Err("there are several private keys in it"),
        (None, _) if is_binary(text) => Err("its private key is binary, and not PEM; \
             `openssl pkey -inform der -in key.der -out key.pem` converts DER, \
             and `openssl pkcs12 -in both.p12 -nodes -out both.pem` PKCS#12"),
        (None, _) if certificates.is_empty() => {
            Err("there is no private key in it; one begins with -----BEGIN PRIVATE KEY-----")
        }
        (None, _) => Err("there is no private key in it, only a certificate"),
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
            // It may quote a line, and that may be a key.
            Err(_) => return Err(DAMAGED),
        }
    }
    Ok((certificates, keys))
}

/// DER and PKCS#12 begin with a sequence.
fn is_binary(text: &[u8]) -> bool {
    text.first() == Some(&0x30) && !text.is_ascii()
}

/// In the way of PKCS#8, or in that which OpenSSL had before.
fn is_encrypted(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n' || byte == b'\r')
        .any(|line| {
            line.starts_with(b"-----BEGIN ENCRYPTED ")
                || line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED")
        })
}
