//! Packs a folder, and deploys the package if it differs from the deployed one.
//!
//! ```text
//! cargo run --release --example deploy_if_changed -- FOLDER \
//!     [--hub URL] [--state FILE] [--remove-old] [--list]
//! ```
//!
//! Prints the id of the sequence, and whether it was uploaded. A second run uploads nothing.
//! `--list` only prints the files that would be packed. The default state file is
//! `target/deployed.json`. Without `--hub` or `SCRAMJET_HUB_URL`, it starts a hub on this machine
//! and deploys twice.

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::error::Error;
use std::time::Instant;

use scramjet_client_blocking::pack::DeployChange;
use scramjet_client_blocking::{DeployKey, HostClient, Package};
use scramjet_client_tests::hub;

const USAGE: &str =
    "usage: deploy_if_changed FOLDER [--hub URL] [--state FILE] [--remove-old] [--list]";

fn main() -> Result<(), Box<dyn Error>> {
    let (mut folder, mut hub_url, mut state) = (None, None, "target/deployed.json".to_owned());
    let (mut remove_old, mut list) = (false, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--hub" => hub_url = Some(args.next().ok_or(USAGE)?),
            "--state" => state = args.next().ok_or(USAGE)?,
            "--remove-old" => remove_old = true,
            "--list" => list = true,
            path if folder.is_none() && !path.starts_with("--") => folder = Some(path.to_owned()),
            _ => return Err(USAGE.into()),
        }
    }
    // Problems in the folder are reported before any request.
    let package = Package::from_dir(folder.ok_or(USAGE)?)?;
    if list {
        for entry in package.entries() {
            println!("{:>10} {}", entry.size(), entry.path);
        }
        println!(
            "{:>10} bytes in {} entries, digest {}",
            package.size(),
            package.entries().len(),
            package.digest()?
        );
        return Ok(());
    }

    let key = DeployKey::new(
        if package.name().is_empty() {
            "sequence"
        } else {
            package.name()
        },
        state,
    );
    let key = if remove_old { key.remove_old() } else { key };
    let is_local = hub_url.is_none() && std::env::var_os("SCRAMJET_HUB_URL").is_none();
    let hub = hub::resolve(hub_url)?;
    let host = HostClient::new(hub.url())?;
    for _ in 0..if is_local { 2 } else { 1 } {
        let begin = Instant::now();
        let deployed = host.deploy_if_changed(&package, &key)?;
        let done = match deployed.change {
            DeployChange::Unchanged => "is unchanged, nothing was uploaded",
            DeployChange::Updated => "was uploaded and replaces an earlier one",
            _ => "was uploaded",
        };
        println!(
            "sequence {} {done} ({:.0?})",
            deployed.sequence.id(),
            begin.elapsed()
        );
        for id in &deployed.remaining {
            println!("the old sequence {id} is still on the hub");
        }
    }
    Ok(())
}
