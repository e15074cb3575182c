//! Runs the conformance suite on `Replay`. All other transports, `Script` included, are checked by
//! the test `transports` of the workspace, which takes longer.

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
