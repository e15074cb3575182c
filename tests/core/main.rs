//! The protocol without any IO: what is sent, what is made of what comes back, and what is refused before anything is sent.

mod coverage;
mod decoders;
mod drive;
mod encodings;
mod errors;
mod escaping;
mod lines;
mod misuse;
mod ndjson;
mod odd_values;
mod records;
mod replies;
mod requests;
mod retry;
mod sans_io;
mod types;
