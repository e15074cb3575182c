//! The context of a call: its options, and how errors and observers describe it.

pub(crate) mod context;
pub(crate) mod observer;
pub(crate) mod options;
