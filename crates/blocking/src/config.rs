//! Where a client's settings come from when the program does not say them.

mod env;
pub(crate) mod error;
mod si;

pub use error::ConfigError;
pub use si::SiProfile;
