//! Tests of requests, replies and errors. `simulation` tests the flows.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    reason = "tests"
)]

mod api_error;
mod compression;
mod decoders;
mod dialect;
mod error_code;
mod error_messages;
mod escaping;
mod fixtures;
mod helpers;
mod ids;
mod instances;
mod json;
mod lines;
mod log_line_and_audit_record;
mod ndjson_guard;
mod options;
mod replies;
mod reply;
mod retry_after;
mod retry_policy;
mod sans_io;
mod secrets;
mod set_header;
mod unusual_json;
