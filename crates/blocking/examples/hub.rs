//! Starts a hub on this machine.
//!
//! `cargo run --release --example hub`
//!
//! Prints the URL of the hub. Ctrl-C or the end of standard input stops the hub and its instances.

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::error::Error;
use std::io;

use scramjet_client_tests::hub::Hub;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = Hub::start()?;
    println!("A hub is at {}", hub.url());
    println!(
        "For programs that look there: export SCRAMJET_HUB_URL={}",
        hub.url()
    );
    println!("It ends with Ctrl-C.");
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
