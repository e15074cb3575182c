//! The messages that rustls and native-tls have in common.

use super::error::{CLIENT_CERTIFICATE_REJECTED, NO_CLIENT_CERTIFICATE, TlsError, TlsProblem};

/// The circumstances of a TLS error.
#[derive(Clone, Copy, Debug)]
pub(super) struct TlsContext {
    /// The error belongs to the handshake.
    pub(super) is_handshake: bool,
    /// The client has a certificate.
    pub(super) has_client_certificate: bool,
}

impl TlsError {
    /// Creates the error for a certificate that expired `ago` seconds ago.
    pub(super) fn expired(ago: Option<u64>) -> Self {
        let when = ago.map_or_else(
            || "has expired".to_owned(),
            |ago| format!("expired {} ago", rounded(ago)),
        );
        Self::new(
            TlsProblem::Expired,
            format!("the hub's certificate {when}, according to the clock of this machine"),
        )
    }

    /// Creates the error for a certificate that becomes valid in `ahead` seconds.
    pub(super) fn not_yet_valid(ahead: Option<u64>) -> Self {
        let when = ahead.map_or_else(String::new, |ahead| {
            format!(" (it will be in {})", rounded(ahead))
        });
        Self::new(
            TlsProblem::NotYetValid,
            format!(
                "the hub's certificate is not valid yet{when}, \
                 according to the clock of this machine"
            ),
        )
    }

    pub(super) fn unknown_issuer() -> Self {
        Self::new(
            TlsProblem::UnknownIssuer,
            "the hub's certificate is signed by an unknown authority; \
             if the certificate is genuine, trust its authority with `ca_certificate_pem`",
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
            "the hub's certificate has an unsupported signature algorithm: SHA-1, which is \
             insecure (sign with `-sha256` of openssl), or perhaps P-521, which only native-tls \
             (`tls_backend`) supports",
        )
    }

    pub(super) fn not_for_servers() -> Self {
        Self::new(
            TlsProblem::Other,
            "the hub's certificate is not for servers; \
             its extendedKeyUsage, if it has one, must contain serverAuth",
        )
    }

    pub(super) fn client_certificate(context: TlsContext) -> Self {
        let message = if context.has_client_certificate {
            CLIENT_CERTIFICATE_REJECTED
        } else {
            NO_CLIENT_CERTIFICATE
        };
        Self::new(TlsProblem::ClientCertificate, message)
    }

    pub(super) fn handshake_rejected(context: TlsContext) -> Self {
        let reason = if context.has_client_certificate {
            "rejected the client certificate"
        } else {
            "requires a client certificate"
        };
        Self::new(
            TlsProblem::Other,
            format!(
                "the hub rejected the TLS handshake: \
                 it {reason}, or has no cipher suite in common with this client"
            ),
        )
    }

    pub(super) fn nothing_in_common() -> Self {
        Self::new(
            TlsProblem::Other,
            "the hub and this client have no TLS version or no cipher suite in common; \
             TLS versions before 1.2 are insecure",
        )
    }

    pub(super) fn no_tls() -> Self {
        Self::new(
            TlsProblem::NoTls,
            "the server does not speak TLS; perhaps the address should begin with http://",
        )
    }

    pub(super) fn closed() -> Self {
        Self::new(
            TlsProblem::Other,
            "the server closed the connection during the TLS handshake",
        )
    }

    pub(super) fn other(context: TlsContext) -> Self {
        let message = if context.is_handshake {
            "unexpected error in the TLS handshake"
        } else {
            "unexpected TLS error"
        };
        Self::new(TlsProblem::Other, message)
    }
}

/// Returns a time in its largest suitable unit, rounded down: `3 hours`.
fn rounded(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
