//! Chooses the proxy for a hub.

use std::env;

use ::ureq::Error;
use ::ureq::http::Uri;
use scramjet_client_core::RequestError;

use super::super::config::Proxy;
use super::address::ProxyAddress;
use super::environment::EnvironmentProxies;

/// The parsed form of a [`Proxy`] option.
#[derive(Debug, Default)]
pub(in super::super) enum ProxySelector {
    #[default]
    None,
    One(ProxyAddress),
    Environment(EnvironmentProxies),
}

impl ProxySelector {
    /// Parses the option. For [`Proxy::Environment`], reads the environment variables.
    pub(in super::super) fn new(option: &Proxy) -> Result<Self, RequestError> {
        Ok(match option {
            Proxy::None => Self::None,
            Proxy::Url(url) => Self::One(
                ProxyAddress::parse(url)
                    .map_err(|problem| RequestError::setting("proxy", &problem))?,
            ),
            Proxy::Environment => Self::Environment(EnvironmentProxies::read(|name| {
                Some(env::var_os(name)?.to_string_lossy().into_owned())
            })),
        })
    }

    /// Returns the proxy for this hub. `None` means a direct connection.
    pub(in super::super) fn select(&self, hub: &Uri) -> Result<Option<&ProxyAddress>, Error> {
        match self {
            Self::None => Ok(None),
            Self::One(address) => Ok(Some(address)),
            Self::Environment(environment) => environment.select(hub).map_err(Into::into),
        }
    }
}
