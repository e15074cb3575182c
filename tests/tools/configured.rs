//! Clients whose settings come from the environment, or from a profile of `si`. The environment belongs to all of a process: each case has one of
//! its own.

mod env;
mod si;

use std::ffi::{OsStr, OsString};
use std::process::Command;

/// Every variable that is looked at.
const VARIABLES: [&str; 8] = [
    "SCRAMJET_HUB_URL",
    "SCRAMJET_TOKEN",
    "SCRAMJET_CA_FILE",
    "SCRAMJET_HUB_VERSION",
    "SI_CONFIG_PATH",
    "SI_CONFIG",
    "HOME",
    "USERPROFILE",
];

/// Runs the test of this name in a process with these variables and no others of those, and tells it `word`.
fn with(test: &str, variables: &[(&str, &OsStr)], word: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture"]);
    for variable in VARIABLES {
        child.env_remove(variable);
    }
    let output = child
        .envs(variables.iter().copied())
        .env("TEST_CONFIGURED_CASE", word)
        .output()
        .unwrap();
    let text = [&output.stdout, &output.stderr]
        .map(|text| String::from_utf8_lossy(text))
        .concat();
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{word}: {variables:?}: {text}"
    );
}

/// The word, in the process of a case.
fn case() -> Option<String> {
    std::env::var_os("TEST_CONFIGURED_CASE")
        .map(OsString::into_string)
        .transpose()
        .unwrap()
}

/// What an error says, in short and in full, which is no secret.
fn said(error: &scramjet_client_blocking::config::ConfigError) -> String {
    let full = format!("{error:?}");
    assert!(full.starts_with(&error.to_string()), "{full}");
    assert!(!full.contains("secret"), "{full}");
    full
}
