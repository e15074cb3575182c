//! Settings from environment variables.

use std::env;
use std::path::Path;

use http::HeaderValue;
use scramjet_client_core::{Endpoint, RequestError, Version};

use super::error::ConfigError;
use crate::handles::builder::HostClientBuilder;
use crate::handles::host::HostClient;
use crate::support::small_file;
#[cfg(feature = "ureq")]
use crate::transport::UreqConfig;
#[cfg(feature = "ureq")]
use crate::transport::UreqTransport;

const HUB_URL: &str = "SCRAMJET_HUB_URL";
const TOKEN: &str = "SCRAMJET_TOKEN";
const CA_FILE: &str = "SCRAMJET_CA_FILE";
const HUB_VERSION: &str = "SCRAMJET_HUB_VERSION";

/// Upper bound for the file of certificates. All root certificates of Mozilla together have a
/// quarter of a megabyte.
const MAX_CA_BYTES: u64 = 16 << 20;

/// Settings from environment variables.
impl HostClientBuilder {
    /// Creates a builder with settings from environment variables.
    ///
    /// | variable | value | if not set or empty |
    /// |---|---|---|
    /// | `SCRAMJET_HUB_URL` | [base URL](HostClient::new) | an error |
    /// | `SCRAMJET_TOKEN` | [bearer token](Self::bearer_token) | no token |
    /// | `SCRAMJET_CA_FILE` | a [certificate](Self::ca_certificate_pem) file | the default |
    /// | `SCRAMJET_HUB_VERSION` | [version of the hub](Self::hub_version) | a request finds it |
    ///
    /// Reads no other variables; call [`proxy_from_environment`](Self::proxy_from_environment) for
    /// those of a proxy. Checks the values at once, so that an error names the variable.
    ///
    /// If the URL is that of a Manager or a Middleware, finish the builder with
    /// [`build_manager`](Self::build_manager) or [`build_middleware`](Self::build_middleware).
    ///
    /// # Errors
    /// `SCRAMJET_HUB_URL` is not set ([`ConfigError::is_unset`]), a value is invalid, or the file
    /// cannot be read.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClientBuilder;
    /// let host = HostClientBuilder::from_env()?.header("x-team", "blue").build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_env() -> Result<Self, ConfigError> {
        let url = variable(HUB_URL)?.ok_or(ConfigError::Unset { variable: HUB_URL })?;
        Endpoint::new(&url)
            .map_err(|error| ConfigError::variable(HUB_URL, without_value(&error)))?;
        let mut builder = HostClient::builder(url);
        if let Some(token) = variable(TOKEN)? {
            let problem = "it contains a line break or another character that HTTP does not allow; \
                           it is sent as `Authorization: Bearer …`";
            HeaderValue::from_str(&token).map_err(|_| ConfigError::variable(TOKEN, problem))?;
            builder = builder.bearer_token(token);
        }
        if let Some(file) = variable(CA_FILE)? {
            let unreadable = |source| ConfigError::Variable {
                variable: CA_FILE,
                problem: format!("cannot read {file}"),
                source: Some(source),
            };
            let pem = small_file::read(Path::new(&file), MAX_CA_BYTES).map_err(unreadable)?;
            let unusable = |error| {
                ConfigError::variable(CA_FILE, format_args!("{file}: {}", without_value(&error)))
            };
            builder = with_ca_certificates(builder, pem).map_err(unusable)?;
        }
        if let Some(version) = variable(HUB_VERSION)? {
            let version = version
                .parse::<Version>()
                .map_err(|error| ConfigError::variable(HUB_VERSION, format_args!("{error}")))?;
            builder = builder.hub_version(version);
        }
        Ok(builder)
    }
}

#[cfg(feature = "ureq")]
fn with_ca_certificates(
    builder: HostClientBuilder,
    pem: Vec<u8>,
) -> Result<HostClientBuilder, RequestError> {
    // Only to check the certificates.
    UreqTransport::new(&UreqConfig {
        ca_certificates: Some(pem.clone()),
        ..UreqConfig::default()
    })?;
    Ok(builder.ca_certificate_pem(pem))
}

#[cfg(not(feature = "ureq"))]
fn with_ca_certificates(
    _: HostClientBuilder,
    _: Vec<u8>,
) -> Result<HostClientBuilder, RequestError> {
    Err(RequestError::setting(
        "ca_certificates",
        "this program was built without a transport that supports them",
    ))
}

/// Settings from environment variables.
impl HostClient {
    /// Creates a client of the hub at `SCRAMJET_HUB_URL`, with the token in `SCRAMJET_TOKEN` if it
    /// is set. Sends nothing.
    ///
    /// Also reads `SCRAMJET_CA_FILE` and `SCRAMJET_HUB_VERSION`, see
    /// [`HostClientBuilder::from_env`].
    ///
    /// # Errors
    /// Like [`HostClientBuilder::from_env`].
    ///
    /// ```no_run
    /// use scramjet_client_blocking::HostClient;
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let host = HostClient::from_env()?;
    ///     println!("{} sequences on {}", host.list_sequences()?.len(), host.base_url());
    ///     Ok(())
    /// }
    /// ```
    pub fn from_env() -> Result<Self, ConfigError> {
        // The one remaining error: an https URL, but the program was built without TLS support.
        HostClientBuilder::from_env()?
            .build()
            .map_err(|error| ConfigError::variable(HUB_URL, error))
    }
}

/// Returns the problem without the value, which may contain secrets.
pub(super) fn without_value(error: &RequestError) -> String {
    match error {
        RequestError::BaseUrl { problem, .. }
        | RequestError::Option { problem, .. }
        | RequestError::Setting { problem, .. }
        | RequestError::Header { problem, .. } => problem.clone(),
        error => error.to_string(),
    }
}

/// Returns the value of a variable; `None` if it is not set or empty.
pub(super) fn variable(name: &'static str) -> Result<Option<String>, ConfigError> {
    match env::var_os(name) {
        Some(value) if !value.is_empty() => match value.into_string() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(ConfigError::variable(name, "it is not valid Unicode")),
        },
        _ => Ok(None),
    }
}
