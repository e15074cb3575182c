//! Asks a hub for its version with ureq. See `cold.rs`.

#[path = "../bare.rs"]
mod bare;

use std::error::Error;

use serde::Deserialize;

#[derive(Deserialize)]
struct HubVersion {
    version: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("no address")?;
    let HubVersion { version } = bare::value(bare::agent().get(format!("{url}/version")).call());
    println!("{version}");
    Ok(())
}
