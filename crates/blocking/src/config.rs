//! Settings of a client from environment variables, or from a profile of the command-line tool
//! `si`.
//!
//! [`HostClient::from_env`](crate::HostClient::from_env) and
//! [`HostClientBuilder::from_env`](crate::HostClientBuilder::from_env) read environment variables.

mod env;
pub(crate) mod error;
mod si;

pub use error::ConfigError;
pub use si::SiProfile;
