//! Pages of documentation.

// The names that the pages link to.
#[cfg(doc)]
use crate::*;

#[doc = include_str!("docs/coming_from_api_client.md")]
pub mod coming_from_api_client {}

pub mod guide;
