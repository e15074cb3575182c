//! A tool that asks a hub for its version: with ureq, and url to see that an address is one, and where its path ends. See `cold.rs`.

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
