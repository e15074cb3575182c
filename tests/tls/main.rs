//! TLS and proxies, and the errors that explain their problems.
//!
//! The same tests run with each TLS backend. The feature `native-tls` of this package adds the
//! second one.

mod alerts;
mod certificates;
mod clients;
mod environment;
#[path = "../blocking/helpers.rs"]
#[allow(dead_code, reason = "the other suite uses the rest")]
mod helpers;
mod hubs;
mod proxies;
mod proxy_errors;
mod remedies;
mod settings;
