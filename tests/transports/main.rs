//! Transports of every kind, through the same cases.
#[path = "../../crates/blocking/examples/tcp_transport.rs"]
#[allow(dead_code)]
mod tcp_transport;
#[path = "../../crates/blocking/examples/curl_transport.rs"]
#[allow(dead_code)]
mod curl_transport;
use scramjet_client_blocking::transport::conformance::{Suite, Ability, table};
use std::sync::Arc;
#[test]
fn all() {
    let suites = [Suite::new("curl", Arc::new(curl_transport::Curl)).without(Ability::Reuse).without(Ability::ResetRefusal)];
    let mut reports = Vec::new();
    for suite in suites { let t=std::time::Instant::now(); let r = suite.run(); println!("{:?}\n{r}", t.elapsed()); reports.push(r); }
    println!("{}", table(&reports));
    for r in reports { r.assert_conforms(); }
}
