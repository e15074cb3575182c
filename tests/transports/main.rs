//! Transports of every kind.
use scramjet_client_blocking::UreqTransport;
use scramjet_client_blocking::transport::conformance::{Suite, table};
use std::sync::Arc;
#[test]
fn all() {
    let suites = [Suite::new("ureq", Arc::new(UreqTransport::default())), Suite::of_script(), Suite::of_replay()];
    let mut reports = Vec::new();
    for suite in suites {
        let t = std::time::Instant::now();
        let r = suite.run();
        println!("{:?}\n{r}", t.elapsed());
        reports.push(r);
    }
    println!("{}", table(&reports));
    for r in reports {
        r.assert_conforms();
    }
}
