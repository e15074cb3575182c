//! Deploys `sequence/` to the hub at `SCRAMJET_HUB_URL`, if it is reachable. Otherwise only packs
//! it.
//!
//! `cargo run` in this folder builds and runs the program.

use std::env;
use std::time::Duration;

use scramjet_client_blocking::HostClient;
use scramjet_client_blocking::build::{self, BuildError};

fn main() -> Result<(), BuildError> {
    println!("cargo:rerun-if-env-changed=SCRAMJET_HUB_URL");
    let sequence = build::sequence("sequence").remove_old();
    match env::var("SCRAMJET_HUB_URL") {
        // The deadline keeps a hub that hangs from blocking the build.
        Ok(url) => sequence
            .deploy_or_pack(&HostClient::new(url)?.with_deadline(Duration::from_secs(60)))?,
        Err(_) => sequence.pack()?,
    };
    Ok(())
}
