//! The way to a hub: encryption and proxies, what is wrong with them, and what is said of it.
//!
//! Whatever encrypts is tested by the same tests; with the feature `native-tls` of this package there are two that can.

mod alerts;
mod certificates;
mod clients;
mod environment;
#[path = "../blocking/helpers.rs"]
#[allow(dead_code, reason = "the other suite uses the rest")]
mod helpers;
mod proxies;
mod remedies;
mod scene;
mod settings;
