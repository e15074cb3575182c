//! The sans-IO protocol: requests, decoded replies, and errors before a request is sent.

mod decoders;
mod drive;
mod encodings;
mod errors;
mod escaping;
mod lines;
mod log_and_audit;
mod misuse;
mod ndjson;
mod odd_values;

mod replies;
mod reply;
mod retry;
mod sans_io;
