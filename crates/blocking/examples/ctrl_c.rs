//! Runs a sequence until Ctrl-C, and then deletes it from the hub.
//!
//! `cargo run -p scramjet-client-blocking --example ctrl_c`
//!
//! Prints the health of the instance every second, and at the end how long the clean-up took. Uses
//! the hub of `SCRAMJET_HUB_URL`, or a fake hub.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::time::{Duration, Instant};

use scramjet_client_blocking::{CancelToken, Deployment, HostClient, StartOptions};
use scramjet_client_testing::demo;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = demo::hub();

    // Ctrl-C only cancels the token, so `main` returns as usual.
    let ctrl_c = CancelToken::new();
    ctrlc::set_handler({
        let ctrl_c = ctrl_c.clone();
        move || ctrl_c.cancel()
    })?;

    // Cancelling the token aborts every call of this client.
    let host = HostClient::new(hub.url())?.with_cancel(&ctrl_c);
    let outcome = host
        .deploy(demo::shout())
        .map_err(Box::from)
        .and_then(|deployment| work(deployment, &ctrl_c));
    match outcome {
        Err(_) if ctrl_c.is_cancelled() => println!("cancelled during the start"),
        outcome => outcome?,
    }
    Ok(())
}

fn work(deployment: Deployment, ctrl_c: &CancelToken) -> Result<(), Box<dyn Error>> {
    let child = deployment.spawn(&StartOptions::new())?;
    println!("{} is running; Ctrl-C ends it", child.id());

    // `wait` returns `true` as soon as the token is cancelled.
    let mut seconds = 0;
    while !ctrl_c.wait(Duration::from_secs(1)) {
        seconds += 1;
        println!(
            "{seconds} s, healthy: {}",
            child.instance().health()?.healthy
        );
    }

    // Clean-up ignores the cancelled token.
    let begin = Instant::now();
    drop(child);
    deployment.close()?;
    println!("cleaned up in {} ms", begin.elapsed().as_millis());
    Ok(())
}
