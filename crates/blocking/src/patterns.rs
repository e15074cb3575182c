// Procedures around a sequence. The documentation of this module is `docs/patterns.md`.

pub(crate) mod channel;
pub(crate) mod child;
pub(crate) mod deployment;
pub(crate) mod pool;
pub(crate) mod start;
