//! Features for tools and build scripts: packing, `deploy_if_changed`, progress, configuration,
//! `curl` commands.
//!
//! `#[cfg(unix)]` stands before tests that need a shell, signals, named pipes or permissions, names
//! that Windows forbids, or links, which only administrators may create there.

#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, unused_imports, reason = "tests for Linux use the rest")
)]

mod build_script;
mod config;
#[cfg(unix)]
mod ctrl_c;
mod curl;
mod default_ignores;
mod deploy_if_changed;
#[cfg(unix)]
mod endless_files;
#[path = "../blocking/helpers.rs"]
#[allow(dead_code, reason = "the other suite uses the rest")]
mod helpers;
#[cfg(unix)]
mod links;
mod pack_errors;
mod package;
mod package_folder;
mod progress;
mod siignore;
mod storing_hub;
#[cfg(unix)]
mod written_files;
