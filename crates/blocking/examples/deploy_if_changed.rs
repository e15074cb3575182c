//! Packs a folder, and uploads the package only if it differs from the deployed one.
//!
//! `cargo run -p scramjet-client-blocking --features pack --example deploy_if_changed`
//!
//! Deploys a folder, deploys it again without a change, and once more after a change. Prints the
//! packed files, the id of the sequence, and the change. Uses the hub of `SCRAMJET_HUB_URL`, or a
//! fake hub. Deletes the sequence and the folder at the end.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::path::Path;
use std::{env, fs, process};

use scramjet_client_blocking::pack::Deployed;
use scramjet_client_blocking::{DeployKey, HostClient, Package};
use scramjet_client_testing::demo;

const MANIFEST: &str = r#"{ "name": "greeter", "version": "1.0.0", "main": "index.js" }"#;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = demo::hub();
    let host = HostClient::new(hub.url())?;
    let folder = env::temp_dir().join(format!("deploy-if-changed-{}", process::id()));
    let deployed = deploy_three_times(&host, &folder);
    fs::remove_dir_all(&folder)?;
    deployed
}

fn deploy_three_times(host: &HostClient, folder: &Path) -> Result<(), Box<dyn Error>> {
    let source = folder.join("greeter");
    fs::create_dir_all(&source)?;
    fs::write(source.join("package.json"), MANIFEST)?;
    // The state file stores which sequence was deployed, and from which package.
    let key = DeployKey::new("greeter", folder.join("deployed.json")).remove_old();

    let deploy = |greeting: &str| -> Result<Deployed, Box<dyn Error>> {
        let program = format!("module.exports = async () => {{ console.log('{greeting}'); }};\n");
        fs::write(source.join("index.js"), program)?;
        // Problems in the folder are reported before any request.
        let package = Package::from_dir(&source)?;
        for entry in package.entries() {
            println!("{:>10} bytes in {}", entry.size(), entry.path);
        }
        let deployed = host.deploy_if_changed(&package, &key)?;
        println!("sequence {}: {:?}", deployed.sequence.id(), deployed.change);
        Ok(deployed)
    };
    deploy("Hello")?;
    deploy("Hello")?;
    deploy("Good morning")?.sequence.delete()?;
    Ok(())
}
