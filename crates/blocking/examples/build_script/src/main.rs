//! Tells which sequence it was built with.

mod sequence {
    include!(concat!(env!("OUT_DIR"), "/sequence.rs"));
}

/// For a program that brings its package along, and deploys it where it is run.
const PACKAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sequence.tar.gz"));

fn main() {
    match (sequence::HUB, sequence::ID) {
        (Some(hub), Some(id)) => println!("sequence {id} on {hub}"),
        _ => println!(
            "package of {} bytes, not deployed: {}",
            PACKAGE.len(),
            sequence::NOT_DEPLOYED.unwrap_or("no hub was asked for")
        ),
    }
}
