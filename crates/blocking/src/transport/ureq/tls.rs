//! Encryption: what is trusted, what the client shows, and the connections themselves.

#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod encrypt;
mod error;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod pem;
mod plain;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod settings;
#[cfg(feature = "native-tls")]
mod with_native;
#[cfg(feature = "rustls")]
mod with_rustls;
#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
mod without;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod words;

pub use self::error::{TlsError, TlsProblem};
#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
pub(super) use self::without::{Encrypt, Settings, settings};
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub(super) use self::{
    encrypt::Encrypt,
    settings::{Settings, settings},
};

use std::error::Error as StdError;
use std::{fmt, io};

/// What encrypts connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsBackend {
    /// [rustls](https://docs.rs/rustls), which brings the root certificates of Mozilla. Needs the feature `rustls`.
    Rustls,
    /// The operating system's own, with its root certificates: OpenSSL, SChannel or Secure Transport. Needs the feature `native-tls`.
    NativeTls,
}

/// A certificate of the client with its key, for hubs that ask for one. See
/// [`HostClientBuilder::client_certificate_pem`](crate::HostClientBuilder::client_certificate_pem).
#[derive(Clone)]
pub struct ClientCertificate {
    #[cfg_attr(
        not(any(feature = "rustls", feature = "native-tls")),
        expect(dead_code, reason = "nothing reads it without encryption")
    )]
    certificates: Vec<u8>,
    #[cfg_attr(
        not(any(feature = "rustls", feature = "native-tls")),
        expect(dead_code, reason = "nothing reads it without encryption")
    )]
    key: Vec<u8>,
}

impl ClientCertificate {
    /// Of these two texts: the certificates, the client's own one first, and its private key. They may be the same text. Whether they
    /// can be used is found out when the transport is made.
    pub fn from_pem(certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self {
            certificates: certificates.into(),
            key: key.into(),
        }
    }
}

/// Nothing of it.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// Whether the hub does not accept this client. It may find so when the client takes the two to have agreed, and has sent its request;
/// but then it looks at none.
pub(super) fn is_refusal(error: &(dyn StdError + 'static)) -> bool {
    let told = error
        .downcast_ref()
        .and_then(io::Error::get_ref)
        .and_then(|error| error.downcast_ref());
    told.is_some_and(|error: &TlsError| error.problem() == TlsProblem::ClientCertificate)
}
