//! Prints the sequence that the build script deployed, or why it did not deploy one.
//!
//! `cargo run` in this folder builds and runs it.

mod sequence {
    include!(concat!(env!("OUT_DIR"), "/sequence.rs"));
}

/// The packed sequence, for a program that deploys it at run time.
const PACKAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sequence.tar.gz"));

fn main() {
    match (sequence::HUB, sequence::ID) {
        (Some(hub), Some(id)) => println!("sequence {id} on {hub}"),
        _ => println!(
            "package of {} bytes, not deployed: {}",
            PACKAGE.len(),
            sequence::NOT_DEPLOYED.unwrap_or("SCRAMJET_HUB_URL is not set")
        ),
    }
}
