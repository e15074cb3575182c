//! Runs the example `life_cycle` of `scramjet-client-blocking` on a real hub.
//!
//! `cargo run --release --example quickstart -- [--hub URL] [--input TEXT]`
//!
//! Prints one line for each step. Without `--hub` or `SCRAMJET_HUB_URL`, it starts a hub on this
//! machine, which it installs the first time. It deletes everything it created, even if a step
//! fails.

#[allow(dead_code, reason = "this example has a `main` of its own")]
#[path = "../../crates/blocking/examples/life_cycle.rs"]
mod life_cycle;

use std::error::Error;

use scramjet_client_tests::hub;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut hub_url, mut input) = (None, life_cycle::INPUT.to_owned());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--hub", Some(url)) => hub_url = Some(url),
            ("--input", Some(text)) => input = text,
            _ => return Err("usage: quickstart [--hub URL] [--input TEXT]".into()),
        }
    }
    let hub = hub::resolve(hub_url)?;
    life_cycle::life_cycle(hub.url(), &input)
}
