//! Runs the conformance suite for all transports.

use std::io::{self, Write};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use scramjet_client_testing::conformance::{Capability, Suite, table};

use crate::curl_transport::Curl;
use crate::hyper_transport::Hyper;
use crate::tcp_transport::Tcp;

/// Returns `true` if `curl` is installed. Prints a message otherwise.
pub(crate) fn is_curl_here() -> bool {
    let is_here = Command::new("curl").arg("--version").output().is_ok();
    if !is_here {
        // Written to stderr directly, because the test harness hides the output of tests that pass.
        let _ = writeln!(
            io::stderr(),
            "SKIPPED: the transport over `curl`, which is not installed (apt-get install curl)"
        );
    }
    is_here
}

fn suites() -> Vec<Suite> {
    let mut suites = Vec::new();
    #[cfg(feature = "ureq")]
    {
        use scramjet_client_blocking::transport::{UreqConfig, UreqTransport};
        let mut untimed = UreqConfig::default();
        untimed.connect_timeout = None;
        suites.push(Suite::new("ureq", Arc::new(UreqTransport::default())));
        suites.push(Suite::new(
            "untimed",
            Arc::new(UreqTransport::new(&untimed).unwrap()),
        ));
    }
    if cfg!(unix) {
        suites.push(Suite::new("tcp", Arc::new(Tcp)).without(Capability::Reuse));
    }
    if is_curl_here() {
        suites.push(
            Suite::new("curl", Arc::new(Curl))
                .without(Capability::Reuse)
                .without(Capability::ResetRefusal),
        );
    }
    suites.push(
        [
            Capability::Deadline,
            Capability::Idle,
            Capability::Cancel,
            Capability::Reuse,
            Capability::ResetRefusal,
            Capability::Phase,
        ]
        .into_iter()
        .fold(
            Suite::new("hyper", Arc::new(Hyper::new().unwrap())),
            Suite::without,
        ),
    );
    suites.extend([Suite::for_script(), Suite::for_replay()]);
    suites
}

#[test]
fn suite_passes_for_every_transport() {
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
    // The guide contains the table of supported features.
    if cfg!(feature = "ureq") && is_curl_here() {
        let guide = include_str!("../../crates/blocking/src/docs/guide/transports.md");
        assert!(
            guide.contains(&table(&reports)),
            "the guide to transports does not have this table:\n{}",
            table(&reports)
        );
    }
}
