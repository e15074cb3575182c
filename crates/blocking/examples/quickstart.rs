//! The whole life of a sequence: uploaded, started, fed, read, stopped, deleted.
//!
//! `cargo run --release --example quickstart -- [--hub URL] [--input TEXT]`
//!
//! Without `--hub` or `SCRAMJET_HUB_URL` it starts a hub on this machine. It leaves nothing behind, also when a step fails.

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use scramjet_client_blocking::{HostClient, Input, SequenceClient, StartOptions, StopOptions};
use scramjet_client_tests::{hub, package};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let mut named = None;
    let mut input = "A sequence is a program that reads a stream and writes a stream.".to_owned();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--hub", Some(url)) => named = Some(url),
            ("--input", Some(text)) => input = text,
            _ => return Err("usage: quickstart [--hub URL] [--input TEXT]".into()),
        }
    }

    let hub = hub::any(named)?;
    let host = HostClient::new(hub.url())?;
    println!(
        "hub        {}, version {}",
        host.base_url(),
        host.version()?.version
    );
    deploy(&host, &input)
}

/// Uploads the sequence, and deletes it again whatever happens in between.
fn deploy(host: &HostClient, input: &str) -> Result<(), Box<dyn Error>> {
    let sequence = host.send_sequence(package::sequence("shout"))?;
    println!(
        "sequence   {} ({})",
        sequence.id(),
        sequence.info()?.config.name
    );
    let outcome = run(&sequence, input);
    // By force: also takes an instance with it that a failed step left running.
    sequence.force_delete()?;
    println!("deleted    {}", sequence.id());
    outcome
}

fn run(sequence: &SequenceClient, input: &str) -> Result<(), Box<dyn Error>> {
    let options = StartOptions::new()
        .app_config(json!({ "greeting": "Did you say: " }))
        .arg("?!");
    let instance = sequence.start(&options)?;
    println!("instance   {}", instance.id());

    let ready = instance.event("ready")?;
    println!("event      {} {}", ready.name, ready.data);

    let sent = instance.send_input(Input::text(input))?;
    println!("input      {input} ({} bytes)", sent.bytes);

    let mut output = String::new();
    instance.output()?.read_to_string(&mut output)?;
    println!("output     {}", output.trim_end());

    instance.stop(&StopOptions::new(Duration::from_millis(100)))?;
    println!("stopped    {}", instance.id());
    Ok(())
}
