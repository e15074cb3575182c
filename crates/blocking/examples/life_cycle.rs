//! The life cycle of a sequence: upload, start, input, output, deletion.
//!
//! `cargo run -p scramjet-client-blocking --example life_cycle`
//!
//! Prints one line for each step. Uses the hub of `SCRAMJET_HUB_URL`, or a fake hub. Deletes
//! everything it created, even if a step fails.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use scramjet_client_blocking::types::Deleted;
use scramjet_client_blocking::{HostClient, Input, Readiness, SequenceClient, StartOptions};
use scramjet_client_testing::demo;
use serde_json::json;

/// The text that the sequence receives.
pub const INPUT: &str = "A sequence is a program that reads a stream and writes a stream.";

fn main() -> Result<(), Box<dyn Error>> {
    let hub = demo::hub();
    life_cycle(hub.url(), INPUT)
}

/// Runs the sequence on the hub at this address, and prints each step.
pub fn life_cycle(url: &str, input: &str) -> Result<(), Box<dyn Error>> {
    let host = HostClient::new(url)?;
    println!(
        "hub        {}, version {}",
        host.base_url(),
        host.version()?.version
    );
    // If the function returns early, dropping the deployment deletes the sequence.
    let deployment = host.deploy(demo::shout())?;
    println!(
        "sequence   {} ({})",
        deployment.id(),
        deployment.info()?.config.name
    );
    run(&deployment, input)?;
    match deployment.close()? {
        Deleted::Gone => println!("deleted"),
        Deleted::HandedOver => println!("deleted    by the hub, within 16 seconds"),
    }
    Ok(())
}

fn run(sequence: &SequenceClient, input: &str) -> Result<(), Box<dyn Error>> {
    let options = StartOptions::new()
        .app_config(json!({ "greeting": "Did you say: " }))
        .arg("?!");
    let readiness = Readiness::event("ready").timeout(Duration::from_secs(30));
    let ready = sequence.start_and_wait(&options, &readiness)?;
    let instance = ready.instance;
    println!("instance   {}", instance.id());
    println!("event      {} {}", ready.event.name, ready.event.data);

    let sent = instance.send_input(Input::text(input))?;
    println!("input      {input} ({} bytes)", sent.bytes);

    let mut output = String::new();
    instance.output_until_ended()?.read_to_string(&mut output)?;
    println!("output     {}", output.trim_end());
    Ok(())
}
