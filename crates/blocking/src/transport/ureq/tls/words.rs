//! The sentences about what the library that encrypts has found.

use super::error::{BAD_CERTIFICATE, NO_CERTIFICATE};
use super::{TlsError, TlsProblem};

/// When something went wrong, and with what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The two were still agreeing on how to encrypt.
    pub(super) shaking: bool,
    /// The client has a certificate to show.
    pub(super) client_certificate: bool,
}

impl TlsError {
    /// `ago` is in seconds.
    pub(super) fn expired(ago: Option<u64>) -> Self {
        let when = ago.map_or_else(
            || "has expired".to_owned(),
            |ago| format!("expired {} ago", roughly(ago)),
        );
        Self::new(
            TlsProblem::Expired,
            format!("the hub's certificate {when}, by the clock of this machine"),
        )
    }

    /// `ahead` is in seconds.
    pub(super) fn not_yet_valid(ahead: Option<u64>) -> Self {
        let when = ahead.map_or_else(String::new, |ahead| format!(", but in {}", roughly(ahead)));
        Self::new(
            TlsProblem::NotYetValid,
            format!("the hub's certificate is not valid yet{when}, by the clock of this machine"),
        )
    }

    pub(super) fn unknown_issuer() -> Self {
        Self::new(
            TlsProblem::UnknownIssuer,
            "nobody who is trusted here vouches for the hub's certificate; if it is the right one, trust who does with `ca_certificate_pem`",
        )
    }

    pub(super) fn bad_signature() -> Self {
        Self::new(
            TlsProblem::Other,
            "the hub's certificate is damaged, or its key is too short: \
             RSA needs at least 2048 bits (`openssl req -newkey rsa:2048`)",
        )
    }

    pub(super) fn unsupported_signature() -> Self {
        Self::new(
            TlsProblem::Other,
            "the hub's certificate is signed in a way that is not supported: with SHA-1 (which is \
             not safe; `-sha256` of openssl is), or perhaps with P-521, which only native-tls \
             (`tls_backend`) supports",
        )
    }

    pub(super) fn not_for_servers() -> Self {
        Self::new(
            TlsProblem::Other,
            "the hub's certificate is not for servers; \
             its extendedKeyUsage has to contain serverAuth, if it has one",
        )
    }

    pub(super) fn client_certificate(moment: Moment) -> Self {
        let words = if moment.client_certificate {
            BAD_CERTIFICATE
        } else {
            NO_CERTIFICATE
        };
        Self::new(TlsProblem::ClientCertificate, words)
    }

    pub(super) fn refused(moment: Moment) -> Self {
        let words = if moment.client_certificate {
            "does not accept the client's certificate"
        } else {
            "asks for a certificate of the client"
        };
        Self::new(
            TlsProblem::Other,
            format!("the hub refused to encrypt: it {words}, or has no cipher in common with it"),
        )
    }

    pub(super) fn nothing_in_common() -> Self {
        Self::new(
            TlsProblem::Other,
            "the hub and this client have no version of TLS, or no cipher, in common; \
             versions before TLS 1.2 are not safe any more",
        )
    }

    pub(super) fn no_tls() -> Self {
        Self::new(
            TlsProblem::NoTls,
            "what answers there does not speak TLS; perhaps the address should begin with http://",
        )
    }

    pub(super) fn cut() -> Self {
        Self::new(
            TlsProblem::Other,
            "the other side closed the connection before the two had agreed on encryption",
        )
    }

    pub(super) fn other(moment: Moment) -> Self {
        let words = if moment.shaking {
            "the two could not agree on encryption"
        } else {
            "the encryption failed"
        };
        Self::new(TlsProblem::Other, words)
    }
}

fn roughly(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
