//! Runs a sequence like `std::process::Command::output` runs a program.
//!
//! `cargo run -p scramjet-client-blocking --example run_like_a_command`
//!
//! Prints the output of the sequence, how it ended, and the sizes of standard output and standard
//! error. Uses the hub of `SCRAMJET_HUB_URL`, or a fake hub. Deletes everything it created, even if
//! a step fails.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::time::Duration;

use scramjet_client_blocking::{HostClient, StartOptions};
use scramjet_client_testing::demo;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = demo::hub();
    // If a run takes longer than a minute, it fails, and its instance is killed.
    let host = HostClient::new(hub.url())?.with_deadline(Duration::from_secs(60));
    let deployment = host.deploy(demo::shout())?;

    let options = StartOptions::new()
        .app_config(json!({ "greeting": "Did you say: " }))
        .arg("?!");
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
