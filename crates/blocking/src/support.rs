//! Helpers that know neither HTTP nor hubs.

pub(crate) mod chain;
pub(crate) mod channel;
pub(crate) mod drop_guard;
pub(crate) mod monitor;
pub(crate) mod panics;
pub(crate) mod random;
pub(crate) mod small_file;
pub(crate) mod sync;
pub(crate) mod threads;
