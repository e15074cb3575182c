//! Waits for the first of several events, or for the end of the instance.
//!
//! `cargo run --release --example wait_any -- [--hub URL]`
//!
//! Prints the first event of each instance, or how the instance ended. Without `--hub` or
//! `SCRAMJET_HUB_URL`, it starts a hub on this machine. It deletes everything it created, even if a
//! step fails.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::time::Duration;

use scramjet_client_blocking::{HostClient, StartOptions};
use scramjet_client_tests::{hub, package};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let hub = hub::from_args()?;
    let host = HostClient::new(hub.url())?;
    let ran = host.deploy_and_run(
        package::sequence("acts"),
        |sequence| -> Result<(), Box<dyn Error>> {
            let cases: [(&str, Value); 4] = [
                (
                    "is ready at once",
                    json!([{ "emit": "ready", "data": "early" }]),
                ),
                (
                    "is ready later",
                    json!([{ "wait": 300 }, { "emit": "ready", "data": "late" }]),
                ),
                (
                    "reports a failure",
                    json!([{ "emit": "error", "data": "no database" }]),
                ),
                (
                    "exits without an event",
                    json!([{ "wait": 300 }, { "exit": 3 }]),
                ),
            ];
            for (name, steps) in cases {
                let instance =
                    sequence.start(&StartOptions::new().app_config(json!({ "steps": steps })))?;
                // Events that fired since the start count, too.
                match instance
                    .with_deadline(Duration::from_secs(30))
                    .wait_any(["ready", "error"])
                {
                    Ok(event) => println!(
                        "an instance that {name}: {:?} with {}",
                        event.name, event.data
                    ),
                    Err(error) => match error.ended() {
                        Some(ended) => println!("an instance that {name}: {ended}"),
                        None => return Err(error.into()),
                    },
                }
            }
            Ok(())
        },
    )?;
    ran.result?;
    ran.cleanup?;
    Ok(())
}
