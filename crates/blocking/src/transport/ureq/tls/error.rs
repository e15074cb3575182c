//! What is wrong with the encryption, for a person.

use std::error::Error as StdError;
use std::fmt;

use super::super::found::find;
use crate::{BoxError, Error};

/// What is wrong with the encryption of a connection: a sentence, and the word of the library that encrypts where it says more. Found in
/// an error by [`Error::tls`].
#[derive(Debug)]
pub struct TlsError {
    problem: TlsProblem,
    words: String,
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

    pub(super) fn new(problem: TlsProblem, words: impl Into<String>) -> Self {
        Self {
            problem,
            words: words.into(),
            source: None,
        }
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
impl TlsError {
    pub(super) fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
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

impl Error {
    /// What is wrong with the encryption, where that is what happened.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, TlsProblem};
    /// let host = HostClient::new("https://hub.example.com/api/v1")?;
    /// if let Err(error) = host.version() {
    ///     match error.tls().map(|tls| tls.problem()) {
    ///         Some(TlsProblem::Expired | TlsProblem::NotYetValid) => println!("look at the clock: {error:?}"),
    ///         _ => return Err(error),
    ///     }
    /// }
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn tls(&self) -> Option<&TlsError> {
        find(self)
    }
}
