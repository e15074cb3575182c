//! Access to the TLS and proxy errors of the default transport.

use std::error::Error as StdError;
use std::io;

use super::Error;
use crate::support::chain::causes;
use crate::transport::{ProxyError, TlsError};

impl Error {
    /// Returns the TLS error, if TLS is the cause. The cause may also be a response with status
    /// 400, which nginx, for example, sends if the client certificate is missing.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # use scramjet_client_blocking::transport::TlsProblem;
    /// let host = HostClient::new("https://hub.example.com/api/v1")?;
    /// if let Err(error) = host.version() {
    ///     match error.tls().map(|tls| tls.problem()) {
    ///         Some(TlsProblem::Expired | TlsProblem::NotYetValid) => {
    ///             println!("check the clock: {error:?}");
    ///         }
    ///         _ => return Err(error),
    ///     }
    /// }
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn tls(&self) -> Option<&TlsError> {
        find(self).or_else(|| TlsError::of_refusal(self.api()?))
    }

    /// Returns the proxy error, if the proxy is the cause.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # use scramjet_client_blocking::transport::ProxyProblem;
    /// let host = HostClient::builder("http://hub.example.com:8000/api/v1")
    ///     .proxy("http://localhost:3128")
    ///     .build()?;
    /// if let Err(error) = host.version() {
    ///     match error.proxy().map(|proxy| proxy.problem()) {
    ///         Some(ProxyProblem::Refused(status)) if status == 407 => {
    ///             println!("log in to the proxy");
    ///         }
    ///         _ => return Err(error),
    ///     }
    /// }
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn proxy(&self) -> Option<&ProxyError> {
        find(self)
    }
}

/// Returns the first cause of this type. Also looks into I/O errors, because `io::Error::source`
/// skips the error that it wraps.
fn find<T: StdError + 'static>(error: &Error) -> Option<&T> {
    causes(error).find_map(|cause| {
        let within = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        cause.downcast_ref().or_else(|| within?.downcast_ref())
    })
}
