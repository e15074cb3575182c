//! Starts an instance, and retries until one is ready. An instance that does not get ready is
//! killed.
//!
//! `cargo run -p scramjet-client-blocking --example start_with_retry`
//!
//! Prints an instance that is ready, and the errors of three that are not. Uses the hub of
//! `SCRAMJET_HUB_URL`, or a fake hub. Deletes everything it created, even if a step fails.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::time::Duration;

use scramjet_client_blocking::{HostClient, Readiness, RetryPolicy, StartOptions};
use scramjet_client_testing::demo;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = demo::hub();
    let deployment = HostClient::new(hub.url())?.deploy(demo::acts())?;
    let readiness = Readiness::event("ready")
        .fails_on("error")
        .timeout(Duration::from_secs(10));

    // The delays are 100 ms, 200 ms, and so on, with jitter.
    let policy = RetryPolicy::exponential(Duration::from_millis(100)).max_attempts(5);
    let works = StartOptions::new()
        .app_config(json!({ "steps": [{ "emit": "ready", "data": "here I am" }] }));
    let ready = deployment.start_with_retry(&works, &readiness, &policy)?;
    println!("{} is ready: {}", ready.instance.id(), ready.event.data);

    // Every instance of this start reports a failure.
    let fails = StartOptions::new()
        .app_config(json!({ "steps": [{ "emit": "error", "data": "no database" }] }));
    let policy = RetryPolicy::linear(Duration::from_millis(50)).max_attempts(3);
    match deployment.start_with_retry(&fails, &readiness, &policy) {
        Ok(ready) => println!("{} is ready", ready.instance.id()),
        Err(error) => {
            println!("{error}:");
            for (number, attempt) in (1..).zip(error.attempts()) {
                println!("  attempt {number}: {attempt}");
            }
        }
    }

    deployment.close()?;
    Ok(())
}
