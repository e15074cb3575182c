//! Malicious and broken servers over http and https: the outcome of a call, its time and its memory
//! use.
//!
//! Each row of the table is a fault of the server and the expected outcome of a call. It runs with
//! and without TLS, and afterwards the same client makes an ordinary call.

mod bodies;
mod cases;
mod framing;
mod heads;
#[allow(dead_code, reason = "each suite uses some of them")]
#[path = "../blocking/helpers.rs"]
mod helpers;
mod server;
mod statuses;
mod table;
