//! Certificates and certificate authorities, generated at run time.

use pem::Pem;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its own certificate and those of the authorities above it, without that of the root.
    intermediates: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// Returns a self-signed root authority.
    pub fn new(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority(name), key()).expect("an authority");
        Self {
            issuer,
            intermediates: Vec::new(),
        }
    }

    /// Returns an intermediate authority, signed by this one.
    pub fn intermediate(&self, name: &str) -> Self {
        let issuer =
            CertifiedIssuer::signed_by(authority(name), key(), &self.issuer).expect("an authority");
        let intermediates = [vec![issuer.der().clone()], self.intermediates.clone()].concat();
        Self {
            issuer,
            intermediates,
        }
    }

    /// Returns the certificate to trust, in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        self.issuer.der()
    }

    /// Issues a certificate for these DNS names and addresses, or for a client with this name.
    pub fn identity(&self, names: &[&str]) -> Identity {
        self.identity_between(names, 2020, 2099)
    }

    /// Issues a certificate that is valid from January 1 of `from` to January 1 of `to`.
    pub fn identity_between(&self, names: &[&str], from: i32, to: i32) -> Identity {
        let key = key();
        let certificate = leaf(names, from, to)
            .signed_by(&key, &self.issuer)
            .expect("a certificate");
        Identity {
            chain: [vec![certificate.der().clone()], self.intermediates.clone()].concat(),
            key,
        }
    }
}

/// A certificate with its key and intermediate certificates.
pub struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Identity {
    /// Returns a self-signed certificate.
    pub fn self_signed(names: &[&str]) -> Self {
        let key = key();
        let certificate = leaf(names, 2020, 2099)
            .self_signed(&key)
            .expect("a certificate");
        Self {
            chain: vec![certificate.der().clone()],
            key,
        }
    }

    /// Returns a self-signed certificate marked as an authority, as `openssl req -x509` makes it.
    pub fn self_signed_authority(names: &[&str]) -> Self {
        let (key, mut params) = (key(), leaf(names, 2020, 2099));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            chain: vec![certificate.der().clone()],
            key,
        }
    }

    /// Returns the certificates in PEM, the leaf first.
    pub fn pem(&self) -> String {
        self.chain
            .iter()
            .map(|certificate| pem("CERTIFICATE", certificate))
            .collect()
    }

    /// Returns the key as PKCS#8 in PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Returns the key as SEC1 in PEM.
    pub fn sec1_key_pem(&self) -> String {
        // PKCS#8 wraps the SEC1 key, a SEQUENCE, in an OCTET STRING (tag 4).
        let pkcs8 = self.key.serialized_der();
        let at = pkcs8
            .windows(3)
            .position(|head| head[0] == 4 && head[2] == 0x30)
            .expect("a key within the key");
        pem(
            "EC PRIVATE KEY",
            &pkcs8[at + 2..][..usize::from(pkcs8[at + 1])],
        )
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key")
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn leaf(names: &[&str], from: i32, to: i32) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, "leaf");
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    params
}

fn pem(label: &str, der: &[u8]) -> String {
    pem::encode(&Pem::new(label, der))
}
