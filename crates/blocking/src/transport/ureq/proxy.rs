//! Chooses the proxy for a hub and sends requests through it.
//!
//! ureq's own proxy support does not suffice: it sends all requests through `CONNECT` tunnels,
//! which many proxies refuse for `http` hubs, and it uses one proxy for all schemes.

mod address;
mod environment;
mod error;
mod forward;
mod no_proxy;
mod selector;
mod tunnel;

pub(super) use self::address::ProxyAddress;
pub use self::error::{ProxyError, ProxyProblem};
pub(super) use self::forward::ForwardProxy;
pub(super) use self::selector::ProxySelector;
pub(super) use self::tunnel::open_tunnel;
