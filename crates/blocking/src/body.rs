//! Bodies of requests and responses.

pub(crate) mod byte_stream;
pub(crate) mod input;
pub(crate) mod items;
pub(crate) mod known_inputs;
pub(crate) mod null_line_guard;
pub(crate) mod progress;
pub(crate) mod response;
pub(crate) mod upload;
pub(crate) mod user_reader;
pub(crate) mod watchdog;
