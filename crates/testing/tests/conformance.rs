//! Runs the conformance suite on `Replay`. The test `transports` of the workspace runs it on all
//! other transports, including `Script`, which takes longer.

use scramjet_client_testing::conformance::{Outcome, Suite};

#[test]
fn replay_keeps_the_contract() {
    let report = Suite::for_replay().run();
    report.assert_conforms();
    let passed = report
        .rows
        .iter()
        .filter(|row| row.outcome == Outcome::Passed);
    assert_eq!(passed.count(), 7, "{report}");
}
