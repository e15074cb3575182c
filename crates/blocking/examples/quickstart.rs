//! The life cycle of a sequence: upload, start, input, output, deletion.
//!
//! `cargo run --release --example quickstart -- [--hub URL] [--input TEXT]`
//!
//! Prints one line for each step. Without `--hub` or `SCRAMJET_HUB_URL`, it starts a hub on this
//! machine. It deletes everything it created, even if a step fails.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use scramjet_client_blocking::types::Deleted;
use scramjet_client_blocking::{HostClient, Input, Readiness, SequenceClient, StartOptions};
use scramjet_client_tests::{hub, package};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let mut hub_url = None;
    let mut input = "A sequence is a program that reads a stream and writes a stream.".to_owned();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--hub", Some(url)) => hub_url = Some(url),
            ("--input", Some(text)) => input = text,
            _ => return Err("usage: quickstart [--hub URL] [--input TEXT]".into()),
        }
    }

    let hub = hub::resolve(hub_url)?;
    let host = HostClient::new(hub.url())?;
    println!(
        "hub        {}, version {}",
        host.base_url(),
        host.version()?.version
    );
    deploy(&host, &input)
}

/// Uploads the sequence, and deletes it with its instances even if the run fails.
fn deploy(host: &HostClient, input: &str) -> Result<(), Box<dyn Error>> {
    let deployment = host.deploy(package::sequence("shout"))?;
    println!(
        "sequence   {} ({})",
        deployment.id(),
        deployment.info()?.config.name
    );
    let outcome = run(&deployment, input);
    match deployment.close()? {
        Deleted::Gone => println!("deleted"),
        Deleted::HandedOver => println!("deleted    by the hub, within 16 seconds"),
    }
    outcome
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
