//! Asks a hub for its version with ureq, and checks the base URL with the `url` crate. See
//! `cold.rs`.

#[path = "../bare.rs"]
mod bare;

use std::error::Error;

use serde::Deserialize;
use url::Url;

#[derive(Deserialize)]
struct HubVersion {
    version: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut url = Url::parse(&std::env::args().nth(1).ok_or("no address")?)?;
    url.path_segments_mut()
        .map_err(|()| "no address of a hub")?
        .pop_if_empty()
        .push("version");
    let HubVersion { version } = bare::value(bare::agent().get(url.as_str()).call());
    println!("{version}");
    Ok(())
}
