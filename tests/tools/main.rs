//! What tools and build scripts need: packing, deploying what has changed, progress, build scripts.

mod build_script;
mod configured;
#[cfg(unix)]
mod ctrl_c;
mod curl;
mod defaults;
mod deploying;
mod endless;
mod folder;
mod folders;
#[path = "../blocking/helpers.rs"]
#[allow(dead_code, reason = "the other suite uses the rest")]
mod helpers;
mod ignoring;
mod packing;
mod progress;
mod refusing;
mod written;
