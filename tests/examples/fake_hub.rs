//! Runs a fake hub of 0.18 or 1.x with the sequences of the tests until stdin ends.
//!
//! Start it with `cargo run -p scramjet-client-tests --example fake_hub -- 1.x`, then run
//! `SCRAMJET_HUB_URL=… cargo test -p scramjet-client-tests --test blocking` in another terminal.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::io::{self, Read};

use scramjet_client_testing::fake_hub::Generation;
use scramjet_client_tests::programs;

fn main() -> io::Result<()> {
    let generation = match std::env::args().nth(1).as_deref() {
        Some("0.18") => Generation::V0_18,
        Some("1.x") => Generation::V1,
        _ => return Err(io::Error::other("the argument is 0.18 or 1.x")),
    };
    let hub = programs::fake_hub(generation);
    println!("{}", hub.url());
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
