//! Settings from the environment.

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

/// All certificates of Mozilla have a quarter of a megabyte.
const MAX_CA_BYTES: u64 = 16 << 20;

/// Settings from the environment.
impl HostClientBuilder {
    /// Settings from the environment, to which others can be added. They are checked here, so that an error names the variable. One that is
    /// empty counts as not set, and no others are looked at.
    ///
    /// | variable | what it is | where it is not set |
    /// |---|---|---|
    /// | `SCRAMJET_HUB_URL` | the address of the hub's API, see [`HostClient::new`] | an error, see [`ConfigError::is_unset`] |
    /// | `SCRAMJET_TOKEN` | a token, see [`bearer_token`](Self::bearer_token) | nothing is sent |
    /// | `SCRAMJET_CA_FILE` | a file of certificates, see [`ca_certificate_pem`](Self::ca_certificate_pem) | those of Mozilla |
    /// | `SCRAMJET_HUB_VERSION` | the hub's version, see [`hub_version`](Self::hub_version) | the hub is asked |
    ///
    /// With the address of a Manager or a Middleware, end with [`build_manager`](Self::build_manager) or
    /// [`build_middleware`](Self::build_middleware).
    ///
    /// # Errors
    /// `SCRAMJET_HUB_URL` is not set, a variable cannot be used, or the file cannot be read.
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
            builder = trusting(builder, pem).map_err(unusable)?;
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
fn trusting(builder: HostClientBuilder, pem: Vec<u8>) -> Result<HostClientBuilder, RequestError> {
    // Nobody keeps it: only whether it can be made is of interest.
    UreqTransport::new(&UreqConfig {
        ca_certificates: Some(pem.clone()),
        ..UreqConfig::default()
    })?;
    Ok(builder.ca_certificate_pem(pem))
}

#[cfg(not(feature = "ureq"))]
fn trusting(_: HostClientBuilder, _: Vec<u8>) -> Result<HostClientBuilder, RequestError> {
    Err(RequestError::setting(
        "ca_certificates",
        "this program was built without a transport that supports them",
    ))
}

/// A hub from the environment.
impl HostClient {
    /// The hub of `SCRAMJET_HUB_URL`, with the token of `SCRAMJET_TOKEN` where that is set; all variables are in
    /// [`HostClientBuilder::from_env`]. Connects to nothing yet.
    ///
    /// # Errors
    /// `SCRAMJET_HUB_URL` is not set, or a variable cannot be used.
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
        // What is left is an address for which this program has no encryption.
        HostClientBuilder::from_env()?
            .build()
            .map_err(|error| ConfigError::variable(HUB_URL, error))
    }
}

/// What is wrong, without what it is wrong with.
pub(super) fn without_value(error: &RequestError) -> String {
    match error {
        RequestError::BaseUrl { problem, .. }
        | RequestError::Option { problem, .. }
        | RequestError::Setting { problem, .. }
        | RequestError::Header { problem, .. } => problem.clone(),
        error => error.to_string(),
    }
}

/// The value of a variable, where it has one.
pub(super) fn variable(name: &'static str) -> Result<Option<String>, ConfigError> {
    match env::var_os(name) {
        Some(value) if !value.is_empty() => match value.into_string() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(ConfigError::variable(name, "it is not valid Unicode")),
        },
        _ => Ok(None),
    }
}
