//! Which proxy leads to a hub, and the way through it.

mod address;
mod environment;
mod error;
mod exceptions;
mod forward;
mod tunnel;

pub use self::error::{ProxyError, ProxyProblem};

use std::{env, fmt};

use ::ureq::Error;
use ::ureq::http::Uri;
use scramjet_client_core::RequestError;

pub(super) use self::address::Address;
use self::environment::Environment;
pub(super) use self::forward::Forward;

/// Through which proxy hubs are reached.
///
/// - An `https` hub is reached through a tunnel (`CONNECT`). The proxy sees the hub's name and port.
/// - A request to an `http` hub is sent to the proxy, which passes it on (absolute form, as curl
///   does): many proxies open tunnels only to port 443. The proxy can read and change all of it, the
///   `Authorization` header for the hub included, like everybody else on the way to an `http` hub.
///
/// The user name and the password for the proxy (`Proxy-Authorization`) go to the proxy only.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxy {
    /// None.
    #[default]
    None,
    /// The one with this URL (`http://proxy.example.com:3128`, or with `user:password@`, encoded as in any URL), for all connections.
    Url(String),
    /// Those that the environment names when the transport is made: see
    /// [`HostClientBuilder::proxy_from_environment`](crate::HostClientBuilder::proxy_from_environment).
    Environment,
}

/// Without the URL, which may hold a password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Url(_) => "Url(..)",
            Self::Environment => "Environment",
        })
    }
}

/// The proxies for all hubs.
#[derive(Debug, Default)]
pub(super) enum Proxies {
    #[default]
    None,
    One(Address),
    Environment(Environment),
}

impl Proxies {
    pub(super) fn of(setting: &Proxy) -> Result<Self, RequestError> {
        Ok(match setting {
            Proxy::None => Self::None,
            Proxy::Url(url) => Self::One(
                Address::parse(url).map_err(|problem| RequestError::setting("proxy", &problem))?,
            ),
            Proxy::Environment => Self::Environment(Environment::read(|name| {
                Some(env::var_os(name)?.to_string_lossy().into_owned())
            })),
        })
    }

    /// The proxy that leads to this hub, where one does.
    pub(super) fn to(&self, hub: &Uri) -> Result<Option<&Address>, Error> {
        match self {
            Self::None => Ok(None),
            Self::One(address) => Ok(Some(address)),
            Self::Environment(environment) => environment.to(hub).map_err(Into::into),
        }
    }
}
