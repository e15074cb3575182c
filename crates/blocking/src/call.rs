//! A call: its options, its context for errors, and the observer of its requests.

pub(crate) mod context;
pub(crate) mod observer;
pub(crate) mod options;
