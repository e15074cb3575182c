//! Asks a hub for its version with the library. See `cold.rs`.

use std::error::Error;

use scramjet_client_blocking::HostClient;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("no address")?;
    println!("{}", HostClient::new(url)?.version()?.version);
    Ok(())
}
