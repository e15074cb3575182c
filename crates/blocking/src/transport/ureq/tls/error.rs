//! The error type for TLS.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::{fmt, io};

use http::StatusCode;
use memchr::memmem;
use scramjet_client_core::ApiError;

use crate::transport::BoxError;

/// A problem with TLS. Its message names a remedy if there is one. Its source is the error of the
/// TLS library, if that contains more. [`Error::tls`](crate::Error::tls) returns it.
#[derive(Debug)]
pub struct TlsError {
    problem: TlsProblem,
    message: Cow<'static, str>,
    source: Option<BoxError>,
}

/// The kind of a [`TlsError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The hub's certificate has expired.
    Expired,
    /// The hub's certificate is not valid yet.
    NotYetValid,
    /// The hub's certificate is signed by an unknown authority.
    UnknownIssuer,
    /// The hub's certificate is for another host.
    WrongHost,
    /// The hub requires a client certificate, or rejects the one of this client. It has not
    /// processed the request.
    ClientCertificate,
    /// The server at an `https` address does not speak TLS.
    NoTls,
    /// The server at an `http` address speaks only TLS.
    OnlyTls,
    /// The program was built without TLS support.
    Unsupported,
    /// Another problem.
    Other,
}

impl TlsError {
    /// Returns the kind of the problem.
    #[must_use]
    pub fn problem(&self) -> TlsProblem {
        self.problem
    }

    pub(super) fn new(problem: TlsProblem, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            ..Self::fixed(problem, "")
        }
    }

    const fn fixed(problem: TlsProblem, message: &'static str) -> Self {
        Self {
            problem,
            message: Cow::Borrowed(message),
            source: None,
        }
    }

    /// Returns the TLS problem that a server in front of the hub reports with a 400.
    pub(crate) fn of_refusal(refusal: &ApiError) -> Option<&'static Self> {
        if refusal.received_status != StatusCode::BAD_REQUEST || refusal.is_from_hub() {
            return None;
        }
        let contains = |text: &str| memmem::find(&refusal.body, text.as_bytes()).is_some();
        REFUSALS
            .iter()
            .find(|(text, _)| contains(text))
            .map(|(_, error)| error)
    }
}

pub(super) const NO_CLIENT_CERTIFICATE: &str =
    "the hub requires a client certificate, but none is set; see `client_certificate_pem`";

pub(super) const CLIENT_CERTIFICATE_REJECTED: &str = "the hub rejected the client certificate: it \
                                                      must be valid now, be signed by an authority \
                                                      that the hub trusts, and allow clientAuth if \
                                                      it has an extendedKeyUsage";

pub(super) const SERVER_SPEAKS_TLS: &str =
    "the server speaks TLS; the address should begin with https://";

/// Returns `true` if the hub rejected the client certificate, or requires one. With TLS 1.3 the
/// client receives this error only after it has sent its request. The hub ignores that request.
pub(in super::super) fn is_client_rejected(error: &(dyn StdError + 'static)) -> bool {
    let inner = error
        .downcast_ref()
        .and_then(io::Error::get_ref)
        .and_then(|error| error.downcast_ref());
    inner.is_some_and(|error: &TlsError| error.problem() == TlsProblem::ClientCertificate)
}

/// Texts in a 400 of a server that terminates TLS in front of a hub, and their meaning.
static REFUSALS: [(&str, TlsError); 5] = {
    const fn client_certificate(message: &'static str) -> TlsError {
        TlsError::fixed(TlsProblem::ClientCertificate, message)
    }
    const fn only_tls() -> TlsError {
        TlsError::fixed(TlsProblem::OnlyTls, SERVER_SPEAKS_TLS)
    }
    [
        // nginx
        (
            "No required SSL certificate was sent",
            client_certificate(NO_CLIENT_CERTIFICATE),
        ),
        (
            "The SSL certificate error",
            client_certificate(CLIENT_CERTIFICATE_REJECTED),
        ),
        ("The plain HTTP request was sent to HTTPS port", only_tls()),
        // Apache
        (
            "speaking plain HTTP to an SSL-enabled server port",
            only_tls(),
        ),
        // Caddy, Traefik and other servers in Go
        ("Client sent an HTTP request to an HTTPS server", only_tls()),
    ]
};

#[cfg(any(feature = "rustls", feature = "native-tls"))]
impl TlsError {
    pub(super) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Appends to the message.
    #[cfg(feature = "rustls")]
    pub(super) fn with_suffix(mut self, suffix: &str) -> Self {
        self.message.to_mut().push_str(suffix);
        self
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for TlsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| -> &(dyn StdError + 'static) { source })
    }
}
