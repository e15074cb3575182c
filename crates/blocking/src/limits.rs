//! Limits of a call: deadline, idle timeout and cancel token.

pub(crate) mod call_limits;
pub(crate) mod cancel;
