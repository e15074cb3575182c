//! Handles to hubs, sequences, instances and the platform.

pub(crate) mod builder;
mod call_options;
pub(crate) mod dry_run;
pub(crate) mod host;
mod info;
pub(crate) mod instance;
pub(crate) mod into_id;
pub(crate) mod platform;
mod ready;
pub(crate) mod sequence;
mod topics;
