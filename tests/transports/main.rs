//! Transports of every kind, through the same cases.
#[path = "../../crates/blocking/examples/tcp_transport.rs"]
#[allow(dead_code)]
mod tcp_transport;
use scramjet_client_blocking::transport::conformance::{Suite, Ability, table};
use std::sync::Arc;
#[test]
fn all() {
    let suites = [Suite::new("tcp", Arc::new(tcp_transport::Tcp)).without(Ability::Reuse)];
    let mut reports = Vec::new();
    for suite in suites { let t=std::time::Instant::now(); let r = suite.run(); println!("{:?}\n{r}", t.elapsed()); reports.push(r); }
    println!("{}", table(&reports));
    for r in reports { r.assert_conforms(); }
}
