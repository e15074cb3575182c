//! Helpers that know neither HTTP nor hubs.

pub(crate) mod chain;
pub(crate) mod small_file;
pub(crate) mod threads;
pub(crate) mod user_code;
