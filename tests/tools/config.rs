//! Clients configured by environment variables or a profile of `si`. Each case runs in a process of
//! its own, because the environment is shared by a process.

mod env;
mod si;

use std::ffi::{OsStr, OsString};
use std::process::Command;

/// Every variable that is read.
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

/// Runs the test in a child process with these of the variables, and passes it `word`.
fn run_in_child(test: &str, variables: &[(&str, &OsStr)], word: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture"]);
    for variable in VARIABLES {
        child.env_remove(variable);
    }
    // The home folder has another variable on Windows.
    let home = variables.iter().find(|(name, _)| *name == "HOME");
    let output = child
        .envs(variables.iter().copied())
        .envs(home.map(|(_, path)| ("USERPROFILE", path)))
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

/// Returns the word in a child process.
fn case() -> Option<String> {
    std::env::var_os("TEST_CONFIGURED_CASE")
        .map(OsString::into_string)
        .transpose()
        .unwrap()
}

/// Returns the error with its causes, which must not contain secrets.
fn error_text(error: &scramjet_client_blocking::config::ConfigError) -> String {
    let full = format!("{error:?}");
    assert!(full.starts_with(&error.to_string()), "{full}");
    assert!(!full.contains("secret"), "{full}");
    full
}
