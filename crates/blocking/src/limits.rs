//! Limits of a call: its deadline, its idle timeout, its cancel token.

pub(crate) mod call_limits;
pub(crate) mod cancel;
