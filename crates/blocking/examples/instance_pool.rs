//! Distributes lines of input over an instance pool.
//!
//! `cargo run --release --example instance_pool -- [--hub URL]`
//!
//! Prints two lines of output of each instance, and how each instance ended. Without `--hub` or
//! `SCRAMJET_HUB_URL`, it starts a hub on this machine. It deletes everything it created, even if a
//! step fails.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::time::Duration;

use scramjet_client_blocking::{HostClient, Input, PoolOptions, Readiness, StartOptions};
use scramjet_client_tests::{hub, package};

fn main() -> Result<(), Box<dyn Error>> {
    let hub = hub::from_args()?;
    let host = HostClient::new(hub.url())?;
    let deployment = host.deploy(package::sequence("shout"))?;

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
