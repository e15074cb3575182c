//! Runs a sequence until Ctrl-C, and leaves nothing on the hub.
//!
//! `cargo run --release --example ctrl_c -- [--hub URL]`
//!
//! Without `--hub` or `SCRAMJET_HUB_URL` it starts a hub on this machine.

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::error::Error;
use std::time::{Duration, Instant};

use scramjet_client_blocking::{CancelToken, Deployment, HostClient, StartOptions};
use scramjet_client_tests::{hub, package};

fn main() -> Result<(), Box<dyn Error>> {
    let hub = hub::from_args()?;

    // Ctrl-C cancels the token, and nothing else: `main` ends in its usual way.
    let ctrl_c = CancelToken::new();
    ctrlc::set_handler({
        let ctrl_c = ctrl_c.clone();
        move || ctrl_c.cancel()
    })?;

    // With the token, every call of this client ends with Ctrl-C.
    let host = HostClient::new(hub.url())?.with_cancel(&ctrl_c);
    let outcome = host
        .deploy(package::sequence("stays"))
        .map_err(Box::from)
        .and_then(|deployment| work(deployment, &ctrl_c));
    match outcome {
        Err(_) if ctrl_c.is_cancelled() => println!("it was ended while it began"),
        outcome => outcome?,
    }
    Ok(())
}

fn work(deployment: Deployment, ctrl_c: &CancelToken) -> Result<(), Box<dyn Error>> {
    let child = deployment.spawn(&StartOptions::new())?;
    println!("{} runs; end it with Ctrl-C", child.id());

    // Sleeps for a second at a time, and wakes at Ctrl-C.
    let mut seconds = 0;
    while !ctrl_c.wait(Duration::from_secs(1)) {
        seconds += 1;
        println!(
            "{seconds} s, healthy: {}",
            child.instance().health()?.healthy
        );
    }

    // Clean-up goes on although the token is cancelled.
    let begin = Instant::now();
    drop(child);
    deployment.close()?;
    println!("ended in {} ms", begin.elapsed().as_millis());
    Ok(())
}
