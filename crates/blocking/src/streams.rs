//! Streams that need several requests, or a thread.

pub(crate) mod follow;
pub(crate) mod pipe;
pub(crate) mod writer;
