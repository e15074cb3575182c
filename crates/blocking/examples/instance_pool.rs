//! Distributes lines of input over an instance pool.
//!
//! `cargo run -p scramjet-client-blocking --example instance_pool`
//!
//! Prints two lines of output of each instance, and how each instance ended. Uses the hub of
//! `SCRAMJET_HUB_URL`, or a fake hub. Deletes everything it created, even if a step fails.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::time::Duration;

use scramjet_client_blocking::{HostClient, Input, PoolOptions, Readiness, StartOptions};
use scramjet_client_testing::demo;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = demo::hub();
    let host = HostClient::new(hub.url())?;
    let deployment = host.deploy(demo::shout())?;

    let pool = PoolOptions::new(3)
        .concurrency(3)
        .readiness(Readiness::event("ready").timeout(Duration::from_secs(30)))
        .replace(true)
        .start([(*deployment).clone()], |index| {
            StartOptions::new().arg(format!(" said by {index}"))
        })?;
    let outputs = pool
        .instances()
        .map(|instance| instance.output())
        .collect::<Result<Vec<_>, _>>()?;

    for work in ["one", "two", "three", "four", "five", "six"] {
        let instance = pool.next().ok_or("no instance is left")?;
        instance.send_input(Input::text(format!("{work}\n")).end(false))?;
    }
    for output in outputs {
        for line in output.lines().take(2) {
            println!("{}", line?);
        }
    }
    for (id, stopped) in pool.shutdown(Duration::from_millis(200)) {
        println!("{id}: {}", stopped?);
    }
    deployment.close()?;
    Ok(())
}
