//! Starts instances one after another, each when the previous one is ready.
//!
//! `cargo run -p scramjet-client-blocking --example sequential_start`
//!
//! Prints the id of each instance, and how long it took to become ready. Uses the hub of
//! `SCRAMJET_HUB_URL`, or a fake hub. Deletes everything it created, even if a step fails.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::time::{Duration, Instant};

use scramjet_client_blocking::{HostClient, Readiness, StartOptions};
use scramjet_client_testing::demo;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = demo::hub();
    let host = HostClient::new(hub.url())?;
    // The sequence is deleted with its instances when the function returns.
    let ran = host.deploy_and_run(demo::shout(), |sequence| -> Result<(), Box<dyn Error>> {
        let readiness = Readiness::event("ready")
            .fails_on("error")
            .timeout(Duration::from_secs(30));
        for shard in 0..3 {
            let begin = Instant::now();
            let options = StartOptions::new().arg(format!(" from shard {shard}"));
            let ready = sequence.start_and_wait(&options, &readiness)?;
            println!(
                "{} is ready after {:.0?}: {}",
                ready.instance.id(),
                begin.elapsed(),
                ready.event.data
            );
        }
        Ok(())
    })?;
    ran.result?;
    ran.cleanup?;
    Ok(())
}
