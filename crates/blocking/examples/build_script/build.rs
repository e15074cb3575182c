//! Deploys `sequence/` to the hub of `SCRAMJET_HUB_URL` if it can be reached. Otherwise it is only
//! packed.

use std::env;
use std::time::Duration;

use scramjet_client_blocking::HostClient;
use scramjet_client_blocking::build::{self, BuildError};

fn main() -> Result<(), BuildError> {
    println!("cargo:rerun-if-env-changed=SCRAMJET_HUB_URL");
    let sequence = build::sequence("sequence").remove_old();
    match env::var("SCRAMJET_HUB_URL") {
        // A build should not wait for a hub that hangs.
        Ok(url) => sequence
            .deploy_or_pack(&HostClient::new(url)?.with_deadline(Duration::from_secs(60)))?,
        Err(_) => sequence.pack()?,
    };
    Ok(())
}
