//! Checks the TLS options, performs the TLS handshake and explains TLS errors.
//!
//! The TLS connectors of ureq do the encryption. This module checks certificates and keys when the
//! transport is created, and replaces the errors of the TLS libraries with [`TlsError`].

#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod connector;
#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
mod disabled;
mod error;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod messages;
#[cfg(feature = "native-tls")]
mod native_tls;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod pem;
mod plain;
#[cfg(feature = "rustls")]
mod rustls;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod settings;

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
pub(super) use self::disabled::{TlsConnector, configure, configure_default};
pub(super) use self::error::is_client_rejected;
pub use self::error::{TlsError, TlsProblem};
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub(super) use self::{
    connector::TlsConnector,
    settings::{configure, configure_default},
};
