//! Requests the version of a hub through the hyper transport of the guide.
//!
//! `cargo run --example hyper_transport -- [HUB-URL]`
//!
//! Prints the version. Without a URL, it uses `SCRAMJET_HUB_URL`, or starts a hub on this machine.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

#[path = "../src/docs/guide/hyper_transport.rs"]
mod transport;

use std::error::Error;
use std::sync::Arc;

use scramjet_client_blocking::HostClient;

use self::transport::Hyper;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = scramjet_client_tests::hub::resolve(std::env::args().nth(1))?;
    let builder = HostClient::builder(hub.url());
    let host = builder.transport(Arc::new(Hyper::new()?)).build()?;
    println!("version {}", host.version()?.version);
    Ok(())
}
