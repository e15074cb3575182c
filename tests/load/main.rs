//! Resources of a client: connections that are kept, closed by the server, lost, and shared by many
//! threads.
//!
//! Sockets, threads and memory are counted in child processes that do nothing else, and only on
//! Linux, which reports them. The test that measures times runs when no other test keeps the
//! machine busy.

#[cfg(target_os = "linux")]
mod connections;
mod faulty_server;
#[path = "../blocking/helpers.rs"]
#[allow(dead_code, reason = "the other suite uses the rest")]
mod helpers;
mod naive_client;
mod process;
mod retries;
#[cfg(target_os = "linux")]
mod soak;
mod stale_connections;
mod traits;
