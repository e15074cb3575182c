//! The test kit: a real hub, recorded exchanges, servers over TLS, and proxies.

pub mod authority;
pub mod backlog;
pub mod bench;
pub mod calls;
pub mod fixture;
pub mod forward;
pub mod hub;
pub mod keep_alive;
pub mod link;
pub mod live;
mod node;
pub mod package;
#[cfg(target_os = "linux")]
pub mod process;
pub mod programs;
pub mod proxy;
pub mod scripted;
mod tls;
