//! Reads environment variables of Cargo, and prints instructions for it.

#![allow(
    clippy::print_stdout,
    reason = "Cargo reads the output of build scripts"
)]

use std::env;
use std::path::{Path, PathBuf};

use super::error::BuildError;

pub(super) fn env_dir(variable: &'static str) -> Result<PathBuf, BuildError> {
    env::var_os(variable)
        .map(PathBuf::from)
        .ok_or(BuildError::NoCargo { variable })
}

pub(super) fn rerun_if_changed(path: &Path) {
    println!("cargo:rerun-if-changed={}", path.display());
}

/// Makes Cargo show a warning. The text must not contain a line break, which would end it.
pub(super) fn warn(text: &str) {
    println!("cargo::warning={text}");
}

/// Sets an environment variable for the compilation of the crate.
pub(super) fn set_env(name: &str, value: &str) {
    println!("cargo:rustc-env={name}={value}");
}
