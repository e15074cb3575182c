//! Flows over a model of the hub, in virtual time, with a network that delays, loses and cuts.
//!
//! Each seed is one story: a hub of one of the two generations, an instance that lives and dies in
//! some way, a flow, and the faults between them. Some thousand run with the tests;
//! `SCRAMJET_SIM_SEEDS=1000000` runs more, and `SCRAMJET_SIM_SEED=7` only that one, and tells what
//! happened.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests"
)]

mod delete;
mod events;
mod follow;
mod follow_logs;
mod hub;
mod kill;
mod network;
mod start;
mod watch;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many seeds each test runs unless it is told otherwise.
const SEEDS: u64 = 500;

/// Seeds beyond these that found a mistake once.
const FOUND: [u64; 10] = [
    2_813, 12_222, 16_283, 22_239, 31_026, 31_994, 33_701, 42_442, 64_726, 342_368,
];

/// Plays a story for each seed, and names those that fail.
pub(crate) fn for_seeds(name: &str, story: impl Fn(u64)) {
    let number = |name| {
        env::var(name)
            .ok()
            .and_then(|value| value.parse::<u64>().ok())
    };
    if let Some(seed) = number("SCRAMJET_SIM_SEED") {
        return story(seed);
    }
    let seeds = number("SCRAMJET_SIM_SEEDS").unwrap_or(SEEDS);
    let fails = |seed: &u64| catch_unwind(AssertUnwindSafe(|| story(*seed))).is_err();
    let failed: Vec<_> = (0..seeds).chain(FOUND).filter(fails).take(5).collect();
    assert!(
        failed.is_empty(),
        "{name}: of {seeds} seeds, these failed first: {failed:?}"
    );
}
