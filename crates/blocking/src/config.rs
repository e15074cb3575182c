//! Settings of a client from environment variables, or from a profile of `si`.

mod env;
pub(crate) mod error;
mod si;

pub use error::ConfigError;
pub use si::SiProfile;
