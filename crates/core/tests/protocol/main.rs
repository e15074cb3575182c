//! The sans-IO protocol: requests, decoded replies, and errors before a request is sent.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    reason = "tests"
)]

mod api_error;
mod decoders;
mod encodings;
mod escaping;
mod fixtures;
mod helpers;
mod lines;
mod log_line_and_audit_record;
mod misuse;
mod ndjson_guard;
mod replies;
mod reply;
mod retry_policy;
mod sans_io;
mod unusual_json;
