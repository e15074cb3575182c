//! Every operation is called by a test with a hub or a platform.

use std::collections::BTreeSet;
use std::process::Command;
use std::{env, fs, process};

use scramjet_client_blocking::core::operation_names;
use scramjet_client_tests::calls::RECORD;
use scramjet_client_tests::hub::PARENT_HUB;

/// Runs the tests in `live.rs`, `hub.rs` and `platform.rs` in a child process, on fake hubs only,
/// and compares the operations that they call with those of the core.
#[test]
fn every_operation_is_called_by_a_test_with_a_hub() {
    let path = env::temp_dir().join(format!("scramjet-calls-{}", process::id()));
    let mut tests = Command::new(env::current_exe().unwrap());
    tests
        .args(["live::", "hub::", "platform::"])
        .args(["--skip", "scripted_hub::", "--skip", "stub_hub::"])
        .args(["--skip", "on_the_hub"])
        .env("SCRAMJET_SKIP_HUB", "1")
        .env(RECORD, &path)
        .env_remove(PARENT_HUB);
    // The tests also run outside of this child, so their failures do not matter here.
    let ended = tests.output().unwrap();
    let called = fs::read_to_string(&path).unwrap_or_default();
    fs::remove_file(&path).unwrap_or_default();
    let called: BTreeSet<_> = called.lines().collect();
    let missing: Vec<_> = operation_names()
        .filter(|name| !called.contains(name))
        .collect();
    assert!(
        missing.is_empty(),
        "no test calls {missing:?} on a fake hub or platform: write one in `live.rs`, `hub.rs` or \
         `platform.rs`, with the client that it gets or one of `calls::client_builder` (the tests \
         ended with {})",
        ended.status
    );
}
