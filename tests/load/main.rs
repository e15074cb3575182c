//! What a client holds and gives back: connections that are kept, closed by the other side, cut, and used by many threads.
//!
//! Sockets, threads and memory are counted in processes that do nothing else. Tests that measure, and tests that keep the machine busy, run
//! one at a time.

mod connections;
mod crooked;
#[path = "../blocking/helpers.rs"]
#[allow(dead_code, reason = "the other suite uses the rest")]
mod helpers;
mod naive;
mod repeats;
mod scene;
mod soak;
mod stale;
mod traits;
