//! Runs a sequence in the manner of `std::process::Command::output`.
//!
//! `cargo run --release --example run_like_a_command -- [--hub URL]`
//!
//! Without `--hub` or `SCRAMJET_HUB_URL` it starts a hub on this machine. It leaves nothing behind, also when a step fails.

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::error::Error;
use std::time::Duration;

use scramjet_client_blocking::{HostClient, StartOptions};
use scramjet_client_tests::{hub, package};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = hub::from_args()?;
    // One run may take a minute in all; one that takes longer is killed.
    let host = HostClient::new(hub.url())?.with_deadline(Duration::from_secs(60));
    let deployment = host.deploy(package::sequence("shout"))?;

    let options = StartOptions::new()
        .app_config(json!({ "greeting": "Did you say: " }))
        .arg("?!");
    // It takes some seconds: a hub keeps an instance for 10 more when its sequence has come to its end.
    let run = deployment.run(&options, "first line\nlast line\n")?;

    println!("{}", String::from_utf8_lossy(&run.output).trim_end());
    println!(
        "({}; {} bytes on stdout, {} on stderr)",
        run.ended,
        run.stdout.len(),
        run.stderr.len()
    );
    deployment.close()?;
    Ok(())
}
