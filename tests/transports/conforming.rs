//! One suite for all of them.

use std::io::{self, Write};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use scramjet_client_testing::conformance::{Ability, Suite, table};

use crate::curl_transport::Curl;
use crate::tcp_transport::Tcp;

/// Whether there is a curl. Where there is none it is said, and what would have used it is left out.
pub(crate) fn is_curl_here() -> bool {
    let is_here = Command::new("curl").arg("--version").output().is_ok();
    if !is_here {
        // Past the test harness, which shows nothing of a test that passes.
        let _ = writeln!(
            io::stderr(),
            "SKIPPED: the transport over `curl`, because there is no such program on this machine; install it"
        );
    }
    is_here
}

fn suites() -> Vec<Suite> {
    let mut suites = Vec::new();
    #[cfg(feature = "ureq")]
    {
        use scramjet_client_blocking::{UreqConfig, UreqTransport};
        let mut patient = UreqConfig::default();
        patient.connect_timeout = None;
        suites.push(Suite::new("ureq", Arc::new(UreqTransport::default())));
        suites.push(Suite::new(
            "ureq, unhurried",
            Arc::new(UreqTransport::new(&patient).unwrap()),
        ));
    }
    suites.push(Suite::new("tcp", Arc::new(Tcp)).without(Ability::Reuse));
    if is_curl_here() {
        suites.push(
            Suite::new("curl", Arc::new(Curl))
                .without(Ability::Reuse)
                .without(Ability::ResetRefusal),
        );
    }
    suites.extend([Suite::of_script(), Suite::of_replay()]);
    suites
}

#[test]
fn every_transport_keeps_the_contract() {
    let suites: Vec<_> = suites()
        .into_iter()
        .map(|suite| thread::spawn(move || suite.run()))
        .collect();
    let reports: Vec<_> = suites
        .into_iter()
        .map(|suite| suite.join().unwrap())
        .collect();
    println!("{}", table(&reports));
    for report in &reports {
        report.assert_conforms();
    }
    // What each does not support is told to users.
    if cfg!(feature = "ureq") && is_curl_here() {
        let guide = include_str!("../../crates/blocking/src/guide/transports.md");
        assert!(
            guide.contains(&table(&reports)),
            "the guide to transports does not have this table:\n{}",
            table(&reports)
        );
    }
}
