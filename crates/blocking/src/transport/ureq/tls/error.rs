//! What is wrong with the encryption, for a person.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;
use memchr::memmem;
use scramjet_client_core::ApiError;

use crate::transport::BoxError;

/// What is wrong with the encryption of a connection: a sentence, and the word of the library that encrypts where it says more. Found in
/// an error by [`Error::tls`](crate::Error::tls).
#[derive(Debug)]
pub struct TlsError {
    problem: TlsProblem,
    words: Cow<'static, str>,
    source: Option<BoxError>,
}

/// What is wrong with the encryption of a connection, for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The hub's certificate has expired.
    Expired,
    /// The hub's certificate is not valid yet.
    NotYetValid,
    /// Nobody who is trusted vouches for the hub's certificate.
    UnknownIssuer,
    /// The hub's certificate is for another host.
    WrongHost,
    /// The hub asks for a certificate of the client, or does not accept the one it was shown. It has not acted upon the request.
    ClientCertificate,
    /// What answers at an `https` address does not encrypt.
    NoTls,
    /// What answers at an `http` address wants to encrypt.
    OnlyTls,
    /// This was built without encryption.
    Unsupported,
    /// Something else.
    Other,
}

impl TlsError {
    /// What it is, for a program.
    #[must_use]
    pub fn problem(&self) -> TlsProblem {
        self.problem
    }

    pub(super) fn new(problem: TlsProblem, words: impl Into<Cow<'static, str>>) -> Self {
        Self {
            words: words.into(),
            ..Self::fixed(problem, "")
        }
    }

    const fn fixed(problem: TlsProblem, words: &'static str) -> Self {
        Self {
            problem,
            words: Cow::Borrowed(words),
            source: None,
        }
    }

    /// The meaning of a refusal of a server in front of the hub, if it is about TLS.
    pub(crate) fn of_refusal(refusal: &ApiError) -> Option<&'static Self> {
        if refusal.received_status != StatusCode::BAD_REQUEST || refusal.is_from_hub() {
            return None;
        }
        let says = |text: &str| memmem::find(&refusal.body, text.as_bytes()).is_some();
        REFUSALS
            .iter()
            .find(|(text, _)| says(text))
            .map(|(_, error)| error)
    }
}

pub(super) const NO_CERTIFICATE: &str = "the hub asks for a certificate of the client, \
                                         and none was given; see `client_certificate_pem`";

pub(super) const BAD_CERTIFICATE: &str = "the hub does not accept the client's certificate: it has \
                                          to be valid now, signed by an authority that the hub \
                                          trusts, and for clientAuth, if it has an \
                                          extendedKeyUsage";

pub(super) const ONLY_TLS: &str =
    "what answers there speaks TLS; the address should begin with https://";

/// Texts in a 400 of servers that handle TLS in front of a hub, and what they mean.
static REFUSALS: [(&str, TlsError); 5] = {
    const fn no_certificate(words: &'static str) -> TlsError {
        TlsError::fixed(TlsProblem::ClientCertificate, words)
    }
    const fn only_tls() -> TlsError {
        TlsError::fixed(TlsProblem::OnlyTls, ONLY_TLS)
    }
    [
        // nginx
        (
            "No required SSL certificate was sent",
            no_certificate(NO_CERTIFICATE),
        ),
        ("The SSL certificate error", no_certificate(BAD_CERTIFICATE)),
        ("The plain HTTP request was sent to HTTPS port", only_tls()),
        // Apache
        (
            "speaking plain HTTP to an SSL-enabled server port",
            only_tls(),
        ),
        // Caddy, Traefik and others in Go
        ("Client sent an HTTP request to an HTTPS server", only_tls()),
    ]
};

#[cfg(any(feature = "rustls", feature = "native-tls"))]
impl TlsError {
    pub(super) fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Appends to its sentence.
    #[cfg(feature = "rustls")]
    pub(super) fn adding(mut self, words: &str) -> Self {
        self.words.to_mut().push_str(words);
        self
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl StdError for TlsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| -> &(dyn StdError + 'static) { source })
    }
}
