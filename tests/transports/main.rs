//! Transports of every kind, through the same cases and with the same operations.

mod conforming;
mod finding;
mod flows;
mod recorded;
mod same_values;

// Each is a file of its own, over public API only.
#[allow(dead_code, reason = "its main function is not run here")]
#[path = "../../crates/core/examples/reqwest.rs"]
mod core_reqwest;
#[allow(dead_code, reason = "its main function is not run here")]
#[path = "../../crates/core/examples/small_transport.rs"]
mod core_small_transport;
#[allow(dead_code, reason = "its main function is not run here")]
#[path = "../../crates/core/examples/tcp.rs"]
mod core_tcp;
#[allow(dead_code, reason = "its main function is not run here")]
#[path = "../../crates/blocking/examples/curl_transport.rs"]
mod curl_transport;
#[path = "../../crates/blocking/src/docs/guide/hyper_transport.rs"]
mod hyper_transport;
#[allow(dead_code, reason = "its main function is not run here")]
#[path = "../../crates/blocking/examples/tcp_transport.rs"]
mod tcp_transport;
