//! Starts an instance, and retries until one is ready. An instance that does not get ready is
//! killed.
//!
//! `cargo run --release --example start_with_retry -- [--hub URL]`
//!
//! Prints an instance that is ready, and the errors of a sequence that fails three times. Without
//! `--hub` or `SCRAMJET_HUB_URL`, it starts a hub on this machine. It deletes everything it
//! created, even if a step fails.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::time::Duration;

use scramjet_client_blocking::{HostClient, Readiness, RetryPolicy, StartOptions};
use scramjet_client_tests::{hub, package};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = hub::from_args()?;
    let host = HostClient::new(hub.url())?;
    let ran = host.deploy_and_run(
        package::sequence("acts"),
        |sequence| -> Result<(), Box<dyn Error>> {
            let readiness = Readiness::event("ready")
                .fails_on("error")
                .timeout(Duration::from_secs(10));

            // The delays are 100 ms, 200 ms, and so on, with jitter.
            let policy = RetryPolicy::exponential(Duration::from_millis(100)).max_attempts(5);
            let works = StartOptions::new()
                .app_config(json!({ "steps": [{ "emit": "ready", "data": "here I am" }] }));
            let ready = sequence.start_with_retry(&works, &readiness, &policy)?;
            println!("{} is ready: {}", ready.instance.id(), ready.event.data);

            // Every instance of this start reports a failure.
            let fails = StartOptions::new()
                .app_config(json!({ "steps": [{ "emit": "error", "data": "no database" }] }));
            let policy = RetryPolicy::linear(Duration::from_millis(50)).max_attempts(3);
            let error = sequence
                .start_with_retry(&fails, &readiness, &policy)
                .err()
                .ok_or("it got ready")?;
            println!("{error}:");
            for (number, attempt) in (1..).zip(error.attempts()) {
                println!("  attempt {number}: {attempt}");
            }
            Ok(())
        },
    )?;
    ran.result?;
    ran.cleanup?;
    Ok(())
}
