//! Pages of documentation.

#[doc = include_str!("docs/coming_from_api_client.md")]
pub mod coming_from_api_client {}

pub mod guide;
