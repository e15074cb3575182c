//! Certificates made on the fly: authorities, and what they vouch for.

use pem::Pem;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority, which vouches for others with its certificate.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its own certificate and those up to the first authority, where it is not the first.
    between: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// One that vouches for itself.
    pub fn new(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority(name), key()).expect("an authority");
        Self {
            issuer,
            between: Vec::new(),
        }
    }

    /// One that this one vouches for.
    pub fn below(&self, name: &str) -> Self {
        let issuer =
            CertifiedIssuer::signed_by(authority(name), key(), &self.issuer).expect("an authority");
        let between = [vec![issuer.der().clone()], self.between.clone()].concat();
        Self { issuer, between }
    }

    /// The certificate to trust, in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        self.issuer.der()
    }

    /// A certificate for these names and addresses, or for a person of this name.
    pub fn identity(&self, names: &[&str]) -> Identity {
        self.identity_between(names, 2020, 2099)
    }

    /// A certificate that is valid from the beginning of the one year to the beginning of the other.
    pub fn identity_between(&self, names: &[&str], from: i32, to: i32) -> Identity {
        let key = key();
        let certificate = leaf(names, from, to)
            .signed_by(&key, &self.issuer)
            .expect("a certificate");
        Identity {
            chain: [vec![certificate.der().clone()], self.between.clone()].concat(),
            key,
        }
    }
}

/// A certificate, those between it and the authority, and its key.
pub struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Identity {
    /// One for which nobody vouches but itself.
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

    /// Returns one as `openssl req -x509` makes it: it vouches for itself as an authority.
    pub fn self_signed_authority(names: &[&str]) -> Self {
        let (key, mut params) = (key(), leaf(names, 2020, 2099));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            chain: vec![certificate.der().clone()],
            key,
        }
    }

    /// The certificates in PEM, its own one first.
    pub fn pem(&self) -> String {
        self.chain
            .iter()
            .map(|certificate| pem("CERTIFICATE", certificate))
            .collect()
    }

    /// The key in PEM, in PKCS#8.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The key in PEM, in SEC1.
    pub fn sec1_key_pem(&self) -> String {
        // In PKCS#8 it is within octets (type 4), the first of which says that they are a sequence.
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
