//! Waits for the first of several events, or for the end of the instance.
//!
//! `cargo run -p scramjet-client-blocking --example wait_any`
//!
//! Prints the first event of each instance, or how the instance ended. Uses the hub of
//! `SCRAMJET_HUB_URL`, or a fake hub. Deletes everything it created, even if a step fails.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::time::Duration;

use scramjet_client_blocking::{HostClient, StartOptions};
use scramjet_client_testing::demo;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = demo::hub();
    let host = HostClient::new(hub.url())?.with_deadline(Duration::from_secs(30));
    let deployment = host.deploy(demo::acts())?;
    let (wait, exit) = (json!({ "wait": 300 }), json!({ "exit": 3 }));
    let ready = json!({ "emit": "ready", "data": "here I am" });
    let error = json!({ "emit": "error", "data": "no database" });
    for (name, steps) in [
        ("is ready at once", vec![&ready]),
        ("is ready later", vec![&wait, &ready]),
        ("reports a failure", vec![&error]),
        ("exits without an event", vec![&wait, &exit]),
    ] {
        let options = StartOptions::new().app_config(json!({ "steps": steps }));
        let instance = deployment.start(&options)?;
        // Events that fired since the start count, too.
        match instance.wait_any(["ready", "error"]) {
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
    deployment.close()?;
    Ok(())
}
