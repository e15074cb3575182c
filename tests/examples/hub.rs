//! Starts a hub on this machine.
//!
//! `cargo run --release --example hub`
//!
//! Prints the URL of the hub. Ctrl-C or the end of standard input stops the hub and its instances.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::io;

use scramjet_client_tests::hub::Hub;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = Hub::start()?;
    println!("The hub listens at {}", hub.url());
    println!(
        "To use it in other programs: export SCRAMJET_HUB_URL={}",
        hub.url()
    );
    println!("Ctrl-C stops it.");
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
