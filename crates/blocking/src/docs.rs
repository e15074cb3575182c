//! Pages of documentation.

#[allow(unused_imports, reason = "links in the page")]
use crate::{Error, Event, InstanceClient};

#[doc = include_str!("docs/coming_from_api_client.md")]
pub mod coming_from_api_client {}

pub mod guide;
