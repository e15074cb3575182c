//! Features for tools and build scripts: packing, `deploy_if_changed`, progress, configuration,
//! `curl` commands.

mod build_script;
mod config;
#[cfg(unix)]
mod ctrl_c;
mod curl;
mod default_ignores;
mod deploy_if_changed;
mod endless_files;
#[path = "../blocking/helpers.rs"]
#[allow(dead_code, reason = "the other suite uses the rest")]
mod helpers;
mod links;
mod pack_errors;
mod package;
mod package_folder;
mod progress;
mod siignore;
mod storing_hub;
mod written_files;
