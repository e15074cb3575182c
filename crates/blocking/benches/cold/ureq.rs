//! A tool that asks a hub for its version: with ureq. See `cold.rs`.

use std::error::Error;

use serde::Deserialize;

#[derive(Deserialize)]
struct HubVersion {
    version: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("no address")?;
    let agent = ureq::Agent::new_with_defaults();
    let body = agent.get(format!("{url}/version")).call()?.into_body().read_to_vec()?;
    println!("{}", serde_json::from_slice::<HubVersion>(&body)?.version);
    Ok(())
}
