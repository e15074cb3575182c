//! All transports pass the same conformance cases and run the same operations.

mod conformance;
mod conformance_faults;
mod drivers;
mod flows;
mod record_replay;
mod same_values;

// The examples only use public API.
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
#[allow(dead_code, reason = "its main function is not run here")]
#[path = "../../crates/blocking/examples/hyper_transport.rs"]
mod hyper_transport;
#[allow(dead_code, reason = "its main function is not run here")]
#[path = "../../crates/blocking/examples/tcp_transport.rs"]
mod tcp_transport;
